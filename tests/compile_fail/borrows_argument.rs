//~ borrowed data escapes outside of
//~ argument requires that `'1` must outlive `'static`
use untethered::Runtime;
use untethered::group::{self, BlockError};

#[cfg(not(mended))]
pub async fn count(rt: &Runtime, words: &[String]) -> Result<usize, BlockError> {
    group::task_group(rt, |tasks| async move {
        Ok(tasks.spawn(async move { words.len() }).await?)
    })
    .await
}

// In place, tasks may borrow.
#[cfg(mended)]
pub async fn count(_rt: &Runtime, words: &[String]) -> Result<usize, BlockError> {
    group::scope(|tasks| async move { Ok(tasks.spawn(async move { words.len() }).await?) }).await
}
