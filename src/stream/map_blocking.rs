use std::fmt;
use std::sync::Arc;

use super::{Concurrent, FromIter, concurrent};
use crate::runtime::Runtime;
use crate::task::BlockingTask;

/// What a closure that may block makes of an item. An error if it panicked, or if the runtime is
/// gone.
pub type Blocking<T> = BlockingTask<T>;

/// Calls `f` with each item on threads of the runtime where it may block, so many at a time.
///
/// Outputs come as they are done, or in the order of the items with
/// [`ordered`](Concurrent::ordered); at most [`limit`](Concurrent::limit) calls are under way. The
/// task that polls it never blocks. Dropping it starts no more calls; those under way run to their
/// end, for nothing can stop a thread.
///
/// For a stream take [`Concurrently::map_blocking`](super::Concurrently::map_blocking). For items
/// that are too small for a call each, see [`chunks`](super::chunks) and
/// [`batches`](super::batches).
///
/// # Examples
///
/// ```
/// use untethered::sim::Sim;
/// use untethered::stream::{batch_size, chunks, map_blocking};
///
/// let sim = Sim::new();
/// let rt = sim.runtime();
/// sim.block_on(async {
///     let lengths = map_blocking(&rt, ["a", "bcd"], str::len).ordered().await;
///     let lengths: Vec<_> = lengths.into_iter().map(Result::unwrap).collect();
///     assert_eq!(lengths, [1, 3]);
///
///     // A hundred numbers in one batch for each worker, but no fewer than 40 in a batch.
///     let size = batch_size(100, rt.parallelism(), 40..);
///     let sums = map_blocking(&rt, chunks(0..100, size), |batch| batch.iter().sum::<u32>());
///     let sum: u32 = sums.await.into_iter().map(Result::unwrap).sum();
///     assert_eq!(sum, 4950);
/// });
/// ```
pub fn map_blocking<I, F, T>(
    rt: &Runtime,
    items: I,
    f: F,
) -> Concurrent<FromIter<MapBlocking<I::IntoIter, F>>>
where
    I: IntoIterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    concurrent(MapBlocking {
        items: items.into_iter(),
        calls: Calls::new(rt, f),
    })
}

/// The calls of [`map_blocking`], each started when it is taken.
pub struct MapBlocking<I, F> {
    items: I,
    calls: Calls<F>,
}

impl<I, F, T> Iterator for MapBlocking<I, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Blocking<T>;

    fn next(&mut self) -> Option<Blocking<T>> {
        let item = self.items.next()?;
        Some(self.calls.start(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I, F> fmt::Debug for MapBlocking<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapBlocking").finish_non_exhaustive()
    }
}

/// Starts a closure with one item after the other.
pub(super) struct Calls<F> {
    rt: Runtime,
    f: Arc<F>,
}

impl<F> Calls<F> {
    pub(super) fn new(rt: &Runtime, f: F) -> Self {
        Self {
            rt: rt.clone(),
            f: Arc::new(f),
        }
    }

    pub(super) fn start<A, T>(&self, item: A) -> Blocking<T>
    where
        A: Send + 'static,
        F: Fn(A) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        let f = self.f.clone();
        self.rt.spawn_blocking(move || f(item))
    }
}
