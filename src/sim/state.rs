use std::fmt;
use std::mem;
use std::task::Waker;
use std::time::Duration;

use super::may_drop::Droppable;
use super::order::{Order, Random, Ready};
use super::outside::Outside;
use super::plan::{Options, Plan};
use super::schedule::Action;
use super::settings::Settings;
use super::tasks::{TaskId, Tasks};
use super::timers::Timers;

/// What is inside the lock of [`Shared`](super::executor::Shared).
pub(super) struct State {
    pub(super) timers: Timers,
    pub(super) tasks: Tasks,
    pub(super) ready: Ready<Step>,
    /// What waits for time to move before it is ready.
    held: Vec<Step>,
    /// The task that is polled at the moment.
    pub(super) current: Option<TaskId>,
    pub(super) settings: Settings,
    /// How much was run since time has moved, or somebody began to drive the tasks.
    pub(super) in_a_moment: usize,
    /// Draws the wake-ups that have no reason.
    random: Random,
    /// Decides, in a run that is explored.
    pub(super) plan: Option<Box<Plan>>,
    pub(super) droppable: Droppable,
    /// Panics that nobody took, in a run that is explored.
    pub(super) unobserved: Vec<String>,
    pub(super) outside: Outside,
    /// Whether somebody drives the tasks.
    pub(super) running: bool,
    /// The `Sim` has gone: nothing runs any more.
    pub(super) closed: bool,
    /// Whether somebody drops what a closed `Sim` can not run.
    pub(super) burying: bool,
}

pub(super) enum Step {
    Poll(TaskId),
    Work(Box<dyn FnOnce() + Send>),
}

impl Step {
    /// The number of its task, or one that no task has.
    fn number(&self) -> u64 {
        match self {
            Self::Poll(id) => id.number,
            Self::Work(_) => u64::MAX,
        }
    }
}

/// What comes next.
pub(super) enum Next {
    Run(Step),
    /// Nothing is ready.
    Rest,
    /// These are woken, and it is asked again.
    Wake(Option<Waker>),
    /// Time moves by so much, and it is asked again.
    Jump(Duration),
}

/// How far time moves by a fault.
const JUMP: Duration = Duration::from_secs(3600);

impl State {
    pub(super) fn new(order: Order, plan: Option<Plan>) -> Self {
        let seed = match order {
            Order::Seeded(seed) | Order::Adversarial(seed) => !seed,
            Order::Fifo | Order::Lifo => 0,
        };
        Self {
            timers: Timers::new(),
            tasks: Tasks::default(),
            ready: Ready::new(order),
            held: Vec::new(),
            current: None,
            settings: Settings::new(plan.is_some()),
            in_a_moment: 0,
            random: Random::new(seed),
            plan: plan.map(Box::new),
            droppable: Droppable::default(),
            unobserved: Vec::new(),
            outside: Outside::default(),
            running: false,
            closed: false,
            burying: false,
        }
    }

    /// How many tasks have not ended, the future of `block_on` left out.
    pub(super) fn live_tasks(&self) -> usize {
        let tasks = self.tasks.iter();
        tasks.filter(|(_, entry)| !entry.is_main()).count()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.ready.len() > 0
    }

    pub(super) fn enqueue(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get_mut(id) else {
            return;
        };
        if !mem::replace(&mut entry.queued, true) {
            let round = entry.round;
            self.push(Step::Poll(id), round);
        }
    }

    pub(super) fn enqueue_work(&mut self, work: Box<dyn FnOnce() + Send>) {
        self.push(Step::Work(work), None);
    }

    /// Makes `step` ready, last run in `round`.
    fn push(&mut self, step: Step, round: Option<u64>) {
        let number = step.number();
        self.ready.push(step, number, round);
        self.outside.notify();
    }

    /// Makes ready what was put off. Whether there was any.
    pub(super) fn release(&mut self) -> bool {
        let any = !self.held.is_empty();
        for step in mem::take(&mut self.held) {
            self.push(step, None);
        }
        any
    }

    /// Takes all that was to be run, to be dropped outside the lock.
    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        let mut steps = self.ready.take();
        steps.append(&mut self.held);
        steps
    }

    /// What comes next. Counts the poll of a task.
    pub(super) fn next(&mut self) -> Next {
        if self.settings.spurious_wakes {
            self.maybe_wake_one();
        }
        loop {
            let next = match self.decide() {
                None => self.ready.pop(),
                Some(Action::Run(index)) => self.ready.take_at(index),
                Some(Action::Hold(index)) => {
                    let taken = self.ready.take_at(index);
                    self.held.extend(taken.map(|(step, _)| step));
                    continue;
                }
                Some(Action::Drop(index)) => return Next::Wake(self.droppable.doom(index)),
                Some(Action::Wake(index)) => {
                    let waiting = self.tasks.waiting().nth(index).map(|(id, _)| id);
                    waiting.into_iter().for_each(|id| self.enqueue(id));
                    continue;
                }
                Some(Action::Jump) => return Next::Jump(JUMP),
                // Of a spawn.
                Some(Action::Refuse) => continue,
            };
            let Some((step, round)) = next else {
                return Next::Rest;
            };
            let Step::Poll(id) = step else {
                return Next::Run(step);
            };
            // The future of a `block_on` that has returned may be queued still.
            if let Some(entry) = self.tasks.get_mut(id) {
                entry.queued = false;
                entry.polls += 1;
                entry.round = Some(round);
                return Next::Run(step);
            }
        }
    }

    /// Which of `ready` children of a group runs next, in the order of the simulation.
    pub(super) fn choose(&mut self, ready: usize) -> usize {
        if let Some(plan) = &mut self.plan {
            let options = Options {
                run: ready,
                ..Options::default()
            };
            let Some(Action::Run(index)) = plan.decide(options, 0..ready as u64) else {
                return 0;
            };
            plan.note(|| format!("of {ready} ready tasks of a group, the one at {index} runs"));
            return index;
        }
        match self.ready.order() {
            Order::Fifo => 0,
            // Now and then the oldest, which would wait for ever otherwise.
            Order::Lifo | Order::Adversarial(_) if self.random.below(4) == 0 => 0,
            Order::Lifo | Order::Adversarial(_) => ready - 1,
            Order::Seeded(_) => self.random.below(ready),
        }
    }

    /// Whether what is spawned is to be dropped.
    pub(super) fn refuses(&mut self) -> bool {
        let Some(plan) = &mut self.plan else {
            return false;
        };
        let options = Options {
            refuse: true,
            ..Options::default()
        };
        let Some(action) = plan.decide(options, std::iter::empty()) else {
            return false;
        };
        self.note(action);
        true
    }

    /// What is done otherwise than by default, in a run that is explored.
    fn decide(&mut self) -> Option<Action> {
        self.plan.as_ref()?;
        let has_timers = self.timers.len() > 0;
        let options = Options {
            run: self.ready.len(),
            drop: self.droppable.len(),
            wake: self.tasks.waiting().count(),
            // Without a timer it could only change the order.
            hold: if has_timers { self.ready.len() } else { 0 },
            jump: has_timers,
            refuse: false,
        };
        let plan = self.plan.as_mut()?;
        let numbers = self.ready.iter().map(|(number, _)| number);
        let action = plan.decide(options, numbers)?;
        self.note(action);
        Some(action)
    }

    /// Writes down what is about to be done, if somebody wants to read it.
    fn note(&mut self, action: Action) {
        if let Some(mut plan) = self.plan.take() {
            plan.note(|| self.describe(action));
            self.plan = Some(plan);
        }
    }

    fn describe(&self, action: Action) -> String {
        let name = |index: usize| match self.ready.iter().nth(index) {
            Some((_, Step::Poll(id))) => self.name_of(*id),
            Some((_, Step::Work(_))) => "a blocking closure".to_owned(),
            None => "nobody".to_owned(),
        };
        match action {
            Action::Run(index) => format!("{} runs before {}", name(index), name(0)),
            Action::Hold(index) => format!("{} is put off until time has moved", name(index)),
            Action::Wake(index) => match self.tasks.waiting().nth(index) {
                Some((_, entry)) => format!("{} is woken for no reason", entry.name()),
                None => "nobody is woken".to_owned(),
            },
            Action::Drop(index) => match self.droppable.place(index) {
                Some(place) => format!("the future that may be dropped at {place} is"),
                None => "nothing is dropped".to_owned(),
            },
            Action::Jump => format!("time moves by {JUMP:?}"),
            Action::Refuse => "what is spawned is dropped".to_owned(),
        }
    }

    fn name_of(&self, id: TaskId) -> String {
        let mut tasks = self.tasks.iter();
        match tasks.find(|(live, _)| *live == id) {
            Some((_, entry)) => entry.name().to_string(),
            None => "a future that is done".to_owned(),
        }
    }

    /// Wakes a task for no reason, one time in four. Not more often, or it would never be idle.
    fn maybe_wake_one(&mut self) {
        if self.tasks.len() == 0 || self.random.below(4) != 0 {
            return;
        }
        let index = self.random.below(self.tasks.len());
        let chosen = self.tasks.iter().nth(index).map(|(id, _)| id);
        chosen.into_iter().for_each(|id| self.enqueue(id));
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("elapsed", &self.timers.elapsed())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
