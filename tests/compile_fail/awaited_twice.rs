//~ use of moved value: `task`
//~ `task` moved due to this await
use untethered::Runtime;
use untethered::task::JoinError;

pub async fn twice(rt: &Runtime) -> Result<u32, JoinError> {
    let task = rt.spawn(async { 1 });
    #[cfg(not(mended))]
    let (first, again) = (task.await?, task.await?);
    #[cfg(mended)]
    let first = task.await?;
    #[cfg(mended)]
    let again = first;
    Ok(first + again)
}
