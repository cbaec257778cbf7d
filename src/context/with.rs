use std::panic::resume_unwind;

use super::{ContextError, Stage};
use crate::task::{caught, discard};

/// Acquires a resource, uses it, and releases it however the use ended.
///
/// `release` is given the resource after `body` succeeded, failed or panicked. If `acquire` fails,
/// nothing else runs. A value of `body` is dropped if the release then fails.
///
/// A release that has to know how the use ended (commit or roll back) is written with
/// [`context`](super::context()).
///
/// # Cancel safety
///
/// Dropping the returned future drops what runs and the resource; `release` does not run. The
/// [module](super) says what to do where it must.
///
/// # Errors
///
/// [`ContextError`]: that of `body` first, that of `release` attached.
///
/// # Panics
///
/// If `acquire` does. If `body` does, once the release has ended, whose error is lost then. If
/// `release` does.
///
/// # Examples
///
/// ```
/// use untethered::context::{Stage, with};
///
/// # futures_lite::future::block_on(async {
/// let failed = with(
///     async { Ok("a lock") },
///     async |_| Err::<(), _>("the use failed"),
///     async |_| Err("the release failed"),
/// );
/// let error = failed.await.unwrap_err();
/// assert_eq!(error.stage(), Stage::Use);
/// assert_eq!(error.to_string(), "the use failed; then: the release failed");
/// # });
/// ```
pub async fn with<A, R, B, T, C, E>(acquire: A, body: B, release: C) -> Result<T, ContextError<E>>
where
    A: IntoFuture<Output = Result<R, E>>,
    B: AsyncFnOnce(&mut R) -> Result<T, E>,
    C: AsyncFnOnce(R) -> Result<(), E>,
{
    let mut resource = match acquire.await {
        Ok(resource) => resource,
        Err(error) => return Err(ContextError::new(Stage::Acquire, error)),
    };
    let used = caught(async { body(&mut resource).await }).await;
    let released = caught(async { release(resource).await }).await;
    match (used, released) {
        (Ok(Ok(value)), Ok(Ok(()))) => Ok(value),
        (Ok(Ok(_)), Ok(Err(error))) => Err(ContextError::new(Stage::Release, error)),
        (Ok(Err(error)), Ok(Ok(()))) => Err(ContextError::new(Stage::Use, error)),
        (Ok(Err(error)), Ok(Err(other))) => {
            Err(ContextError::of_use(Stage::Use, error, vec![other]))
        }
        (Err(payload), released) => {
            discard(released);
            resume_unwind(payload)
        }
        (Ok(lost), Err(payload)) => {
            discard(lost);
            resume_unwind(payload)
        }
    }
}
