use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Group;
use super::door::Door;
use super::failure::BoxError;
use super::handle::Handle;
use super::slot::Slot;
use super::verdict::ToHandle;
use crate::set::{Set, Turn};
use crate::sync::{Limit, OwnedPermit};
use crate::task::JoinError;

/// Results of tasks of a [`Group`] as they complete, each with its key. From [`Group::results`].
///
/// The tasks belong to the group. Dropping this drops what it holds of their results, and lets
/// them go on.
///
/// # Cancel safety
///
/// [`next`](Self::next) and the stream lose nothing when dropped: a result that was there stays for
/// the next.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
/// use untethered::group::Group;
///
/// let rt = untethered::runtime::threads(2);
/// let group = Group::builder(&rt).build();
/// let mut results = group.results(8);
/// for word in ["one", "three"] {
///     results.spawn(word, async move { word.len() });
/// }
/// let mut sum = 0;
/// while let Some((word, length)) = results.next().await {
///     assert_eq!(length.unwrap(), word.len());
///     sum += word.len();
/// }
/// assert_eq!(sum, 8);
/// # });
/// ```
#[must_use = "results that nobody takes are dropped"]
pub struct Results<K, T, E = BoxError> {
    door: Door<E>,
    limit: Limit,
    /// Started, not in the set yet.
    fresh: VecDeque<Keyed<K, T>>,
    set: Set<Keyed<K, T>, Option<Keyed<K, T>>>,
}

/// A task whose result is not taken yet.
struct Keyed<K, T> {
    key: Option<K>,
    /// With the place of the result, which is free once it is taken.
    handle: Handle<(T, Option<OwnedPermit>)>,
}

impl<E: Send + 'static> Group<E> {
    /// A way to start tasks and take their results as they complete.
    ///
    /// At most `max` of its tasks run or have a result that was not taken; others wait for their
    /// turn in the order in which they were spawned.
    ///
    /// # Panics
    ///
    /// If `max` is nought: no task could ever run.
    #[track_caller]
    pub fn results<K, T>(&self, max: usize) -> Results<K, T, E> {
        let max = NonZeroUsize::new(max).expect("results of nought tasks at once never come");
        Results {
            door: self.door().clone(),
            limit: max.into(),
            fresh: VecDeque::new(),
            set: Set::unboxed(),
        }
    }
}

impl<K, T: Send + 'static, E: Send + 'static> Results<K, T, E> {
    /// Starts `future` in the group. As [`Group::spawn`].
    #[track_caller]
    pub fn spawn(&mut self, key: K, future: impl Future<Output = T> + Send + 'static) {
        let mut slot = Slot::of(&self.limit);
        let handle = self.door.spawn(
            async move {
                poll_fn(|cx| slot.poll(cx)).await;
                let output = future.await;
                (output, slot.into_permit())
            },
            ToHandle,
        );
        self.fresh.push_back(Keyed {
            key: Some(key),
            handle,
        });
    }

    /// Waits for the next task to end. `None` if no result is left to come.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait loses no result.
    pub async fn next(&mut self) -> Option<(K, Result<T, JoinError>)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// How many results were not taken yet.
    pub fn len(&self) -> usize {
        self.set.len() + self.fresh.len()
    }

    /// Whether no result is left to come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(K, Result<T, JoinError>)>> {
        self.set.begin();
        loop {
            let woken = match self.set.poll_woken() {
                Turn::Output(_, result) => return Poll::Ready(Some(result)),
                Turn::GiveWay => false,
                Turn::Over => true,
            };
            if !woken || self.set.is_spent() {
                self.set.give_way(cx);
                return Poll::Pending;
            }
            match self.fresh.pop_front() {
                Some(task) => {
                    if let Poll::Ready(result) = self.set.enter(0, task) {
                        return Poll::Ready(Some(result));
                    }
                }
                None if self.set.len() == 0 => return Poll::Ready(None),
                None => {
                    self.set.park(cx);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<K, T, E> Unpin for Results<K, T, E> {}

impl<K, T: Send + 'static, E: Send + 'static> Stream for Results<K, T, E> {
    type Item = (K, Result<T, JoinError>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<K, T, E> fmt::Debug for Results<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results")
            .field("len", &(self.set.len() + self.fresh.len()))
            .finish_non_exhaustive()
    }
}

impl<K, T> Unpin for Keyed<K, T> {}

impl<K, T> Future for Keyed<K, T> {
    type Output = (K, Result<T, JoinError>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = std::task::ready!(Pin::new(&mut self.handle).poll(cx));
        match self.key.take() {
            // Here the place is given back.
            Some(key) => Poll::Ready((key, result.map(|(output, _)| output))),
            None => unreachable!("a task is not polled after its end"),
        }
    }
}
