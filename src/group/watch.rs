//! A close look at one task, for groups that were built with it.

use std::time::{Duration, Instant};

use super::tree::{Activity, Stats};
use crate::primitives::Mutex;
use crate::runtime::Runtime;

pub(super) struct Watch {
    runtime: Runtime,
    born: Instant,
    state: Mutex<State>,
}

struct State {
    activity: Activity,
    since: Instant,
    /// Woken while it was polled.
    again: bool,
    polls: u64,
    longest: Duration,
}

impl Watch {
    pub(super) fn new(runtime: &Runtime) -> Self {
        let born = runtime.now();
        Self {
            runtime: runtime.clone(),
            born,
            state: Mutex::new(State {
                activity: Activity::Ready,
                since: born,
                again: false,
                polls: 0,
                longest: Duration::ZERO,
            }),
        }
    }

    pub(super) fn woken(&self) {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        if state.activity == Activity::Polled {
            state.again = true;
        } else {
            state.enter(Activity::Ready, now);
        }
    }

    /// Gives how long the task waited for its turn since it was woken.
    pub(super) fn poll_begins(&self) -> Duration {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        let waited = match state.activity {
            Activity::Ready => now.saturating_duration_since(state.since),
            _ => Duration::ZERO,
        };
        state.polls += 1;
        state.again = false;
        state.enter(Activity::Polled, now);
        waited
    }

    /// The poll left the task doing this. Gives how long it took.
    pub(super) fn poll_ends(&self, activity: Activity) -> Duration {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        let took = now.saturating_duration_since(state.since);
        state.longest = state.longest.max(took);
        let activity = if state.again {
            Activity::Ready
        } else {
            activity
        };
        state.enter(activity, now);
        took
    }

    /// What the task does where there is more to say than that it waits.
    pub(super) fn note(&self, activity: Activity) {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        if !state.again && state.activity != activity {
            state.enter(activity, now);
        }
    }

    pub(super) fn look(&self) -> (Activity, Stats) {
        let now = self.runtime.now();
        let state = self.state.lock();
        let since = now.saturating_duration_since(state.since);
        let longest = match state.activity {
            Activity::Polled => state.longest.max(since),
            _ => state.longest,
        };
        let stats = Stats {
            age: now.saturating_duration_since(self.born),
            since,
            polls: state.polls,
            longest_poll: longest,
        };
        (state.activity, stats)
    }
}

impl State {
    fn enter(&mut self, activity: Activity, now: Instant) {
        self.activity = activity;
        self.since = now;
    }
}
