//! A database that takes two connections: a pool of two threads, each with one of its own.
//!
//! ```text
//! cargo run --example pool
//! ```

use std::cell::RefCell;
use std::io;

use untethered::pool::BlockingPool;

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Stands for a client library that blocks.
struct Connection {
    queries: usize,
}

impl Connection {
    fn open() -> Self {
        Self { queries: 0 }
    }

    fn query(&mut self, user: u32) -> String {
        self.queries += 1;
        format!("user-{user}")
    }
}

/// Runs on a thread of the pool, which keeps its connection open.
fn name_of(user: u32) -> String {
    CONNECTION
        .with_borrow_mut(|connection| connection.get_or_insert_with(Connection::open).query(user))
}

fn main() -> io::Result<()> {
    let pool = BlockingPool::builder()
        .name("db")
        .threads(2)
        .queue(64)
        .build()?;
    futures_lite::future::block_on(async {
        // Handles that are awaited later.
        let mut tasks = Vec::new();
        for user in 0..10 {
            let task = pool.spawn_when_free(move || name_of(user)).await;
            tasks.push(task.expect("the pool is open"));
        }
        for task in tasks {
            println!("{}", task.await.expect("no query panics"));
        }

        // One that takes long looks whether it is to stop.
        let stop = pool.token();
        let report = pool.try_spawn(move || {
            let users = (0_u32..).take_while(|_| !stop.is_cancelled());
            users.map(name_of).map(|name| name.len()).sum::<usize>()
        });
        pool.cancel("shutdown");
        match report.expect("the queue has room").await {
            Ok(letters) => println!("{letters} letters until it was asked to stop"),
            Err(error) => println!("the report never ran: {error}"),
        }
        pool.closed().await;
    });
    println!("{} threads, all gone", pool.threads());
    Ok(())
}
