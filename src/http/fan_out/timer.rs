//! Every limit of time of one run, behind one timer.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::Runtime;
use crate::primitives::Mutex;
use crate::primitives::atomic::AtomicU64;
use crate::primitives::atomic::Ordering::Relaxed;
use crate::runtime::Sleep;
use crate::sync::wake_all;
use crate::task::discard;

/// The deadlines of all requests of a run, earliest first.
pub(super) struct Timer {
    rt: Runtime,
    alarms: Mutex<Alarms>,
    /// Tells alarms for the same moment apart.
    next_id: AtomicU64,
}

type Alarms = BTreeMap<(Instant, u64), Waker>;

impl Timer {
    pub(super) fn new(rt: Runtime) -> Self {
        Self {
            rt,
            alarms: Mutex::new(BTreeMap::new()),
            next_id: AtomicU64::new(1),
        }
    }

    pub(super) fn alarm(&self) -> Alarm<'_> {
        Alarm {
            timer: self,
            id: self.next_id.fetch_add(1, Relaxed),
            set: None,
        }
    }

    /// Wakes whoever's moment has come. Whoever drives the run calls it after each round of
    /// polls, with the one `sleep` of the run.
    pub(super) fn poll(&self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) {
        loop {
            let first = self.alarms.lock().first_key_value().map(|(key, _)| key.0);
            let Some(first) = first else { return };
            // A timer that is early only finds out that there is nothing to do yet. Moving it
            // whenever a request ends would cost one timer a request.
            if sleep.is_elapsed() || sleep.deadline().is_none_or(|at| first < at) {
                sleep.as_mut().reset_at(first);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return;
            }
            let now = self.rt.now();
            let mut rung = Vec::new();
            let mut alarms = self.alarms.lock();
            while let Some(entry) = alarms.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                rung.push(entry.remove());
            }
            drop(alarms);
            wake_all(rung);
        }
    }
}

/// The place of one request in its run's [`Timer`].
pub(super) struct Alarm<'a> {
    timer: &'a Timer,
    id: u64,
    /// When it will ring at the latest, unless it has already.
    set: Option<Instant>,
}

impl<'a> Alarm<'a> {
    /// The timer it belongs to.
    pub(super) fn timer(&self) -> &'a Timer {
        self.timer
    }

    /// Tells it from all others of the run.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Ready once `deadline` has passed.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.rt.now() >= deadline {
            return Poll::Ready(());
        }
        let mut alarms = self.timer.alarms.lock();
        let mut old = None;
        if let Some(at) = self.set {
            match alarms.get_mut(&(at, self.id)) {
                // It rings too early at worst, and is set again then.
                Some(waker) if at <= deadline => {
                    if !waker.will_wake(cx.waker()) {
                        old = Some(std::mem::replace(waker, cx.waker().clone()));
                    }
                    drop(alarms);
                    discard(old);
                    return Poll::Pending;
                }
                Some(_) => old = alarms.remove(&(at, self.id)),
                None => {}
            }
        }
        alarms.insert((deadline, self.id), cx.waker().clone());
        drop(alarms);
        self.set = Some(deadline);
        discard(old);
        Poll::Pending
    }

    /// Waits for `deadline`; for ever without one.
    pub(super) async fn wait(&mut self, deadline: Option<Instant>) {
        self.until(deadline, std::pin::pin!(std::future::pending::<()>()))
            .await;
    }

    /// Runs `future`; gives `None` if `deadline` passes first. What is ready beats the deadline.
    pub(super) async fn until<F: Future>(
        &mut self,
        deadline: Option<Instant>,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            match deadline {
                Some(deadline) => self.poll(deadline, cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.set {
            let waker = self.timer.alarms.lock().remove(&(at, self.id));
            discard(waker);
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::sim::Sim;

    #[test]
    fn what_is_over_leaves_no_alarm() {
        let sim = Sim::new();
        let timer = Timer::new(sim.runtime());
        let mut cx = Context::from_waker(Waker::noop());
        let mut alarm = timer.alarm();
        for seconds in [5, 7, 3] {
            let deadline = sim.now() + Duration::from_secs(seconds);
            assert!(alarm.poll(deadline, &mut cx).is_pending());
            assert_eq!(timer.alarms.lock().len(), 1);
        }
        drop(alarm);
        assert!(timer.alarms.lock().is_empty());
    }
}
