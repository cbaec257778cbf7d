//! Starts workers, watches them, asks them to stop, and sees that they do.

mod death;
mod reload;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use self::reload::Coming;
use super::control::{Control, Wanted};
use super::plan::Plan;
use super::running::{News, Running, Start, Starter};
use super::wire::{Done, ToParent};
use super::{End, Exit, Failure, Notice, Phase, Report, StopReason};
use crate::combine::{OneOf3, race};
use crate::queue::Queue;
use crate::runtime::Runtime;
use crate::signal::{ShutdownSignals, Signal};
use crate::task::{Task, quiet};

/// How long a killed worker may take to end before it is given up: only a process that hangs in the
/// kernel takes any time.
const KILL_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Supervisor {
    plan: Plan,
    starter: Starter,
    rt: Runtime,
    news: Queue<News>,
    workers: BTreeMap<u64, Worker>,
    seats: Vec<Seat>,
    next_id: u64,
    /// Of the workers that serve.
    generation: u64,
    last_generation: u64,
    coming: Option<Coming>,
    reload_again: bool,
    /// Latest last, never more than the limit.
    respawned: VecDeque<Instant>,
    stop_signals: usize,
    reason: Option<StopReason>,
    restarts: u64,
    reloads: u64,
}

struct Worker {
    index: usize,
    generation: u64,
    running: Box<dyn Running>,
    pid: Option<u32>,
    since: Instant,
    ready: bool,
    asked: Option<StopReason>,
    stop_timed: bool,
    /// Of its readiness, of its stop, or of its kill: one after the other.
    timer: Option<Task<()>>,
    failure: Option<Failure>,
    done: Option<Done>,
}

#[derive(Default)]
struct Seat {
    /// In a row.
    deaths: usize,
    respawn: Option<Task<()>>,
    last: Option<End>,
}

impl Supervisor {
    pub(super) fn new(plan: Plan, starter: Starter, rt: Runtime) -> Self {
        Self {
            seats: plan.names.iter().map(|_| Seat::default()).collect(),
            plan,
            starter,
            rt,
            news: Queue::unbounded(),
            workers: BTreeMap::new(),
            next_id: 0,
            generation: 0,
            last_generation: 0,
            coming: None,
            reload_again: false,
            respawned: VecDeque::new(),
            stop_signals: 0,
            reason: None,
            restarts: 0,
            reloads: 0,
        }
    }

    pub(super) async fn run(mut self, mut signals: ShutdownSignals, control: &Control) -> Report {
        if self.plan.to_completion {
            self.reason = Some(StopReason::Completion);
        }
        for index in 0..self.seats.len() {
            if self.reason.is_none() || self.plan.to_completion {
                self.start(index, 0);
            }
        }
        while !self.is_over() {
            match race((signals.next(), control.wanted(), self.news.pop())).await {
                OneOf3::A(signal) => self.signalled(signal),
                OneOf3::B(wanted) => self.wanted(wanted),
                OneOf3::C(news) => self.learn(news.expect("the queue is never closed")),
            }
        }
        Report {
            reason: self.reason.take().unwrap_or(StopReason::AllEnded),
            ends: self
                .seats
                .into_iter()
                .filter_map(|seat| seat.last)
                .collect(),
            restarts: self.restarts,
            reloads: self.reloads,
        }
    }

    fn is_over(&self) -> bool {
        self.workers.is_empty() && self.seats.iter().all(|seat| seat.respawn.is_none())
    }

    fn notice(&self, notice: &Notice) {
        quiet(|| (self.plan.notice)(notice));
    }

    fn after(&self, wait: Duration, news: News) -> Task<()> {
        let (sleep, queue) = (self.rt.sleep(wait), self.news.clone());
        self.rt.spawn(async move {
            sleep.await;
            queue.push(news).await.ok();
        })
    }

    fn start(&mut self, index: usize, generation: u64) {
        let id = self.next_id;
        self.next_id += 1;
        let since = self.rt.now();
        let started = (self.starter)(&Start {
            id,
            index,
            name: &self.plan.names[index],
            generation,
            rt: &self.rt,
            news: &self.news,
        });
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                let failure = Failure {
                    phase: Phase::Start,
                    message: format!("can not be started: {error}"),
                };
                let end = self.end(index, generation, None, Exit::Unknown, None, Some(failure));
                return self.ended_unasked(end, since, false);
            }
        };
        let pid = running.pid();
        self.notice(&Notice::Started { index, pid });
        let mut worker = Worker {
            index,
            generation,
            running,
            pid,
            since,
            ready: false,
            asked: None,
            stop_timed: false,
            timer: None,
            failure: None,
            done: None,
        };
        if self.plan.to_completion {
            worker.running.stop(&StopReason::Completion);
            worker.asked = Some(StopReason::Completion);
        } else {
            worker.timer = Some(self.after(self.plan.ready_within, News::NotReady(id)));
        }
        self.workers.insert(id, worker);
    }

    fn signalled(&mut self, signal: Signal) {
        if self.plan.stop_signals.contains(&signal) {
            self.stop_signals += 1;
            match self.stop_signals {
                1 => self.stop(StopReason::Signal(signal)),
                _ => self.kill_all("was killed by a second signal"),
            }
        } else {
            self.reload();
        }
    }

    fn wanted(&mut self, wanted: Wanted) {
        if let Some(reason) = wanted.stop {
            self.stop(StopReason::Asked(reason));
        }
        if wanted.reload {
            self.reload();
        }
        if wanted.kill {
            self.stop(StopReason::Asked("kill".into()));
            self.kill_all("was killed");
        }
    }

    fn learn(&mut self, news: News) {
        match news {
            News::Said(_, ToParent::Here) => {}
            News::Said(id, ToParent::Ready) => self.ready(id),
            News::Said(id, ToParent::Done(done)) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.done = Some(done);
                }
            }
            News::Ended(id, exit) => self.ended(id, exit),
            News::NotReady(id) => {
                let limit = self.plan.ready_within;
                let is_late = |worker: &Worker| !worker.ready && worker.asked.is_none();
                if self.workers.get(&id).is_some_and(is_late) {
                    self.kill(id, Phase::Start, &format!("was not ready within {limit:?}"));
                }
            }
            News::NotStopped(id) => {
                let limit = self.plan.stop_within;
                self.kill(id, Phase::Stop, &format!("did not stop within {limit:?}"));
            }
            News::NotKilled(id) => self.ended(id, Exit::Unknown),
            News::Respawn(index) => {
                if self.seats[index].respawn.take().is_some() {
                    self.restarts += 1;
                    self.start(index, self.generation);
                }
            }
        }
        self.reload_if_due();
    }

    fn ready(&mut self, id: u64) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.ready = true;
        if worker.asked.is_none() {
            worker.timer = None;
        }
        let (index, pid, generation) = (worker.index, worker.pid, worker.generation);
        self.notice(&Notice::Ready { index, pid });
        self.came_up(index, generation);
    }

    /// Asks all to stop. The first reason stays; of a run to completion too.
    fn stop(&mut self, reason: StopReason) {
        let ids = self.ids(|worker| !worker.stop_timed);
        if self.reason.is_none() || !ids.is_empty() {
            self.notice(&Notice::Stopping(reason.clone()));
        }
        let first = self.reason.get_or_insert(reason).clone();
        self.coming = None;
        self.reload_again = false;
        for seat in &mut self.seats {
            seat.respawn = None;
        }
        for id in ids {
            self.ask(id, &first);
        }
    }

    fn ids(&self, which: impl Fn(&Worker) -> bool) -> Vec<u64> {
        let chosen = self.workers.iter().filter(|(_, worker)| which(worker));
        chosen.map(|(&id, _)| id).collect()
    }

    /// Asks one to stop, within the limit.
    fn ask(&mut self, id: u64, reason: &StopReason) {
        let timer = self.after(self.plan.stop_within, News::NotStopped(id));
        if let Some(worker) = self.workers.get_mut(&id) {
            if worker.asked.is_none() {
                worker.asked = Some(reason.clone());
                worker.running.stop(reason);
            }
            worker.stop_timed = true;
            worker.timer = Some(timer);
        }
    }

    fn kill_all(&mut self, why: &str) {
        for id in self.ids(|_| true) {
            self.kill(id, Phase::Stop, why);
        }
    }

    fn kill(&mut self, id: u64, phase: Phase, why: &str) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let index = worker.index;
        self.notice(&Notice::Killing { index });
        let timer = self.after(KILL_LIMIT, News::NotKilled(id));
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.failure.get_or_insert_with(|| Failure {
            phase,
            message: why.to_owned(),
        });
        worker.stop_timed = true;
        worker.timer = Some(timer);
        if !worker.running.kill() {
            self.ended(id, Exit::Unknown);
        }
    }
}
