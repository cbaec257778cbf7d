//! How workers end, and what follows.

use std::time::Instant;

use super::Supervisor;
use crate::workers::running::News;
use crate::workers::{End, Exit, Failure, Notice, OnDeath, StopReason};

impl Supervisor {
    pub(super) fn end(
        &self,
        index: usize,
        generation: u64,
        pid: Option<u32>,
        exit: Exit,
        reason: Option<StopReason>,
        failure: Option<Failure>,
    ) -> End {
        End {
            index,
            name: self.plan.names[index].clone(),
            generation,
            pid,
            exit,
            reason,
            failure,
        }
    }

    pub(super) fn ended(&mut self, id: u64, exit: Exit) {
        let Some(worker) = self.workers.remove(&id) else {
            return;
        };
        let (reason, failure) = match worker.done {
            Some(done) => (done.reason, done.failure),
            None => (worker.asked.clone().or(self.stop_signal(exit)), None),
        };
        // It may have ended well just before it was killed.
        let killed = worker.failure.filter(|_| !exit.success());
        let failure = killed.or(failure);
        // Nobody asked it, not even somebody else.
        let by_itself = reason.is_none() && failure.is_none() && exit.success();
        let (index, generation) = (worker.index, worker.generation);
        let end = self.end(index, generation, worker.pid, exit, reason, failure);
        if worker.asked.is_some() {
            self.record(end);
        } else {
            self.ended_unasked(end, worker.since, by_itself);
        }
    }

    /// The stop signal that ended a worker which did not listen for signals yet, as one that the
    /// terminal sends to all.
    fn stop_signal(&self, exit: Exit) -> Option<StopReason> {
        let mut signals = self.plan.stop_signals.iter();
        let signal = signals.find(|signal| exit.signal() == Some(signal.number()))?;
        Some(StopReason::Signal(*signal))
    }

    fn record(&mut self, end: End) {
        self.notice(&Notice::Ended(end.clone()));
        if end.generation == self.generation || self.is_coming(end.generation) {
            let index = end.index;
            self.seats[index].last = Some(end);
        }
    }

    pub(super) fn ended_unasked(&mut self, end: End, since: Instant, by_itself: bool) {
        let (index, generation) = (end.index, end.generation);
        // A signal that was sent to one, be it by the terminal that sends it to all.
        let reason = match &end.reason {
            Some(reason @ StopReason::Signal(_)) if end.is_clean() => reason.clone(),
            _ => StopReason::WorkerDied,
        };
        self.record(end);
        if by_itself {
            self.came_up(index, generation);
        } else if self.is_coming(generation) {
            self.abandon_reload();
        } else if self.reason.is_none() {
            self.died(index, since, reason);
        }
    }

    fn died(&mut self, index: usize, since: Instant, reason: StopReason) {
        match self.plan.on_death {
            OnDeath::StopAll => self.stop(reason),
            OnDeath::Ignore => {}
            OnDeath::Respawn(respawn) => {
                let now = self.rt.now();
                let is_old = |at: &Instant| now.duration_since(*at) >= respawn.window;
                while self.respawned.front().is_some_and(is_old) {
                    self.respawned.pop_front();
                }
                if self.respawned.len() >= respawn.limit.get() {
                    return self.stop(StopReason::WorkerDied);
                }
                self.respawned.push_back(now);
                if now.duration_since(since) >= respawn.window {
                    self.seats[index].deaths = 0;
                }
                let backoff = respawn.backoff.of(index as u64);
                let after = backoff.delay(self.seats[index].deaths);
                self.seats[index].deaths += 1;
                self.notice(&Notice::Restarting { index, after });
                self.seats[index].respawn = Some(self.after(after, News::Respawn(index)));
            }
        }
    }
}
