use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::resume_unwind;
use std::thread;

use futures_core::future::BoxFuture;

use super::{ContextError, Stage};
use crate::task::{catch, caught, discard};

/// Exits that run in reverse, the last one first, when the stack is closed.
///
/// **On drop** the synchronous exits ([`defer_sync`](Self::defer_sync)) run, the last one first;
/// the async ones, those of [`enter`](Self::enter) too, are dropped unrun, because nobody is there
/// to await them. So close a stack, or better, let [`run`](Self::run) do it, which does so after an
/// error and a panic too.
///
/// All exits run, one after the other, also those after one that failed or panicked. They own what
/// they need; a release that borrows is written with [`with`](super::with()).
///
/// # Examples
///
/// ```
/// use untethered::context::ExitStack;
///
/// # futures_lite::future::block_on(async {
/// let (undo, log) = std::sync::mpsc::channel();
/// let failed = ExitStack::run(async |stack| {
///     for step in ["create", "start", "connect"] {
///         if step == "connect" {
///             return Err("refused"); // what was done so far is undone
///         }
///         let undo = undo.clone();
///         stack.defer(async move {
///             undo.send(step).unwrap();
///             Ok(())
///         });
///     }
///     Ok(())
/// });
/// assert_eq!(failed.await.unwrap_err().into_error(), "refused");
/// assert_eq!(log.try_iter().collect::<Vec<_>>(), ["start", "create"]);
/// # });
/// ```
#[must_use = "dropping a stack runs its synchronous exits only"]
pub struct ExitStack<E> {
    exits: Vec<Exit<E>>,
}

enum Exit<E> {
    Async(BoxFuture<'static, Result<(), E>>),
    Sync(Box<dyn FnOnce() + Send>),
}

impl<E> ExitStack<E> {
    /// A stack without exits.
    pub fn new() -> Self {
        Self { exits: Vec::new() }
    }

    /// Runs `body` with a new stack, then its exits, however `body` ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `body`, then the stack.
    ///
    /// # Errors
    ///
    /// [`ContextError`]: that of `body` first, those of the exits attached in the order in which
    /// they ran. A value of `body` is dropped if an exit fails.
    ///
    /// # Panics
    ///
    /// If `body` or an exit does, with the first such panic, once all exits have run.
    pub async fn run<B, T>(body: B) -> Result<T, ContextError<E>>
    where
        B: AsyncFnOnce(&mut Self) -> Result<T, E>,
    {
        let mut stack = Self::new();
        let used = caught(async { body(&mut stack).await }).await;
        let (errors, panic) = stack.unwind().await;
        match (used, panic) {
            (Err(payload), later) => {
                discard((errors, later));
                resume_unwind(payload)
            }
            (Ok(lost), Some(payload)) => {
                discard((errors, lost));
                resume_unwind(payload)
            }
            (Ok(Err(error)), None) => Err(ContextError::of_use(Stage::Use, error, errors)),
            (Ok(Ok(value)), None) => match ContextError::of_releases(errors) {
                Some(error) => Err(error),
                None => Ok(value),
            },
        }
    }

    /// Acquires a resource, and keeps its release for the exit.
    ///
    /// The release is given a clone: a handle, such as an `Arc`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `acquire`, and keeps no release.
    ///
    /// # Errors
    ///
    /// That of `acquire`. Nothing is kept then.
    pub async fn enter<R, F>(
        &mut self,
        acquire: impl IntoFuture<Output = Result<R, E>>,
        release: impl FnOnce(R) -> F + Send + 'static,
    ) -> Result<R, E>
    where
        R: Clone + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let resource = acquire.await?;
        let released = resource.clone();
        self.defer(async move { release(released).await });
        Ok(resource)
    }

    /// Keeps `exit` to be awaited when the stack is closed. Dropped unrun if the stack is dropped.
    pub fn defer(&mut self, exit: impl Future<Output = Result<(), E>> + Send + 'static) {
        self.exits.push(Exit::Async(Box::pin(exit)));
    }

    /// Keeps `exit` to be run when the stack is closed or dropped.
    pub fn defer_sync(&mut self, exit: impl FnOnce() + Send + 'static) {
        self.exits.push(Exit::Sync(Box::new(exit)));
    }

    /// Moves all exits to a new stack; this one is empty then.
    ///
    /// For what is kept once all of it was acquired: return the new stack, and close it later.
    pub fn take_all(&mut self) -> Self {
        mem::take(self)
    }

    /// How many exits there are.
    pub fn len(&self) -> usize {
        self.exits.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exits.is_empty()
    }

    /// Runs all exits, the last one first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future, once it was polled, drops the exit that runs; with those that
    /// are left it does what a drop of the stack does.
    ///
    /// # Errors
    ///
    /// [`ContextError`], if exits failed: the first that did, the later ones attached.
    ///
    /// # Panics
    ///
    /// If an exit does, with the first such panic, once all have run.
    pub async fn close(self) -> Result<(), ContextError<E>> {
        let (errors, panic) = self.unwind().await;
        if let Some(payload) = panic {
            discard(errors);
            resume_unwind(payload);
        }
        match ContextError::of_releases(errors) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn unwind(mut self) -> (Vec<E>, Option<Panic>) {
        let (mut errors, mut panic) = (Vec::new(), None);
        while let Some(exit) = self.exits.pop() {
            let ended = match exit {
                Exit::Async(exit) => caught(exit).await,
                Exit::Sync(exit) => catch(exit).map(Ok),
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => errors.push(error),
                Err(payload) if panic.is_none() => panic = Some(payload),
                Err(payload) => discard(payload),
            }
        }
        (errors, panic)
    }
}

type Panic = Box<dyn std::any::Any + Send>;

impl<E> Default for ExitStack<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Drop for ExitStack<E> {
    fn drop(&mut self) {
        let mut panic = None;
        while let Some(exit) = self.exits.pop() {
            let dropped = catch(|| match exit {
                Exit::Async(exit) => drop(exit),
                Exit::Sync(exit) => exit(),
            });
            match dropped {
                Ok(()) => {}
                Err(payload) if panic.is_none() => panic = Some(payload),
                Err(payload) => discard(payload),
            }
        }
        match panic {
            // A panic in the midst of another would abort the program.
            Some(payload) if thread::panicking() => discard(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}

impl<E> fmt::Debug for ExitStack<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitStack")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
