//! Clean-up that is awaited: a transaction, several servers at once, steps that are undone in
//! reverse, and a value that a whole call tree can see.
//!
//! ```text
//! cargo run --example context
//! ```

use std::sync::mpsc::channel;

use untethered::block_on;
use untethered::context::{ContextGroup, ExitStack, HandOverError, TaskLocal, context, with};

static REQUEST: TaskLocal<u32> = TaskLocal::new();

fn say(line: &str) {
    match REQUEST.get() {
        Some(id) => println!("[request {id}] {line}"),
        None => println!("{line}"),
    }
}

/// A table whose changes are kept only if whoever made them succeeded.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    /// Code before the hand-over acquires, code after it releases, and sees how the use ended.
    async fn change<T>(
        &mut self,
        body: impl AsyncFnOnce(&mut Vec<String>) -> Result<T, String>,
    ) -> Result<T, HandOverError<String>> {
        context(
            async |hand_over| {
                let mut draft = self.0.clone();
                let used = hand_over.to(&mut draft).await;
                match &used {
                    Ok(_) => self.0 = draft,
                    Err(error) => say(&format!("rolled back: {error}")),
                }
                used
            },
            body,
        )
        .await
    }
}

fn main() {
    block_on(REQUEST.scope(7, async {
        // One resource: acquire, use, release.
        let length = with(
            async { Ok::<_, String>(String::from("a file")) },
            async |file| Ok(file.len()),
            async |file| {
                say(&format!("{file} is closed"));
                Ok(())
            },
        );
        assert_eq!(length.await.unwrap(), 6);

        let mut table = Table::default();
        let kept = table.change(async |rows| {
            rows.push("kept".into());
            Ok(rows.len())
        });
        assert_eq!(kept.await.unwrap(), 1);
        let failed = table.change(async |rows| {
            rows.push("forgotten".into());
            Err::<(), _>("the disk is full".into())
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "the disk is full");
        assert_eq!(table.0, ["kept"]);

        // Several servers, connected and disconnected all at once. One is down.
        let mut servers = ContextGroup::new();
        for (name, up) in [("ann", true), ("bob", false), ("cid", true)] {
            servers.add(
                async move { if up { Ok(name) } else { Err("is down") } },
                |name| async move {
                    say(&format!("disconnected from {name}"));
                    Ok(())
                },
            );
        }
        let asked = servers.run(async |servers| servers.iter().flatten().count());
        let asked = asked.await;
        assert_eq!((asked.output, asked.values[1]), (2, Err("is down")));

        // Steps that are undone in reverse when a later one fails.
        let (undo, undone) = channel();
        let installed = ExitStack::run(async |stack| {
            for step in ["folder", "database", "user"] {
                if step == "user" {
                    return Err("no such user");
                }
                let undo = undo.clone();
                stack.defer(async move {
                    say(&format!("{step} removed"));
                    undo.send(step).map_err(|_| "nobody counts")
                });
            }
            // All went well: nothing is undone.
            Ok(stack.take_all())
        });
        assert_eq!(installed.await.unwrap_err().to_string(), "no such user");
        assert_eq!(
            undone.try_iter().collect::<Vec<_>>(),
            ["database", "folder"]
        );
    }));
    say("done");
}
