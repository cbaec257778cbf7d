use std::collections::VecDeque;
use std::mem;

/// In which order a [`Sim`](super::Sim) runs what is ready.
///
/// Each order is repeatable, and none lets a ready task wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// First woken, first run: what most runtimes do.
    #[default]
    Fifo,
    /// Last woken, first run, once each before any runs again. What is started runs in the next
    /// round.
    Lifo,
    /// Any of those that are ready, drawn with this seed.
    Seeded(u64),
    /// Some run again and again while others, ready too, are put off for dozens of polls. Who,
    /// and for how long, is drawn with this seed.
    ///
    /// This is what a loaded machine does, and what even draws hardly ever give. After Burckhardt
    /// et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010. Each
    /// poll takes time proportional to how many are ready.
    Adversarial(u64),
}

/// What is ready, taken out in its order.
#[derive(Debug)]
pub(super) struct Ready<T> {
    order: Order,
    random: Random,
    adversary: Adversary,
    /// In the order in which they came, unless they are drawn.
    items: VecDeque<Item<T>>,
    /// Those that wait for the next round. Used by `Order::Lifo` only, which would starve the
    /// oldest without it.
    later: VecDeque<Item<T>>,
    round: u64,
}

#[derive(Debug)]
struct Item<T> {
    step: T,
    /// Whose it is, for the adversary.
    number: u64,
}

impl<T> Ready<T> {
    pub(super) fn new(order: Order) -> Self {
        let seed = match order {
            Order::Seeded(seed) | Order::Adversarial(seed) => seed,
            Order::Fifo | Order::Lifo => 0,
        };
        Self {
            order,
            random: Random::new(seed),
            adversary: Adversary::new(seed),
            items: VecDeque::new(),
            later: VecDeque::new(),
            round: 0,
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn len(&self) -> usize {
        self.items.len() + self.later.len()
    }

    /// Adds the step of task `number`, last taken out in `round`. `None` if it never was.
    pub(super) fn push(&mut self, step: T, number: u64, round: Option<u64>) {
        let again = round.is_none_or(|round| round == self.round);
        let item = Item { step, number };
        if self.order == Order::Lifo && again {
            self.later.push_back(item);
        } else {
            self.items.push_back(item);
        }
    }

    /// Takes all out, in no order.
    pub(super) fn take(&mut self) -> Vec<T> {
        let all = self.items.drain(..).chain(self.later.drain(..));
        all.map(|item| item.step).collect()
    }

    /// Takes the next one out, with its round.
    pub(super) fn pop(&mut self) -> Option<(T, u64)> {
        let item = match self.order {
            Order::Fifo => self.items.pop_front(),
            Order::Lifo => {
                if self.items.is_empty() {
                    mem::swap(&mut self.items, &mut self.later);
                    self.round += 1;
                }
                self.items.pop_back()
            }
            _ if self.items.is_empty() => None,
            Order::Seeded(_) => {
                let index = self.random.below(self.items.len());
                self.items.swap_remove_back(index)
            }
            Order::Adversarial(_) => {
                let index = self
                    .adversary
                    .pick(self.items.iter().map(|item| item.number));
                self.items.remove(index)
            }
        };
        item.map(|item| (item.step, self.round))
    }

    /// Takes out the one that came after `index` others. For `Order::Fifo`.
    pub(super) fn take_at(&mut self, index: usize) -> Option<(T, u64)> {
        let item = self.items.remove(index)?;
        Some((item.step, self.round))
    }

    /// Whose steps these are, and they themselves, as they came. For `Order::Fifo`.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &T)> {
        self.items.iter().map(|item| (item.number, &item.step))
    }
}

/// Every so often the oldest runs, so that nobody waits for ever.
const PATIENCE: u64 = 64;

/// Prefers some to others, and now and then changes its mind.
#[derive(Debug)]
pub(super) struct Adversary {
    random: Random,
    /// Says whom it prefers at present.
    mind: u64,
    /// After how many picks it changes its mind, on average.
    steadiness: usize,
    picks: u64,
}

impl Adversary {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xad5e_ca61);
        let steadiness = [4, 16, 64][random.below(3)];
        let mind = random.next();
        Self {
            random,
            mind,
            steadiness,
            picks: 0,
        }
    }

    /// The index of the one of `numbers` that runs. They are in the order in which they came, and
    /// not empty.
    pub(super) fn pick(&mut self, numbers: impl Iterator<Item = u64>) -> usize {
        self.picks += 1;
        if self.picks % PATIENCE == 0 {
            return 0;
        }
        if self.random.below(self.steadiness) == 0 {
            self.mind = self.random.next();
        }
        let mind = self.mind;
        let favourite = numbers
            .enumerate()
            .max_by_key(|(_, number)| Random::new(mind ^ number).next());
        favourite.map_or(0, |(index, _)| index)
    }
}

/// A small generator of random numbers (splitmix64): not for secrets, always the same for a seed.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number below `bound`, which is not nought.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
