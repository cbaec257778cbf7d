//~ is not a future
//~ required by a bound in `task_group`
use untethered::Runtime;
use untethered::group::{BlockError, task_group};

pub async fn block(rt: &Runtime) -> Result<u32, BlockError> {
    #[cfg(not(mended))]
    let body = |_tasks| Ok(1);
    #[cfg(mended)]
    let body = |_tasks| async { Ok(1) };
    task_group(rt, body).await
}
