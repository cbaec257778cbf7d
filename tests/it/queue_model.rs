//! The queue beside a model of it: every short schedule, then random ones.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use untethered::Queue;
use untethered::queue::{Closed, TryPopError, TryPushError};

use crate::polled::Polled;
use crate::random::Random;
use crate::support::seeds;

/// What happens to the queue. Those that find nothing to act on do nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Push,
    Pop,
    DropOldestPop,
    DropNewestPop,
    DropOldestPush,
    /// All that were woken run.
    Run,
    Close,
    TryPush,
    TryPop,
    PopLatest,
    PopTwo,
    TryPopLatest,
    Drain,
    CloseNow,
    /// Of those that were woken.
    DropWokenPop,
    DropWokenPush,
    /// Polls all that wait, woken or not, with another waker.
    PollAll,
}

const FEW: [Step; 7] = [
    Step::Push,
    Step::Pop,
    Step::DropOldestPop,
    Step::DropNewestPop,
    Step::DropOldestPush,
    Step::Run,
    Step::Close,
];

/// Weights that make queues run full, run empty, and be dropped from in between.
const MANY: [(usize, Step); 17] = [
    (12, Step::Push),
    (12, Step::Pop),
    (3, Step::DropOldestPop),
    (3, Step::DropNewestPop),
    (3, Step::DropOldestPush),
    (5, Step::Run),
    (1, Step::Close),
    (4, Step::TryPush),
    (4, Step::TryPop),
    (3, Step::PopLatest),
    (3, Step::PopTwo),
    (1, Step::TryPopLatest),
    (1, Step::Drain),
    (1, Step::CloseNow),
    (6, Step::DropWokenPop),
    (6, Step::DropWokenPush),
    (2, Step::PollAll),
];

type Item = u32;

/// What a pop gives, in all its forms.
type Popping<'a> = Pin<Box<dyn Future<Output = Vec<Item>> + 'a>>;

/// How much a pop takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Take {
    One,
    Two,
    Latest,
}

/// Where a pop or a push is, by the model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stand {
    Waits,
    /// A pop was given this item; a push has pushed it.
    Served(Item),
    /// Closed: a pop gets nothing, a push its item back.
    Ended,
}

/// The queue as its documentation says it is: items in the order of their numbers, served by
/// looking for whatever can be done until there is nothing left to do.
struct Model {
    capacity: usize,
    stored: VecDeque<Item>,
    closed: bool,
}

struct Push<'a> {
    item: Item,
    stand: Stand,
    real: Polled<untethered::queue::Push<'a, Item>>,
}

struct Pop<'a> {
    take: Take,
    stand: Stand,
    real: Polled<Popping<'a>>,
}

/// How often what a test is about did happen.
#[derive(Debug, Default)]
struct Sometimes {
    full: usize,
    given: usize,
    woken_pop_dropped: usize,
    woken_push_dropped: usize,
    item_went_on: usize,
    item_went_back: usize,
    closed_with_pops: usize,
    closed_with_pushes: usize,
    closed_with_items: usize,
    end_deferred: usize,
    over_capacity: usize,
    latest_discarded: usize,
}

impl Sometimes {
    fn assert_all(&self) {
        let text = format!("{self:?}");
        assert!(!text.contains(": 0"), "not all of it happened: {text}");
    }
}

struct Run<'a> {
    queue: &'a Queue<Item>,
    model: Model,
    pushes: VecDeque<Push<'a>>,
    pops: VecDeque<Pop<'a>>,
    pushed: Item,
    /// Items that came out, were discarded, or came back, to see that none is there twice.
    seen: Vec<Item>,
    /// How many items came back from pops that were dropped with them.
    went_back: usize,
    sometimes: &'a mut Sometimes,
}

impl<'a> Run<'a> {
    fn given(&self) -> usize {
        let served = |pop: &&Pop<'_>| matches!(pop.stand, Stand::Served(_));
        self.pops.iter().filter(served).count()
    }

    fn is_full(&self) -> bool {
        self.model.stored.len() >= self.model.capacity
    }

    fn is_drained(&self) -> bool {
        self.model.closed && self.model.stored.is_empty() && self.given() == 0
    }

    /// Does whatever can be done, in the model.
    fn settle(&mut self) {
        loop {
            let (full, drained) = (self.is_full(), self.is_drained());
            let push = self
                .pushes
                .iter_mut()
                .find(|push| push.stand == Stand::Waits);
            let pop = self.pops.iter_mut().find(|pop| pop.stand == Stand::Waits);
            match (push, pop) {
                (Some(push), _) if self.model.closed => push.stand = Stand::Ended,
                (Some(push), _) if !full => {
                    push.stand = Stand::Served(push.item);
                    self.model.stored.push_back(push.item);
                }
                (_, Some(pop)) if !self.model.stored.is_empty() => {
                    let item = self.model.stored.pop_front().unwrap();
                    pop.stand = Stand::Served(item);
                    self.sometimes.given += 1;
                }
                (_, Some(pop)) if drained => pop.stand = Stand::Ended,
                _ => break,
            }
        }
    }

    /// What a pop gives now that began with `first`.
    fn take(&mut self, take: Take, first: Item) -> Vec<Item> {
        let mut taken = vec![first];
        match take {
            Take::One => {}
            Take::Two => taken.extend(self.model.stored.pop_front()),
            Take::Latest => {
                taken.extend(self.model.stored.drain(..));
                let latest = taken.pop().unwrap();
                self.sometimes.latest_discarded += taken.len();
                self.seen.append(&mut taken);
                taken.push(latest);
            }
        }
        self.seen.extend(&taken);
        self.settle();
        taken
    }

    fn step(&mut self, step: Step, random: &mut impl FnMut(usize) -> usize) {
        match step {
            Step::Push => self.push(),
            Step::Pop => self.pop(Take::One),
            Step::PopTwo => self.pop(Take::Two),
            Step::PopLatest => self.pop(Take::Latest),
            Step::DropOldestPop => self.drop_pop(0),
            Step::DropNewestPop => self.drop_pop(self.pops.len().wrapping_sub(1)),
            Step::DropOldestPush => self.drop_push(0),
            Step::DropWokenPop => {
                let woken: Vec<_> = (0..self.pops.len())
                    .filter(|&at| self.pops[at].stand != Stand::Waits)
                    .collect();
                if !woken.is_empty() {
                    self.drop_pop(woken[random(woken.len())]);
                }
            }
            Step::DropWokenPush => {
                let woken = self
                    .pushes
                    .iter()
                    .position(|push| push.stand != Stand::Waits);
                self.drop_push(woken.unwrap_or(usize::MAX));
            }
            Step::Run => self.run(),
            Step::PollAll => self.poll_all(),
            Step::Close => self.close(false),
            Step::CloseNow => self.close(true),
            Step::TryPush => self.try_push(),
            Step::TryPop => self.try_pop(Take::One),
            Step::TryPopLatest => self.try_pop(Take::Latest),
            Step::Drain => {
                let expected = std::mem::take(&mut self.model.stored);
                assert_eq!(self.queue.drain(), expected);
                self.seen.extend(expected);
                self.settle();
            }
        }
        self.check();
    }

    fn push(&mut self) {
        self.pushed += 1;
        let item = self.pushed;
        let mut real = Polled::new(self.queue.push(item));
        let polled = real.poll().map_err(Closed::into_inner);
        if self.model.closed {
            assert_eq!(polled, Poll::Ready(Err(item)));
            self.seen.push(item);
        } else if !self.is_full() {
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            self.model.stored.push_back(item);
            self.settle();
        } else {
            assert!(polled.is_pending());
            self.sometimes.full += 1;
            let stand = Stand::Waits;
            self.pushes.push_back(Push { item, stand, real });
        }
    }

    fn try_push(&mut self) {
        self.pushed += 1;
        let item = self.pushed;
        let pushed = self.queue.try_push(item);
        if self.model.closed {
            assert!(matches!(pushed, Err(TryPushError::Closed(back)) if back == item));
            self.seen.push(item);
        } else if !self.is_full() {
            pushed.unwrap();
            self.model.stored.push_back(item);
            self.settle();
        } else {
            assert!(matches!(pushed, Err(TryPushError::Full(back)) if back == item));
            self.seen.push(item);
        }
    }

    fn pop(&mut self, take: Take) {
        let queue = self.queue;
        let popping: Popping<'a> = match take {
            Take::One => Box::pin(async { queue.pop().await.into_iter().collect() }),
            Take::Two => Box::pin(queue.pop_batch(2)),
            Take::Latest => Box::pin(async { queue.pop_latest().await.into_iter().collect() }),
        };
        let mut real = Polled::new(popping);
        let polled = real.poll();
        if let Some(first) = self.model.stored.pop_front() {
            assert_eq!(polled, Poll::Ready(self.take(take, first)));
        } else if self.is_drained() {
            assert_eq!(polled, Poll::Ready(Vec::new()));
        } else {
            assert_eq!(polled, Poll::Pending);
            let stand = Stand::Waits;
            self.pops.push_back(Pop { take, stand, real });
        }
    }

    fn try_pop(&mut self, take: Take) {
        let popped = match take {
            Take::Latest => self.queue.try_pop_latest(),
            _ => self.queue.try_pop(),
        };
        if let Some(first) = self.model.stored.pop_front() {
            let expected = self.take(take, first).pop();
            assert_eq!(popped.ok(), expected);
        } else if self.is_drained() {
            assert_eq!(popped, Err(TryPopError::Closed));
        } else {
            assert_eq!(popped, Err(TryPopError::Empty));
        }
    }

    fn drop_pop(&mut self, at: usize) {
        let Some(pop) = self.pops.remove(at) else {
            return;
        };
        drop(pop.real);
        if pop.stand != Stand::Waits {
            self.sometimes.woken_pop_dropped += 1;
        }
        if let Stand::Served(item) = pop.stand {
            let before = self.model.stored.len();
            let place = self.model.stored.partition_point(|&other| other < item);
            self.model.stored.insert(place, item);
            self.settle();
            if self.model.stored.len() == before {
                self.sometimes.item_went_on += 1;
            } else {
                self.sometimes.item_went_back += 1;
                self.went_back += 1;
                let over = self.model.stored.len() > self.model.capacity;
                self.sometimes.over_capacity += usize::from(over);
            }
        }
    }

    fn drop_push(&mut self, at: usize) {
        let Some(push) = self.pushes.remove(at) else {
            return;
        };
        drop(push.real);
        match push.stand {
            Stand::Served(_) => self.sometimes.woken_push_dropped += 1,
            _ => self.seen.push(push.item),
        }
    }

    fn close(&mut self, now: bool) {
        if !self.model.closed {
            let sometimes = &mut *self.sometimes;
            sometimes.closed_with_items += usize::from(!self.model.stored.is_empty());
            sometimes.closed_with_pops += usize::from(!self.pops.is_empty());
            sometimes.closed_with_pushes += usize::from(!self.pushes.is_empty());
        }
        if now {
            let expected = std::mem::take(&mut self.model.stored);
            assert_eq!(self.queue.close_now(), expected);
            self.seen.extend(expected);
        } else {
            self.queue.close();
        }
        self.model.closed = true;
        self.settle();
        let waits = self.pops.iter().any(|pop| pop.stand == Stand::Waits);
        self.sometimes.end_deferred += usize::from(waits);
    }

    /// Polls those that were woken, until none is.
    fn run(&mut self) {
        while let Some(at) = self.pops.iter().position(|pop| pop.stand != Stand::Waits) {
            let mut pop = self.pops.remove(at).unwrap();
            assert_eq!(pop.real.woken(), 1);
            let taken = pop.real.ready();
            match pop.stand {
                Stand::Served(first) => assert_eq!(taken, self.take(pop.take, first)),
                _ => assert!(taken.is_empty(), "{taken:?}"),
            }
        }
        while let Some(at) = self
            .pushes
            .iter()
            .position(|push| push.stand != Stand::Waits)
        {
            let mut push = self.pushes.remove(at).unwrap();
            assert_eq!(push.real.woken(), 1);
            match (push.real.ready(), push.stand) {
                (Ok(()), Stand::Served(_)) => {}
                (Err(closed), Stand::Ended) => {
                    assert_eq!(closed.into_inner(), push.item);
                    self.seen.push(push.item);
                }
                (pushed, stand) => panic!("{pushed:?} where the model has {stand:?}"),
            }
        }
        // At rest nobody waits for what is there.
        if !self.pops.is_empty() {
            assert!(self.queue.is_empty(), "an item and a pop that waits");
            assert!(self.pushes.is_empty(), "a push and a pop that wait");
        }
        if !self.pushes.is_empty() {
            assert!(self.queue.is_full(), "room and a push that waits");
        }
    }

    fn poll_all(&mut self) {
        self.run();
        for pop in &mut self.pops {
            pop.real.change_waker();
            assert!(pop.real.poll().is_pending());
        }
        for push in &mut self.pushes {
            push.real.change_waker();
            assert!(push.real.poll().is_pending());
        }
    }

    /// The queue is what the model is; who was served was woken, once, and nobody else was.
    fn check(&self) {
        let stored = self.model.stored.len();
        assert_eq!(self.queue.len(), stored);
        assert!(stored.saturating_sub(self.went_back) <= self.model.capacity);
        assert_eq!(self.queue.is_full(), self.is_full());
        assert_eq!(self.queue.is_empty(), stored == 0);
        assert_eq!(self.queue.is_closed(), self.model.closed);
        for pop in &self.pops {
            assert_eq!(pop.real.woken(), usize::from(pop.stand != Stand::Waits));
        }
        for push in &self.pushes {
            assert_eq!(push.real.woken(), usize::from(push.stand != Stand::Waits));
        }
    }

    /// What was pushed is what came out, what is left and what came back.
    fn end(mut self) {
        self.run();
        self.step(Step::CloseNow, &mut |_| 0);
        self.run();
        assert!(
            self.pops.is_empty() && self.pushes.is_empty(),
            "closed, and somebody waits"
        );
        self.seen.sort_unstable();
        assert!(
            self.seen.iter().copied().eq(1..=self.pushed),
            "{:?}",
            self.seen
        );
    }
}

fn schedule(
    capacity: Option<usize>,
    steps: impl IntoIterator<Item = Step>,
    mut random: impl FnMut(usize) -> usize,
    sometimes: &mut Sometimes,
) {
    let queue = match capacity {
        Some(capacity) => Queue::bounded(capacity),
        None => Queue::unbounded(),
    };
    let mut run = Run {
        queue: &queue,
        model: Model {
            capacity: capacity.unwrap_or(usize::MAX),
            stored: VecDeque::new(),
            closed: false,
        },
        pushes: VecDeque::new(),
        pops: VecDeque::new(),
        pushed: 0,
        seen: Vec::new(),
        went_back: 0,
        sometimes,
    };
    for step in steps {
        run.step(step, &mut random);
    }
    run.end();
}

/// Prints what was going on if the test fails.
struct Context<T: std::fmt::Debug>(T);

impl<T: std::fmt::Debug> Drop for Context<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {:?}", self.0);
        }
    }
}

// Q1 Q2 Q3 Q4 Q5
#[test]
fn every_schedule_of_seven_steps() {
    let mut sometimes = Sometimes::default();
    let mut schedules = 0;
    for capacity in [1, 2] {
        for number in 0..7_usize.pow(7) {
            let steps: [Step; 7] =
                std::array::from_fn(|at| FEW[number / 7_usize.pow(at as u32) % 7]);
            // What begins with nothing to act on is the same as a shorter one.
            if !matches!(steps[0], Step::Push | Step::Pop | Step::Close) {
                continue;
            }
            let context = Context((capacity, steps));
            schedule(Some(capacity), context.0.1, |_| 0, &mut sometimes);
            schedules += 1;
        }
    }
    assert_eq!(schedules, 2 * 3 * 7_usize.pow(6));
    sometimes.latest_discarded += 1; // None of these steps pops the latest.
    sometimes.assert_all();
}

// Q1 Q2 Q3 Q4 Q5
#[test]
fn random_schedules() {
    let mut sometimes = Sometimes::default();
    for seed in seeds(4000) {
        let mut random = Random::new(seed);
        let capacity = [Some(1), Some(2), Some(3), None][random.below(4)];
        let steps: Vec<_> = (0..4 + random.below(12))
            .map(|_| random.weighted(&MANY))
            .collect();
        let context = Context((seed, capacity, steps));
        schedule(
            capacity,
            context.0.2.iter().copied(),
            |below| random.below(below),
            &mut sometimes,
        );
    }
    sometimes.assert_all();
}

/// The same for a fuzzer: the first byte chooses the capacity, the others what happens.
#[test]
fn any_schedule() {
    bolero::check!().for_each(|input: &[u8]| {
        let Some((first, steps)) = input.split_first() else {
            return;
        };
        let capacity = [Some(1), Some(2), Some(3), None][usize::from(first % 4)];
        let steps: Vec<_> = steps
            .iter()
            .map(|byte| MANY[usize::from(*byte) % MANY.len()].1)
            .collect();
        let mut choices = input.iter().cycle();
        let choose = |below| usize::from(*choices.next().unwrap_or(&0)) % below;
        schedule(capacity, steps, choose, &mut Sometimes::default());
    });
}
