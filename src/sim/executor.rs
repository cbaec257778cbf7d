use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::deadlock::{Deadlock, Waiting, WaitingTask};
use super::order::Order;
use super::outside::Waited;
use super::plan::{Plan, Record};
use super::state::{Next, State, Step};
use super::tasks::{Started, TaskBody, TaskId};
use crate::primitives::{Mutex, MutexGuard};
use crate::runtime::BoxFuture;
use crate::sync::wake_all;
use crate::task::discard;

/// What a [`Sim`](super::Sim), its runtimes and its wakers share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
}

/// What [`Shared::step`] found to do.
pub(super) enum Stepped {
    /// It ran something.
    Ran,
    /// The future of `block_on` is to be polled.
    Main,
    Idle,
    /// It has run as often as it may without time moving.
    Endless,
}

impl Shared {
    pub(super) fn new(order: Order, plan: Option<Plan>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(order, plan)),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Ends the plan; gives what it has written down, and the panics that nobody took.
    pub(super) fn end_plan(&self) -> Option<(Record, Vec<String>)> {
        let mut state = self.lock();
        let record = state.plan.take()?.into_record();
        Some((record, mem::take(&mut state.unobserved)))
    }

    /// Adds a task and makes it ready.
    fn add(
        self: &Arc<Self>,
        state: &mut State,
        body: TaskBody,
        started: Started,
    ) -> (TaskId, Waker) {
        let (id, waker) = state.tasks.add(self, body, started);
        state.enqueue(id);
        (id, waker)
    }

    pub(super) fn spawn(self: &Arc<Self>, task: BoxFuture<'static, ()>, started: Started) {
        let mut state = self.lock();
        if state.refuses() {
            drop(state);
            return discard(task);
        }
        self.add(&mut state, TaskBody::Idle(task), started);
        self.bury_if_closed(state);
    }

    pub(super) fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let mut state = self.lock();
        if state.refuses() {
            drop(state);
            return discard(work);
        }
        state.enqueue_work(work);
        self.bury_if_closed(state);
    }

    /// Enters the future of `block_on`.
    fn add_main(self: &Arc<Self>, started_at: &'static Location<'static>) -> (Main<'_>, Waker) {
        let started = Started::Main(started_at);
        let (id, waker) = self.add(&mut self.lock(), TaskBody::Main, started);
        (Main { shared: self, id }, waker)
    }

    /// Takes the right to drive the tasks.
    #[track_caller]
    pub(super) fn enter(&self) -> Running<'_> {
        let mut state = self.lock();
        let taken = mem::replace(&mut state.running, true);
        state.in_a_moment = 0;
        drop(state);
        assert!(
            !taken,
            "this Sim is running already: what it runs can not drive it"
        );
        Running { shared: self }
    }

    /// Runs `future` for at most `polls` polls of it. `None` if that was not enough.
    #[track_caller]
    pub(super) fn run<F: Future>(
        self: &Arc<Self>,
        future: F,
        mut polls: Option<usize>,
        caller: &'static Location<'static>,
    ) -> Result<Option<F::Output>, Deadlock> {
        let _running = self.enter();
        let mut future = pin!(future);
        let (_main, waker) = self.add_main(caller);
        let mut cx = Context::from_waker(&waker);
        let mut moves = 0;
        while polls != Some(0) {
            match self.step() {
                Stepped::Ran => {}
                Stepped::Main => {
                    let poll = future.as_mut().poll(&mut cx);
                    self.lock().current = None;
                    polls = polls.map(|polls| polls - 1);
                    if let Poll::Ready(output) = poll {
                        return Ok(Some(output));
                    }
                }
                Stepped::Idle => {
                    let limit = self.lock().settings.move_limit;
                    if moves == limit.get() {
                        return Err(Deadlock::restless(self.waiting(), limit));
                    }
                    self.wait()?;
                    moves += 1;
                }
                Stepped::Endless => return Err(self.endless()),
            }
        }
        Ok(None)
    }

    /// Lets happen what may happen when nothing is ready.
    fn wait(&self) -> Result<(), Deadlock> {
        match self.wait_for_outside() {
            Waited::Not => {}
            Waited::Changed => return Ok(()),
            Waited::Gone(limit) => return Err(Deadlock::outside(self.waiting(), limit)),
        }
        let auto_advance = self.lock().settings.auto_advance;
        if auto_advance && self.fire_next(None) || self.lock().release() {
            return Ok(());
        }
        Err(Deadlock::idle(self.waiting()))
    }

    /// Runs all that is ready, until nothing is.
    #[track_caller]
    pub(super) fn run_ready(&self) {
        loop {
            match self.step() {
                Stepped::Ran | Stepped::Main => {}
                Stepped::Idle => return,
                Stepped::Endless => panic!("{}", self.endless()),
            }
        }
    }

    /// Runs one thing that is ready.
    pub(super) fn step(&self) -> Stepped {
        let mut state = self.lock();
        if state.in_a_moment == state.settings.poll_limit.get() {
            return Stepped::Endless;
        }
        state.in_a_moment += 1;
        let id = match state.next() {
            Next::Run(Step::Poll(id)) => id,
            Next::Run(Step::Work(work)) => {
                drop(state);
                work();
                return Stepped::Ran;
            }
            Next::Wake(waker) => {
                drop(state);
                wake_all(waker);
                return Stepped::Ran;
            }
            Next::Jump(far) => {
                let until = state.timers.now().checked_add(far);
                drop(state);
                until.into_iter().for_each(|until| self.shift(until));
                return Stepped::Ran;
            }
            Next::Rest => return Stepped::Idle,
        };
        state.current = Some(id);
        let Some(entry) = state.tasks.get_mut(id) else {
            return Stepped::Ran;
        };
        let waker = entry.waker.clone();
        let TaskBody::Idle(mut future) = mem::replace(&mut entry.body, TaskBody::Polled) else {
            entry.body = TaskBody::Main;
            return Stepped::Main;
        };
        drop(state);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        state.current = None;
        let ended = match (poll, state.tasks.get_mut(id)) {
            (Poll::Pending, Some(entry)) => {
                entry.body = TaskBody::Idle(future);
                return Stepped::Ran;
            }
            _ => state.tasks.remove(id),
        };
        drop(state);
        drop((future, ended));
        Stepped::Ran
    }

    fn endless(&self) -> Deadlock {
        let limit = self.lock().settings.poll_limit;
        Deadlock::endless(self.waiting(), limit)
    }

    /// The tasks that have not ended, and what they wait for.
    pub(super) fn waiting(&self) -> Waiting {
        let state = self.lock();
        let elapsed = state.timers.elapsed();
        let mut tasks: Vec<_> = state
            .tasks
            .iter()
            .map(|(id, entry)| WaitingTask {
                name: entry.name(),
                polls: entry.polls,
                is_ready: entry.queued,
                timers: state.timers.deadlines_of(id),
                children: Vec::new(),
            })
            .collect();
        // Groups tell of their children under locks of their own.
        drop(state);
        tasks.sort_by_key(|task| task.name.number);
        let mut told = Vec::new();
        for task in &mut tasks {
            if let Started::ToDrive(group, _) = &task.name.started {
                let address = group.as_ptr().cast::<()>();
                // Once for each group, however many drivers it has.
                if !told.contains(&address) {
                    told.push(address);
                    let group = group.upgrade();
                    task.children = group.map_or_else(Vec::new, |group| group.children());
                }
            }
        }
        Waiting { elapsed, tasks }
    }

    /// Moves time to the next timer and wakes whom it is for. False if there is none by `until`.
    pub(super) fn fire_next(&self, until: Option<Instant>) -> bool {
        let mut state = self.lock();
        let Some(fired) = state.timers.fire_next(until) else {
            return false;
        };
        state.in_a_moment = 0;
        drop(state);
        wake_all(fired);
        // After those that are in time.
        self.lock().release();
        true
    }

    /// Moves time to `until` and wakes whom the timers on the way are for. Runs nothing.
    pub(super) fn shift(&self, until: Instant) {
        while self.fire_next(Some(until)) {}
        self.lock().timers.move_to(until);
    }

    /// The moment that comes `duration` from now.
    #[track_caller]
    pub(super) fn after(&self, duration: Duration) -> Instant {
        let now = self.lock().timers.now();
        match now.checked_add(duration) {
            Some(after) => after,
            None => panic!("a clock can not be moved by {duration:?}"),
        }
    }

    /// Drops all tasks, and from now on all that come.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = state.timers.clear();
        drop(state);
        for waker in wakers {
            // It may be anybody's, and a destructor is the wrong place to unwind.
            discard(waker);
        }
        self.bury();
    }

    fn bury_if_closed(&self, state: MutexGuard<'_, State>) {
        let closed = state.closed;
        drop(state);
        if closed {
            self.bury();
        }
    }

    /// Drops what a closed `Sim` can not run. In a loop, because what is dropped may spawn.
    fn bury(&self) {
        let mut state = self.lock();
        if mem::replace(&mut state.burying, true) {
            return;
        }
        loop {
            let tasks = state.tasks.take();
            let steps = state.take_steps();
            if tasks.is_empty() && steps.is_empty() {
                state.burying = false;
                return;
            }
            drop(state);
            drop((tasks, steps));
            state = self.lock();
        }
    }
}

/// Takes the future of `block_on` off the list when dropped.
struct Main<'a> {
    shared: &'a Shared,
    id: TaskId,
}

impl Drop for Main<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.current = None;
        let entry = state.tasks.remove(self.id);
        drop(state);
        drop(entry);
    }
}

/// The right to drive the tasks; given back when dropped.
pub(super) struct Running<'a> {
    shared: &'a Shared,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.lock().running = false;
    }
}
