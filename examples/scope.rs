//! Tasks that borrow: polled in place, no runtime, all over when the scope returns.
//!
//! ```text
//! cargo run --example scope
//! ```

use untethered::group::{BlockError, scope};

fn main() {
    let text = "to be or not to be".to_owned();
    let words: Vec<&str> = text.split(' ').collect();
    let words = &words;

    let count = scope(|s| async move {
        let short = s.spawn(async move { words.iter().filter(|word| word.len() == 2).count() });
        let long = s.spawn(async move { words.iter().filter(|word| word.len() > 2).count() });
        Ok((short.await?, long.await?))
    });
    let count = futures_lite::future::block_on(count).expect("nothing here fails");
    println!("{count:?} of {words:?}");
    assert_eq!(count, (5, 1));

    // The first failure drops the others, and the body.
    let failed = scope(|s| async move {
        s.spawn(std::future::pending::<()>());
        s.spawn_fallible(async move { words[0].parse::<u32>() });
        std::future::pending().await
    });
    let error: BlockError = futures_lite::future::block_on::<Result<(), _>>(failed).unwrap_err();
    println!("{error}");
}
