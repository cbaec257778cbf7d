//! Bugs that were put there: exploration finds each of them, or its tests prove nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use untethered::sim::{Sim, explore};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// A getter that is dropped with an item gives it back, and tells nobody.
    KeepsTheWake,
    /// A getter that is dropped with an item takes it along.
    LosesTheItem,
    /// A close wakes the first who waits, and no other.
    ClosesHalf,
}

/// A small closable queue. Items are handed to those who wait, in the order in which they came.
struct Small {
    bug: Bug,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: VecDeque<u32>,
    waiting: VecDeque<Arc<Place>>,
    closed: bool,
}

#[derive(Default)]
struct Place {
    item: Mutex<Option<u32>>,
    waker: Mutex<Option<Waker>>,
}

impl Small {
    fn new(bug: Bug) -> Arc<Self> {
        Arc::new(Self {
            bug,
            state: Mutex::default(),
        })
    }

    fn put(&self, item: u32) {
        self.state.lock().unwrap().items.push_back(item);
        self.hand_over();
    }

    fn hand_over(&self) {
        let mut state = self.state.lock().unwrap();
        if state.items.is_empty() || state.waiting.is_empty() {
            return;
        }
        let (item, place) = (state.items.pop_front(), state.waiting.pop_front().unwrap());
        drop(state);
        *place.item.lock().unwrap() = item;
        place.wake();
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap();
        state.closed = true;
        let mut woken = std::mem::take(&mut state.waiting);
        if self.bug == Bug::ClosesHalf {
            woken.truncate(1);
        }
        drop(state);
        woken.iter().for_each(|place| place.wake());
    }

    fn get(self: &Arc<Self>) -> Get {
        Get {
            queue: self.clone(),
            place: None,
        }
    }
}

impl Place {
    fn wake(&self) {
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

struct Get {
    queue: Arc<Small>,
    place: Option<Arc<Place>>,
}

impl Future for Get {
    type Output = Option<u32>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        let this = &mut *self;
        let mut state = this.queue.state.lock().unwrap();
        let handed = this
            .place
            .as_ref()
            .and_then(|place| place.item.lock().unwrap().take());
        let item = handed.or_else(|| match this.place {
            Some(_) => None,
            None => state.items.pop_front(),
        });
        if item.is_some() || state.closed {
            return Poll::Ready(item);
        }
        let place = this.place.get_or_insert_with(|| {
            let place = Arc::new(Place::default());
            state.waiting.push_back(place.clone());
            place
        });
        *place.waker.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut state = self.queue.state.lock().unwrap();
        state.waiting.retain(|other| !Arc::ptr_eq(other, &place));
        let item = place.item.lock().unwrap().take();
        if let Some(item) = item.filter(|_| self.queue.bug != Bug::LosesTheItem) {
            state.items.push_front(item);
            drop(state);
            if self.queue.bug != Bug::KeepsTheWake {
                self.queue.hand_over();
            }
        }
    }
}

/// Two getters, the first of which may be dropped. One item, which each passes on.
fn the_item_goes_round(bug: Bug) -> impl FnMut(&Sim) {
    move |sim| {
        let rt = sim.runtime();
        let queue = Small::new(bug);
        let (first, second) = (sim.may_drop(queue.get()), queue.get());
        let passing = queue.clone();
        let first = rt.spawn(async move {
            if let Some(item) = first.await {
                passing.put(item.unwrap());
            }
        });
        let passing = queue.clone();
        let second = rt.spawn(async move {
            let item = second.await;
            passing.put(item.unwrap());
        });
        sim.block_on(async {
            queue.put(1);
            first.await.unwrap();
            second.await.unwrap();
        });
        assert_eq!(queue.state.lock().unwrap().items, [1]);
    }
}

fn a_close_ends_all(bug: Bug) -> impl FnMut(&Sim) {
    move |sim| {
        let rt = sim.runtime();
        let queue = Small::new(bug);
        let getters = [rt.spawn(queue.get()), rt.spawn(queue.get())];
        let closer = queue.clone();
        let close = rt.spawn(async move { closer.close() });
        sim.block_on(async {
            close.await.unwrap();
            for getter in getters {
                assert_eq!(getter.await.unwrap(), None);
            }
        });
    }
}

#[test]
fn the_queue_without_a_bug_passes_every_schedule() {
    for explored in [
        explore(the_item_goes_round(Bug::None)).exhaustive(20).run(),
        explore(a_close_ends_all(Bug::None)).exhaustive(20).run(),
    ] {
        assert!(explored.is_complete(), "{explored}");
        assert!(explored.schedules() > 10, "{explored}");
    }
}

// D4
#[test]
fn planted_bugs_are_found_by_short_schedules() {
    for bug in [Bug::KeepsTheWake, Bug::LosesTheItem] {
        let scenario = || explore(the_item_goes_round(bug));
        let all = scenario().exhaustive(2).try_run().unwrap_err();
        assert!(all.message().starts_with("deadlock"), "{all}");
        assert!(all.schedule().len() <= 2, "{all}");
        let random = scenario().try_run().unwrap_err();
        assert!(random.schedule().len() <= 2, "{random}");
    }
    let half = explore(a_close_ends_all(Bug::ClosesHalf))
        .try_run()
        .unwrap_err();
    assert!(half.message().starts_with("deadlock"), "{half}");
}
