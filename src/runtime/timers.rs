//! The timers of our own threads: a wheel, and a thread that turns it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::wheel::{Key, Nanos, Wheel};
use crate::primitives::{Mutex, park_timeout, thread};
use crate::sync::wake_all;
use crate::task::discard;

/// A wheel and its thread, which ends with the last clone.
#[derive(Clone)]
pub(super) struct Timers(Arc<Turned>);

struct Turned {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

struct Shared {
    /// When the wheel began.
    base: Instant,
    state: Mutex<State>,
}

struct State {
    wheel: Wheel,
    /// Until when the thread sleeps: only a timer that is due before has to wake it. Nought while
    /// it is awake, for it looks again before it sleeps.
    asleep_until: Nanos,
    /// The thread does not wake by itself before this.
    not_before: Nanos,
    closed: bool,
}

/// How many are woken before the lock is taken again.
const BATCH: usize = 64;
/// How long the thread rests after what it fired was due, so that timers that follow each other
/// closely fire together: to wake two threads for each would take more than all the rest. A timer
/// alone is not held up by it.
const REST: Nanos = 1_000_000;

impl Timers {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            base: now(),
            state: Mutex::new(State {
                wheel: Wheel::new(),
                asleep_until: 0,
                not_before: 0,
                closed: false,
            }),
        });
        let turned = shared.clone();
        let name = "untethered-timers".to_owned();
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || turned.run())?;
        Ok(Self(Arc::new(Turned {
            shared,
            thread: thread.thread().clone(),
        })))
    }

    pub(super) fn now(&self) -> Instant {
        now()
    }

    pub(super) fn after(&self, duration: Duration) -> (Option<Instant>, Timer) {
        (now().checked_add(duration), self.timer())
    }

    pub(super) fn timer(&self) -> Timer {
        Timer {
            turned: self.0.clone(),
            key: None,
        }
    }
}

impl Turned {
    fn insert(&self, deadline: Instant, waker: Waker) -> Key {
        let deadline = self.shared.nanos(deadline);
        let mut state = self.shared.state.lock();
        let key = state.wheel.insert(deadline, waker);
        let moment = deadline.max(state.not_before);
        let wake = moment < state.asleep_until;
        if wake {
            state.asleep_until = moment;
        }
        drop(state);
        if wake {
            self.thread.unpark();
        }
        key
    }

    fn remove(&self, key: Key) {
        let waker = self.shared.state.lock().wheel.remove(key);
        discard(waker);
    }

    /// Whether the timer has fired; if not, it wakes `cx` from now on.
    fn poll(&self, key: &Key, cx: &mut Context<'_>) -> Poll<()> {
        // A waker is cloned and dropped outside the lock.
        let mut spare = None;
        loop {
            let mut state = self.shared.state.lock();
            let Some(waker) = state.wheel.waker_mut(key) else {
                drop(state);
                discard(spare);
                return Poll::Ready(());
            };
            if waker.will_wake(cx.waker()) {
                return Poll::Pending;
            }
            if let Some(new) = spare.take() {
                let old = std::mem::replace(waker, new);
                drop(state);
                discard(old);
                return Poll::Pending;
            }
            drop(state);
            spare = Some(cx.waker().clone());
        }
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.thread.unpark();
    }
}

impl Shared {
    fn nanos(&self, moment: Instant) -> Nanos {
        let since = moment.saturating_duration_since(self.base);
        Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// What the thread does.
    fn run(&self) {
        let mut due = Vec::with_capacity(BATCH);
        loop {
            let now = self.nanos(now());
            let mut state = self.state.lock();
            if state.closed {
                break;
            }
            let first = state.wheel.next().unwrap_or(now);
            due.extend(std::iter::from_fn(|| state.wheel.fire(now)).take(BATCH));
            if !due.is_empty() {
                if state.asleep_until != 0 {
                    state.asleep_until = 0;
                    // From when it was due and not from now, or what is regular would fall behind.
                    let rested = state.not_before.max(first).min(now);
                    state.not_before = rested.saturating_add(REST);
                }
                drop(state);
                wake_all(due.drain(..));
                continue;
            }
            // After it fired it looks again when its rest is over, and only then sleeps for longer:
            // what is regular sets its next timer meanwhile and need not wake it for that.
            let next = match now < state.not_before {
                true => state.not_before,
                false => state.wheel.next().unwrap_or(Nanos::MAX),
            };
            state.asleep_until = next;
            drop(state);
            self.sleep_until(next);
        }
    }

    /// Returns at `moment`, or once the thread was told to look, or sooner.
    fn sleep_until(&self, moment: Nanos) {
        let left = moment.saturating_sub(self.nanos(now()));
        park_timeout(Duration::from_nanos(left));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one door to the clock")]
fn now() -> Instant {
    Instant::now()
}

/// One sleep. Dropping it takes it out of the wheel.
pub(super) struct Timer {
    turned: Arc<Turned>,
    key: Option<Key>,
}

impl Timer {
    pub(super) fn now(&self) -> Instant {
        now()
    }

    pub(super) fn arm(self: Pin<&mut Self>, _deadline: Instant) {
        // Only a poll brings the waker.
        debug_assert!(self.key.is_none());
    }

    pub(super) fn disarm(mut self: Pin<&mut Self>) {
        self.take_out();
    }

    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match &self.key {
            None => {
                let key = self.turned.insert(deadline, cx.waker().clone());
                self.key = Some(key);
                Poll::Pending
            }
            Some(key) => self.turned.poll(key, cx),
        }
    }

    fn take_out(&mut self) {
        if let Some(key) = self.key.take() {
            self.turned.remove(key);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.take_out();
    }
}

#[cfg(all(test, not(untethered_loom)))]
mod tests {
    use super::*;

    /// However many fire at once, the next is put off by no more than one rest.
    #[test]
    fn a_crowd_puts_the_next_timer_off_by_one_rest_only() {
        let timers = Timers::start().unwrap();
        let due = timers.now();
        let mut cx = Context::from_waker(Waker::noop());
        let mut crowd: Vec<_> = (0..10 * BATCH).map(|_| Box::pin(timers.timer())).collect();
        for timer in &mut crowd {
            assert!(timer.as_mut().poll(due, &mut cx).is_pending());
        }
        for timer in &mut crowd {
            while timer.as_mut().poll(due, &mut cx).is_pending() {
                thread::yield_now();
            }
        }
        drop(crowd);
        let state = timers.0.shared.state.lock();
        assert!(state.not_before <= timers.0.shared.nanos(now()) + REST);
        assert_eq!(state.wheel.len(), 0);
    }
}

/// Every order in which the thread can meet those who sleep. What is due at once is all there is:
/// no time goes by in a model.
#[cfg(all(test, untethered_loom))]
mod model {
    use std::future::poll_fn;

    use loom::future::block_on;

    use super::*;

    /// Threads meet at each access to the lock: more of them would take days.
    fn model(check: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(check);
    }

    fn pinned(timers: &Timers) -> Pin<Box<Timer>> {
        Box::pin(timers.timer())
    }

    fn wait(timers: &Timers) {
        let (mut timer, due) = (pinned(timers), timers.0.shared.base);
        block_on(poll_fn(|cx| timer.as_mut().poll(due, cx)));
    }

    /// Polled once, for what never comes.
    fn never(timers: &Timers) -> Pin<Box<Timer>> {
        let mut timer = pinned(timers);
        let far = timers.0.shared.base + Duration::from_secs(1 << 40);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(timer.as_mut().poll(far, &mut cx).is_pending());
        timer
    }

    #[test]
    fn a_timer_set_while_the_thread_goes_to_sleep_fires() {
        model(|| {
            let timers = Timers::start().unwrap();
            wait(&timers);
        });
    }

    #[test]
    fn a_timer_fires_beside_others_that_come_and_go() {
        model(|| {
            let timers = Timers::start().unwrap();
            let other = thread::spawn({
                let timers = timers.clone();
                move || drop(never(&timers))
            });
            wait(&timers);
            other.join().unwrap();
            assert_eq!(timers.0.shared.state.lock().wheel.len(), 0);
        });
    }

    #[test]
    fn a_waker_that_is_changed_beside_the_firing_is_woken() {
        model(|| {
            let timers = Timers::start().unwrap();
            let (mut timer, due) = (pinned(&timers), timers.0.shared.base);
            let mut cx = Context::from_waker(Waker::noop());
            if timer.as_mut().poll(due, &mut cx).is_pending() {
                block_on(poll_fn(|cx| timer.as_mut().poll(due, cx)));
            }
        });
    }

    /// The model ends only when the thread does.
    #[test]
    fn the_thread_ends_with_the_last_who_could_wait() {
        model(|| {
            let timers = Timers::start().unwrap();
            let sleeps = never(&timers);
            let other = thread::spawn(move || drop(sleeps));
            drop(timers);
            other.join().unwrap();
        });
    }
}
