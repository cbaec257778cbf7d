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
}

/// What is ready, taken out in its order.
#[derive(Debug)]
pub(super) struct Ready<T> {
    order: Order,
    random: Random,
    steps: VecDeque<T>,
    /// Those that wait for the next round. Used by `Order::Lifo` only, which would starve the
    /// oldest without it.
    later: VecDeque<T>,
    round: u64,
}

impl<T> Ready<T> {
    pub(super) fn new(order: Order) -> Self {
        let seed = match order {
            Order::Seeded(seed) => seed,
            Order::Fifo | Order::Lifo => 0,
        };
        Self {
            order,
            random: Random::new(seed),
            steps: VecDeque::new(),
            later: VecDeque::new(),
            round: 0,
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Adds what was last taken out in `round`. `None` if it never was.
    pub(super) fn push(&mut self, step: T, round: Option<u64>) {
        let again = round.is_none_or(|round| round == self.round);
        if self.order == Order::Lifo && again {
            self.later.push_back(step);
        } else {
            self.steps.push_back(step);
        }
    }

    /// Takes all out, in no order.
    pub(super) fn take(&mut self) -> Vec<T> {
        self.steps.drain(..).chain(self.later.drain(..)).collect()
    }

    /// Takes the next one out, with its round.
    pub(super) fn pop(&mut self) -> Option<(T, u64)> {
        let step = match self.order {
            Order::Fifo => self.steps.pop_front(),
            Order::Lifo => {
                if self.steps.is_empty() {
                    mem::swap(&mut self.steps, &mut self.later);
                    self.round += 1;
                }
                self.steps.pop_back()
            }
            Order::Seeded(_) if self.steps.is_empty() => None,
            Order::Seeded(_) => {
                let index = self.random.below(self.steps.len());
                self.steps.swap_remove_back(index)
            }
        };
        step.map(|step| (step, self.round))
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

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
