use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use slab::Slab;

use super::clock::Clock;
use super::deadlock::{Deadlock, Waiting, WaitingTask};
use super::order::{Order, Random, Ready};
use crate::primitives::{Mutex, MutexGuard};
use crate::runtime::{BoxFuture, Drives};
use crate::sync::wake_all;
use crate::task::discard;

/// What a [`Sim`](super::Sim), its runtimes and its wakers share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) clock: Clock,
    tasks: Slab<Entry>,
    ready: Ready<Step>,
    /// The task that is polled at the moment.
    pub(super) current: Option<TaskId>,
    started: u64,
    pub(super) settings: Settings,
    /// How much was run since time has moved, or somebody began to drive the tasks.
    in_a_moment: usize,
    /// Draws the wake-ups that have no reason.
    random: Random,
    /// Whether somebody drives the tasks.
    running: bool,
    /// The `Sim` has gone: nothing runs any more.
    closed: bool,
    /// Whether somebody drops what a closed `Sim` can not run.
    burying: bool,
}

/// What the test has chosen.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) spurious_wakes: bool,
    pub(super) auto_advance: bool,
    pub(super) parallelism: NonZeroUsize,
    pub(super) poll_limit: NonZeroUsize,
}

/// How many polls there may be in a moment, unless the test chooses.
const POLL_LIMIT: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();

/// The place of a task, and its number: places are used again, numbers are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    key: usize,
    number: u64,
}

struct Entry {
    number: u64,
    body: TaskBody,
    waker: Waker,
    queued: bool,
    polls: u64,
    /// In which it was polled last.
    round: Option<u64>,
    started: Started,
}

/// Where a task comes from.
#[derive(Debug, Clone)]
pub(super) enum Started {
    /// The future of a `block_on`.
    Main(&'static Location<'static>),
    At(&'static Location<'static>),
    /// By a group, to poll its children.
    ToDrive(Weak<dyn Drives>),
}

enum TaskBody {
    /// The future of `block_on`, which stays on its stack.
    Main,
    Idle(BoxFuture<'static, ()>),
    /// Taken out to be polled.
    Polled,
}

enum Step {
    Poll(TaskId),
    Work(Box<dyn FnOnce() + Send>),
}

/// What [`Shared::step`] found to do.
pub(super) enum Stepped {
    /// It ran something.
    Ran,
    /// The future of `block_on` is to be polled.
    Main,
    Idle,
    /// It has run that often without time moving.
    Endless(NonZeroUsize),
}

impl Shared {
    pub(super) fn new(order: Order) -> Arc<Self> {
        let seed = match order {
            Order::Seeded(seed) => !seed,
            Order::Fifo | Order::Lifo => 0,
        };
        Arc::new(Self {
            state: Mutex::new(State {
                clock: Clock::new(),
                tasks: Slab::new(),
                ready: Ready::new(order),
                current: None,
                started: 0,
                settings: Settings {
                    spurious_wakes: false,
                    auto_advance: true,
                    parallelism: NonZeroUsize::MIN,
                    poll_limit: POLL_LIMIT,
                },
                in_a_moment: 0,
                random: Random::new(seed),
                running: false,
                closed: false,
                burying: false,
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Adds a task and makes it ready.
    fn add(
        self: &Arc<Self>,
        state: &mut State,
        body: TaskBody,
        started: Started,
    ) -> (TaskId, Waker) {
        let number = state.started;
        state.started += 1;
        let vacant = state.tasks.vacant_entry();
        let id = TaskId {
            key: vacant.key(),
            number,
        };
        let waker = Waker::from(Arc::new(TaskWaker {
            shared: Arc::downgrade(self),
            id,
        }));
        vacant.insert(Entry {
            number,
            body,
            waker: waker.clone(),
            queued: false,
            polls: 0,
            round: None,
            started,
        });
        state.enqueue(id);
        (id, waker)
    }

    pub(super) fn spawn(self: &Arc<Self>, task: BoxFuture<'static, ()>, started: Started) {
        let mut state = self.lock();
        self.add(&mut state, TaskBody::Idle(task), started);
        self.bury_if_closed(state);
    }

    pub(super) fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let mut state = self.lock();
        state.ready.push(Step::Work(work), None);
        self.bury_if_closed(state);
    }

    /// Enters the future of `block_on`.
    pub(super) fn add_main(
        self: &Arc<Self>,
        started_at: &'static Location<'static>,
    ) -> (Main<'_>, Waker) {
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
                    let auto_advance = self.lock().settings.auto_advance;
                    if !auto_advance || !self.fire_next(None) {
                        return Err(Deadlock::idle(self.waiting()));
                    }
                }
                Stepped::Endless(polls) => {
                    return Err(Deadlock::endless(self.waiting(), polls));
                }
            }
        }
        Ok(None)
    }

    /// Runs one thing that is ready.
    pub(super) fn step(&self) -> Stepped {
        let mut state = self.lock();
        let limit = state.settings.poll_limit;
        if state.in_a_moment == limit.get() {
            return Stepped::Endless(limit);
        }
        let Some(step) = state.next_step() else {
            return Stepped::Idle;
        };
        state.in_a_moment += 1;
        let id = match step {
            Step::Poll(id) => id,
            Step::Work(work) => {
                drop(state);
                work();
                return Stepped::Ran;
            }
        };
        state.current = Some(id);
        let entry = &mut state.tasks[id.key];
        let waker = entry.waker.clone();
        let TaskBody::Idle(mut future) = mem::replace(&mut entry.body, TaskBody::Polled) else {
            entry.body = TaskBody::Main;
            return Stepped::Main;
        };
        drop(state);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        state.current = None;
        match poll {
            Poll::Pending => {
                state.tasks[id.key].body = TaskBody::Idle(future);
            }
            Poll::Ready(()) => {
                let entry = state.tasks.remove(id.key);
                drop(state);
                drop((future, entry));
            }
        }
        Stepped::Ran
    }

    /// The tasks that have not ended, and what they wait for.
    pub(super) fn waiting(&self) -> Waiting {
        let state = self.lock();
        let elapsed = state.clock.elapsed();
        let mut tasks: Vec<_> = state
            .tasks
            .iter()
            .map(|(key, entry)| {
                let number = entry.number;
                WaitingTask {
                    number,
                    started: entry.started.clone(),
                    polls: entry.polls,
                    is_ready: entry.queued,
                    timers: state.clock.deadlines_of(TaskId { key, number }),
                    children: Vec::new(),
                }
            })
            .collect();
        // Groups tell of their children under locks of their own.
        drop(state);
        tasks.sort_by_key(|task| task.number);
        let mut told = Vec::new();
        for task in &mut tasks {
            if let Started::ToDrive(group) = &task.started {
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
        let fired = state.clock.fire_next(until);
        let any = fired.is_some();
        if any {
            state.in_a_moment = 0;
        }
        drop(state);
        wake_all(fired.into_iter().flatten());
        any
    }

    /// Drops all tasks, and from now on all that come.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = state.clock.clear();
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
            let tasks = mem::take(&mut state.tasks);
            let steps = state.ready.take();
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

impl State {
    pub(super) fn order(&self) -> Order {
        self.ready.order()
    }

    /// Which of `ready` children of a group runs next, in the order of the simulation.
    pub(super) fn choose(&mut self, ready: usize) -> usize {
        match self.ready.order() {
            Order::Fifo => 0,
            // Now and then the oldest, which would wait for ever otherwise.
            Order::Lifo if self.random.below(4) == 0 => 0,
            Order::Lifo => ready - 1,
            Order::Seeded(_) => self.random.below(ready),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many tasks have not ended, the future of `block_on` left out.
    pub(super) fn live_tasks(&self) -> usize {
        self.tasks
            .iter()
            .filter(|(_, entry)| !matches!(entry.body, TaskBody::Main))
            .count()
    }

    fn enqueue(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get_mut(id.key) else {
            return;
        };
        if entry.number == id.number && !mem::replace(&mut entry.queued, true) {
            self.ready.push(Step::Poll(id), entry.round);
        }
    }

    fn next_step(&mut self) -> Option<Step> {
        if self.settings.spurious_wakes {
            self.maybe_wake_one();
        }
        loop {
            let (step, round) = self.ready.pop()?;
            let Step::Poll(id) = step else {
                return Some(step);
            };
            // The future of a `block_on` that has returned may be queued still.
            if let Some(entry) = self.tasks.get_mut(id.key) {
                if entry.number == id.number {
                    entry.queued = false;
                    entry.polls += 1;
                    entry.round = Some(round);
                    return Some(step);
                }
            }
        }
    }

    /// Wakes a task for no reason, one time in four. Not more often, or it would never be idle.
    fn maybe_wake_one(&mut self) {
        if self.tasks.is_empty() || self.random.below(4) != 0 {
            return;
        }
        let index = self.random.below(self.tasks.len());
        if let Some((key, entry)) = self.tasks.iter().nth(index) {
            let number = entry.number;
            self.enqueue(TaskId { key, number });
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("elapsed", &self.clock.elapsed())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

/// Takes the future of `block_on` off the list when dropped.
pub(super) struct Main<'a> {
    shared: &'a Shared,
    id: TaskId,
}

impl Drop for Main<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.current = None;
        let entry = state.tasks.remove(self.id.key);
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

struct TaskWaker {
    shared: Weak<Shared>,
    id: TaskId,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lock().enqueue(self.id);
        }
    }
}
