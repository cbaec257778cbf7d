use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;

use crate::primitives::Mutex;
use crate::task::{caught, discard};

/// Acquires, uses and releases in one async block: the code before the hand-over is the acquire,
/// the code after it is the release.
///
/// `manage` awaits [`HandOver::to`] with the resource; that runs `body` and gives what it
/// returned, an error or a panic too. What `manage` returns is the result: it may keep the error of
/// `body`, wrap it, replace it or return a value instead. A panic of `body` goes on once `manage`
/// has ended, whatever that returned.
///
/// Two hand-overs do not compile, since the first consumes the [`HandOver`].
///
/// # Cancel safety
///
/// Dropping the returned future drops `manage` where it stands, in the hand-over too: what it
/// would have done after that is not done. The [module](super) says what to do where it must.
///
/// # Errors
///
/// Those of `manage`; and [`HandOverError::NotHandedOver`] if it returned a value without having
/// handed over.
///
/// # Panics
///
/// If `manage` does. If `body` does, once `manage` has ended.
///
/// # Examples
///
/// A transaction, committed if the use succeeds:
///
/// ```
/// use untethered::context::{HandOverError, context};
///
/// # futures_lite::future::block_on(async {
/// let mut table = vec![1];
/// let done = context(
///     async |hand_over| {
///         let mut draft = table.clone();
///         let used = hand_over.to(&mut draft).await;
///         if used.is_ok() {
///             table = draft;
///         }
///         used
///     },
///     async |draft| {
///         draft.push(2);
///         "x".parse::<i32>()
///     },
/// );
/// assert!(matches!(done.await, Err(HandOverError::Failed(_))));
/// assert_eq!(table, [1]);
/// # });
/// ```
///
/// Two hand-overs:
///
/// ```compile_fail,E0382
/// use untethered::context::{HandOverError, context};
///
/// # async fn twice() {
/// let used: Result<(), HandOverError<()>> = context(
///     async |hand_over| {
///         hand_over.to(&mut 1).await?;
///         hand_over.to(&mut 2).await
///     },
///     async |_number| Ok(()),
/// )
/// .await;
/// # }
/// ```
pub async fn context<M, F, B, R, T, E, U, E2>(manage: M, body: B) -> Result<U, HandOverError<E2>>
where
    M: FnOnce(HandOver<B, R>) -> F,
    F: Future<Output = Result<U, HandOverError<E2>>>,
    B: AsyncFnOnce(&mut R) -> Result<T, E>,
{
    let used = Arc::new(Mutex::new(Used::NotYet));
    let hand_over = HandOver {
        body,
        used: used.clone(),
        takes: PhantomData,
    };
    let ended = caught(async { manage(hand_over).await }).await;
    let used = mem::replace(&mut *used.lock(), Used::NotYet);
    match (used, ended) {
        (Used::Panicked(payload), ended) => {
            discard(ended);
            resume_unwind(payload)
        }
        (_, Err(payload)) => resume_unwind(payload),
        (Used::NotYet, Ok(Ok(_))) => Err(HandOverError::NotHandedOver),
        (_, Ok(ended)) => ended,
    }
}

enum Used {
    NotYet,
    Begun,
    Panicked(Box<dyn Any + Send>),
}

/// The way from the acquire to the use. From [`context`].
#[must_use = "a context that does not hand over is an error"]
pub struct HandOver<B, R> {
    body: B,
    used: Arc<Mutex<Used>>,
    takes: PhantomData<fn(&mut R)>,
}

impl<B, R> HandOver<B, R> {
    /// Runs the use with `resource` and gives what it returned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops the use.
    ///
    /// # Errors
    ///
    /// [`HandOverError::Failed`] with the error of the use, [`HandOverError::Panicked`] if it
    /// panicked.
    pub async fn to<T, E>(self, resource: &mut R) -> Result<T, HandOverError<E>>
    where
        B: AsyncFnOnce(&mut R) -> Result<T, E>,
    {
        *self.used.lock() = Used::Begun;
        let body = self.body;
        match caught(async { body(resource).await }).await {
            Ok(used) => used.map_err(HandOverError::Failed),
            Err(payload) => {
                *self.used.lock() = Used::Panicked(payload);
                Err(HandOverError::Panicked)
            }
        }
    }
}

impl<B, R> fmt::Debug for HandOver<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver").finish_non_exhaustive()
    }
}

/// Why there is no value from a [`context`].
///
/// An error is displayed as it is. What caused it is not in `source()`, as an `E` need not be an
/// [`Error`]: take it out of [`Failed`](Self::Failed) and ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandOverError<E> {
    /// The use failed, or what was around it.
    Failed(E),
    /// The use panicked. Only the context itself sees this: its caller gets the panic.
    Panicked,
    /// The context returned a value, but never handed over.
    NotHandedOver,
}

impl<E> HandOverError<E> {
    /// The error, with another type.
    pub fn map<E2>(self, f: impl FnOnce(E) -> E2) -> HandOverError<E2> {
        match self {
            Self::Failed(error) => HandOverError::Failed(f(error)),
            Self::Panicked => HandOverError::Panicked,
            Self::NotHandedOver => HandOverError::NotHandedOver,
        }
    }
}

/// For `?` in the acquire and the release.
impl<E> From<E> for HandOverError<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

impl<E: fmt::Display> fmt::Display for HandOverError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked => f.write_str("the use of the resource panicked"),
            Self::NotHandedOver => f.write_str("the context ended without having handed over"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for HandOverError<E> {}
