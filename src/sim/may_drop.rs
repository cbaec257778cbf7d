use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::executor::Shared;
use crate::task::discard;

pin_project! {
    /// A future that an explored schedule may drop before it is done. From
    /// [`Sim::may_drop`](super::Sim::may_drop).
    ///
    /// Gives the output, or `None` if the future was dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future inside.
    #[must_use = "futures do nothing unless awaited"]
    pub struct MayDrop<F> {
        // `None` once it is done or dropped.
        #[pin]
        future: Option<F>,
        // `None` where nobody explores.
        place: Option<Place>,
    }
}

impl<F: Future> MayDrop<F> {
    pub(super) fn new(shared: &Arc<Shared>, future: F, place: &'static Location<'static>) -> Self {
        Self {
            future: Some(future),
            place: Place::take(shared, place),
        }
    }
}

impl<F: Future> Future for MayDrop<F> {
    type Output = Option<F::Output>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let output = if this.place.as_ref().is_some_and(Place::is_doomed) {
            None
        } else {
            let future = this.future.as_mut().as_pin_mut();
            match future.expect("polled after it was ready").poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => {
                    if let Some(place) = this.place {
                        place.wait(cx.waker());
                    }
                    return Poll::Pending;
                }
            }
        };
        *this.place = None;
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for MayDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MayDrop").finish_non_exhaustive()
    }
}

/// The futures that may be dropped, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Droppable {
    entries: BTreeMap<u64, Entry>,
    made: u64,
}

#[derive(Debug)]
struct Entry {
    place: &'static Location<'static>,
    waker: Option<Waker>,
    doomed: bool,
}

impl Droppable {
    /// How many there are that are not to be dropped already.
    pub(super) fn len(&self) -> usize {
        self.entries.values().filter(|entry| !entry.doomed).count()
    }

    /// Where the future was made.
    pub(super) fn place(&self, index: usize) -> Option<&'static Location<'static>> {
        let mut alive = self.entries.values().filter(|entry| !entry.doomed);
        alive.nth(index).map(|entry| entry.place)
    }

    /// Has a future dropped at its next poll; gives whom to wake for it.
    pub(super) fn doom(&mut self, index: usize) -> Option<Waker> {
        let mut alive = self.entries.values_mut().filter(|entry| !entry.doomed);
        let entry = alive.nth(index)?;
        entry.doomed = true;
        entry.waker.take()
    }
}

/// A place among the futures that may be dropped.
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Place {
    /// `None` where nobody explores.
    fn take(shared: &Arc<Shared>, place: &'static Location<'static>) -> Option<Self> {
        let mut state = shared.lock();
        state.plan.as_ref()?;
        let droppable = &mut state.droppable;
        let number = droppable.made;
        droppable.made += 1;
        let entry = Entry {
            place,
            waker: None,
            doomed: false,
        };
        droppable.entries.insert(number, entry);
        drop(state);
        Some(Self {
            shared: shared.clone(),
            number,
        })
    }

    fn is_doomed(&self) -> bool {
        let state = self.shared.lock();
        let entry = state.droppable.entries.get(&self.number);
        entry.is_some_and(|entry| entry.doomed)
    }

    fn wait(&self, waker: &Waker) {
        let waker = waker.clone();
        let mut state = self.shared.lock();
        let entry = state.droppable.entries.get_mut(&self.number);
        let old = entry.and_then(|entry| entry.waker.replace(waker));
        drop(state);
        discard(old);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let entry = self.shared.lock().droppable.entries.remove(&self.number);
        discard(entry);
    }
}
