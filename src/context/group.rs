use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;

use futures_core::future::BoxFuture;

use crate::combine::gather;
use crate::task::{caught, discard};

/// Many contexts that are entered all at once, used together, and left all at once.
///
/// A context that can not be entered is a value like the others: the use sees it and runs, and
/// nothing is released for it. None of them keeps another from being entered or left. It takes as
/// long as the slowest acquire, the use and the slowest release together.
///
/// Dropping a group does nothing. Dropping the future of [`run`](Self::run) drops what runs and
/// the values; releases do not run. The [module](super) says what to do where they must.
///
/// # Examples
///
/// ```
/// use untethered::context::ContextGroup;
///
/// # futures_lite::future::block_on(async {
/// let mut group = ContextGroup::new();
/// for host in ["a", "down", "b"] {
///     group.add(
///         async move { if host == "down" { Err("unreachable") } else { Ok(host) } },
///         |_host| async { Ok(()) },
///     );
/// }
/// let exited = group
///     .run(async |hosts| hosts.iter().flatten().copied().collect::<Vec<_>>())
///     .await;
/// assert_eq!(exited.output, ["a", "b"]);
/// assert_eq!(exited.values, [Ok("a"), Err("unreachable"), Ok("b")]);
/// assert_eq!(exited.exits, [Some(Ok(())), None, Some(Ok(()))]);
/// # });
/// ```
#[must_use = "a group does nothing before run()"]
pub struct ContextGroup<'a, V, E> {
    entries: Vec<Entry<'a, V, E>>,
}

struct Entry<'a, V, E> {
    acquire: BoxFuture<'a, Result<V, E>>,
    release: Release<'a, V, E>,
}

type Release<'a, V, E> = Box<dyn FnOnce(V) -> BoxFuture<'a, Result<(), E>> + Send + 'a>;

/// What became of a [`ContextGroup`]. Lists have a place for each context, in the order of
/// [`add`](ContextGroup::add).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exited<T, V, E> {
    /// What the use returned.
    pub output: T,
    /// What each acquire gave, as the use has left it.
    pub values: Vec<Result<V, E>>,
    /// What each release gave; `None` where nothing was acquired.
    pub exits: Vec<Option<Result<(), E>>>,
}

impl<'a, V, E> ContextGroup<'a, V, E> {
    /// A group without contexts.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Adds a context: how to acquire its value, and how to release it.
    pub fn add<R>(
        &mut self,
        acquire: impl Future<Output = Result<V, E>> + Send + 'a,
        release: impl FnOnce(V) -> R + Send + 'a,
    ) where
        R: Future<Output = Result<(), E>> + Send + 'a,
    {
        self.entries.push(Entry {
            acquire: Box::pin(acquire),
            release: Box::new(|value| Box::pin(release(value))),
        });
    }

    /// How many contexts there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Enters all, runs `body`, and leaves all that were entered, however `body` ended.
    ///
    /// A release is given a clone of its value: a handle, such as an `Arc`. So the values can
    /// still be read in [`Exited::values`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops what runs and the values; releases do not run.
    ///
    /// # Panics
    ///
    /// If an acquire, `body` or a release does, with the first such panic, once all that were
    /// entered have been left.
    pub async fn run<B, T>(self, body: B) -> Exited<T, V, E>
    where
        B: AsyncFnOnce(&mut [Result<V, E>]) -> T,
        V: Clone,
    {
        let (acquires, releases): (Vec<_>, Vec<_>) = self
            .entries
            .into_iter()
            .map(|entry| (caught(entry.acquire), entry.release))
            .unzip();
        let mut panic = None;
        let entered: Vec<_> = gather(acquires)
            .await
            .into_iter()
            .map(|entered| keep_first(entered, &mut panic))
            .collect();
        if let Some(payload) = panic {
            let entered = entered.into_iter().map(|value| value?.ok()).collect();
            discard(leave(entered, releases).await);
            resume_unwind(payload);
        }
        let mut values: Vec<_> = entered.into_iter().flatten().collect();
        let output = caught(async { body(&mut values).await }).await;
        let entered = values.iter().map(|value| value.as_ref().ok().cloned());
        let (exits, panic) = leave(entered.collect(), releases).await;
        match (output, panic) {
            (Ok(output), None) => Exited {
                output,
                values,
                exits,
            },
            (Ok(lost), Some(payload)) => {
                discard(lost);
                resume_unwind(payload)
            }
            (Err(payload), later) => {
                discard(later);
                resume_unwind(payload)
            }
        }
    }
}

/// Releases what there is, all at once. Gives the first panic of a release too.
async fn leave<V, E>(
    values: Vec<Option<V>>,
    releases: Vec<Release<'_, V, E>>,
) -> (Vec<Option<Result<(), E>>>, Option<Panic>) {
    let exits = values.into_iter().zip(releases).map(|(value, release)| {
        caught(async move {
            match value {
                Some(value) => Some(release(value).await),
                None => None,
            }
        })
    });
    let exits: Vec<_> = exits.collect();
    let mut panic = None;
    let left = gather(exits).await.into_iter();
    let left = left.map(|left| keep_first(left, &mut panic).flatten());
    (left.collect(), panic)
}

type Panic = Box<dyn std::any::Any + Send>;

/// The value, or `None` and the panic kept, if it is the first.
fn keep_first<T>(ended: Result<T, Panic>, first: &mut Option<Panic>) -> Option<T> {
    match ended {
        Ok(value) => Some(value),
        Err(payload) => {
            if first.is_none() {
                *first = Some(payload);
            } else {
                discard(payload);
            }
            None
        }
    }
}

impl<V, E> Default for ContextGroup<'_, V, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V, E> fmt::Debug for ContextGroup<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextGroup")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
