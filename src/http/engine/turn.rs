use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::primitives::Mutex;
use crate::task::discard;

/// Who is woken when something happens on a connection: whoever drives it.
///
/// A connection goes from task to task. Everything below it (the protocol's channels, the
/// reactor) is given one waker for its whole life, made from this. So a task that is done with
/// a connection is not woken by it any more, and what happens while the driver is at work makes
/// another round instead of a wake-up.
#[derive(Debug)]
pub(super) struct Turn {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    driver: Option<Waker>,
    /// The driver is at work.
    busy: bool,
    /// Something happened meanwhile.
    nudged: bool,
}

impl Turn {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                driver: None,
                busy: false,
                nudged: false,
            }),
        })
    }

    /// From now on `driver` is woken, after it has said that it is done.
    pub(super) fn begin(&self, driver: &Waker) {
        let mut state = self.state.lock();
        state.busy = true;
        state.nudged = false;
        let old = match &state.driver {
            Some(old) if old.will_wake(driver) => None,
            _ => state.driver.replace(driver.clone()),
        };
        drop(state);
        discard(old);
    }

    /// Whether nothing happened while the driver was at work: then it may wait.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.busy = false;
        !state.nudged
    }

    /// Nobody drives any more.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        state.busy = false;
        let old = state.driver.take();
        drop(state);
        discard(old);
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.busy {
            state.nudged = true;
            return;
        }
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
