use super::handle::Handle;
use crate::task::{JoinError, Reason};

/// What became of a task that was asked to stop. From [`cancel_all`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Cancelled<T> {
    /// It had come to its end before, with this outcome.
    AlreadyDone(Result<T, JoinError>),
    /// It gave its value all the same.
    Completed(T),
    /// It was dropped, or ended itself.
    Cancelled(Option<Reason>),
    /// It failed, and its group has the error.
    Failed,
    /// It panicked.
    Panicked(JoinError),
}

/// Asks tasks to stop, waits until all have ended, and tells of each, in the order given.
///
/// Each is asked at once, by the means its [`OnCancel`](super::OnCancel) says. To ask without
/// owning the handles, so that several callers may wait for the same task, take
/// [`Handle::cancel`] and [`Handle::ended`].
///
/// # Cancel safety
///
/// Dropping the returned future, once it was polled, leaves the requests in force.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
/// use untethered::group::{Cancelled, Group, cancel_all};
///
/// let rt = untethered::runtime::threads(1);
/// let group = Group::builder(&rt).build();
/// let handles = [group.spawn(std::future::pending::<()>())];
/// let told = cancel_all(handles, "not needed any more").await;
/// assert!(matches!(told[..], [Cancelled::Cancelled(_)]));
/// # });
/// ```
pub async fn cancel_all<T>(
    handles: impl IntoIterator<Item = Handle<T>>,
    reason: impl Into<Reason>,
) -> Vec<Cancelled<T>> {
    let reason = reason.into();
    let asked: Vec<(Handle<T>, bool)> = handles
        .into_iter()
        .map(|handle| {
            let done = handle.is_finished();
            (handle, done)
        })
        .collect();
    for (handle, _) in &asked {
        handle.cancel(reason.clone());
    }
    let mut told = Vec::with_capacity(asked.len());
    for (handle, done) in asked {
        let outcome = handle.await;
        told.push(match outcome {
            outcome if done => Cancelled::AlreadyDone(outcome),
            Ok(value) => Cancelled::Completed(value),
            Err(error) if error.is_failed() => Cancelled::Failed,
            Err(error) if error.is_panic() => Cancelled::Panicked(error),
            Err(error) => Cancelled::Cancelled(error.reason().cloned()),
        });
    }
    told
}
