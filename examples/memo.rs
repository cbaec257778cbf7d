//! Names of users, loaded from something slow: each once, the last few kept for a minute.
//!
//! ```text
//! cargo run --example memo
//! ```

use std::io;
use std::time::Duration;

use untethered::memo::{LoadError, Memo};
use untethered::{Runtime, concurrent, runtime};

/// Stands for a request.
async fn fetch(rt: &Runtime, user: u32) -> io::Result<String> {
    println!("fetches user {user}");
    rt.sleep(Duration::from_millis(20)).await;
    match user {
        13 => Err(io::Error::other("no such user")),
        _ => Ok(format!("user-{user}")),
    }
}

fn main() {
    let rt = runtime::threads(2);
    let life = Duration::from_secs(60);
    let names: Memo<u32, String, io::Error> = Memo::builder()
        .capacity(100)
        .time_to_live(&rt, life)
        .build();
    let name_of = |user| {
        let fetched = rt.clone();
        names.try_load(user, move || async move { fetch(&fetched, user).await })
    };

    futures_lite::future::block_on(async {
        // Those who ask at once wait for one load.
        let asked = concurrent([1, 2, 1, 13, 1, 13].map(name_of))
            .ordered()
            .await;
        for name in asked {
            match name {
                Ok(name) => println!("{name}"),
                Err(LoadError::Failed(error)) => println!("failed: {error}"),
                Err(LoadError::Closed) => unreachable!("nobody closes it"),
            }
        }
        // Kept, but for the error.
        let name = name_of(1).await.expect("it is kept");
        assert_eq!(*name, "user-1");
        assert!(!names.contains(&13));
    });
    println!("{:?}", names.stats());
    assert_eq!(names.stats().loads, 3);
}
