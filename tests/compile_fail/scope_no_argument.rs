//~ closure is expected to take 1 argument, but it takes 0 arguments
use untethered::group::{BlockError, scope};

pub async fn block() -> Result<u32, BlockError> {
    #[cfg(not(mended))]
    let run = scope(|| async { Ok(1) });
    #[cfg(mended)]
    let run = scope(|_tasks| async { Ok(1) });
    run.await
}
