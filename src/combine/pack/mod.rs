//! A fixed number of futures polled inside one task.

#[cfg(all(test, untethered_loom))]
mod model;
mod places;
mod wakers;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Context;

use self::places::Fours;
pub(super) use self::places::{
    Eight, Four, One, Places, Sixteen, ThirtyTwo, Three, Twelve, Twenty, TwentyEight, TwentyFour,
    Two, poll_place, poll_places,
};
use self::wakers::{FourWaker, WORD, Wakers};

/// Up to how many futures are all polled whenever one of them is woken.
///
/// Polling a few futures for nothing costs less than finding out whose turn it is.
pub(super) const POLL_ALL: usize = 32;

/// Futures bigger than this are kept four to a box, so that little is wasted on empty places.
const BIG: usize = 1024;

/// How many fours that bring nothing may ask to be polled again in one pass.
///
/// A runtime that limits its tasks makes every future answer so once the limit is used up. Going
/// on to the others would cost a poll of each and bring nothing.
const YIELDS: usize = 2;

/// Futures that are all there from the start.
///
/// They live in boxes of sixteen, eight or four. Up to [`POLL_ALL`] are polled with the waker of
/// the task; of more, every four have a waker of their own, and only fours that were woken are
/// polled. They are always polled in the order of their index.
pub(super) struct Pack<F> {
    /// Apart from the others, so that a few futures need no list.
    first: Option<Block<F>>,
    others: Vec<Block<F>>,
    alive: usize,
    /// `None` where all are polled.
    wakers: Option<Wakers>,
}

struct Block<F> {
    /// The index of its first future.
    first: usize,
    places: Boxed<F>,
}

enum Boxed<F> {
    Four(Pin<Box<Four<F>>>),
    Eight(Pin<Box<Eight<F>>>),
    Sixteen(Pin<Box<Sixteen<F>>>),
}

/// Does the same with the places of a box, however many there are.
macro_rules! places {
    ($boxed:expr, $places:ident => $do:expr) => {
        match $boxed {
            Boxed::Four($places) => $do,
            Boxed::Eight($places) => $do,
            Boxed::Sixteen($places) => $do,
        }
    };
}

impl<F> Pack<F> {
    pub(super) fn new(futures: impl Iterator<Item = F>) -> Self {
        let mut futures = futures.fuse();
        let mut pack = Self {
            first: None,
            others: Vec::new(),
            alive: 0,
            wakers: None,
        };
        while let Some(future) = futures.next() {
            let first = pack.alive;
            let left = futures.size_hint().0;
            pack.alive += 1;
            let mut more = || {
                let next = futures.next();
                pack.alive += usize::from(next.is_some());
                next
            };
            let future = Some(future);
            let places = if size_of::<F>() > BIG || left < Four::<F>::CAPACITY {
                Boxed::Four(Box::pin(Four::fill(future, &mut more)))
            } else if left < Eight::<F>::CAPACITY {
                Boxed::Eight(Box::pin(Eight::fill(future, &mut more)))
            } else {
                Boxed::Sixteen(Box::pin(Sixteen::fill(future, &mut more)))
            };
            let block = Block { first, places };
            match &pack.first {
                None => pack.first = Some(block),
                Some(_) => pack.others.push(block),
            }
        }
        if pack.alive > POLL_ALL {
            let blocks = pack.first.iter().chain(&pack.others).enumerate();
            pack.wakers = Some(Wakers::new(blocks.flat_map(|(index, block)| {
                std::iter::repeat_n(index, block.capacity() / Four::<F>::CAPACITY)
            })));
        }
        pack
    }

    /// How many are not done.
    pub(super) fn len(&self) -> usize {
        self.alive
    }

    /// The indexes of those that are not done.
    pub(super) fn indexes(&self) -> impl Iterator<Item = usize> {
        self.first.iter().chain(&self.others).flat_map(|block| {
            let alive = (0..block.capacity()).filter(|&at| block.is_some(at));
            alive.map(|at| block.first + at)
        })
    }

    /// Drops one future. Whether it was there.
    pub(super) fn remove(&mut self, index: usize) -> bool {
        let after = self.others.partition_point(|block| block.first <= index);
        let block = match after.checked_sub(1) {
            Some(at) => self.others.get_mut(at),
            None => self.first.as_mut(),
        };
        let Some(block) = block else { return false };
        let at = index - block.first;
        if !block.is_some(at) {
            return false;
        }
        self.alive -= 1;
        places!(&mut block.places, places => places.as_mut().place(at).set(None));
        true
    }

    /// Drops all futures. If a destructor panics, those behind it are still there.
    pub(super) fn clear(&mut self) {
        self.alive = 0;
        for block in self.first.iter_mut().chain(&mut self.others) {
            places!(&mut block.places, places => places.as_mut().clear());
        }
        self.first = None;
        self.others.clear();
    }
}

impl<F: Future> Pack<F> {
    /// Polls those that may be ready, in order, and tells `each` what is done.
    ///
    /// A future is dropped before its output is told. A break ends the poll: the others are as if
    /// they had not been woken yet. Says whether everybody who was woken had a turn; otherwise
    /// the rest of them has it in the next poll, for which the task is woken.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut each: impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) -> bool {
        if self.wakers.is_some() {
            return self.poll_woken(cx, &mut each);
        }
        let alive = &mut self.alive;
        let mut done = |index, output| {
            *alive -= 1;
            each(index, output)
        };
        let mut others = self.others.iter_mut();
        let mut next = self.first.as_mut();
        while let Some(Block { first, places }) = next {
            let polled =
                places!(places, places => poll_places(places.as_mut(), cx, *first, &mut done));
            if polled.is_break() {
                break;
            }
            next = others.next();
        }
        true
    }

    // Apart, so that the poll of a few is short.
    #[inline(never)]
    fn poll_woken(
        &mut self,
        cx: &mut Context<'_>,
        each: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) -> bool {
        let Some(wakers) = &mut self.wakers else {
            return true;
        };
        let Wakers { woken, fours, .. } = wakers;
        woken.task.register(cx.waker());
        let start = std::mem::take(&mut wakers.left_at);
        let alive = &mut self.alive;
        let mut done = |index, output| {
            *alive -= 1;
            each(index, output)
        };
        let mut yields = 0;
        for word in start / WORD..woken.words.len() {
            let from = if word == start / WORD {
                start % WORD
            } else {
                0
            };
            let mut left = woken.take(word, from);
            while left != 0 {
                let four = word * WORD + left.trailing_zeros() as usize;
                let FourWaker { waker, block } = &fours[four];
                let block = match block.checked_sub(1) {
                    Some(other) => self.others.get_mut(other),
                    None => self.first.as_mut(),
                };
                // Cleared, they are gone.
                let Some(block) = block else { return true };
                let at = four * Four::<F>::CAPACITY - block.first;
                let mut brought = false;
                let mut its_own = Context::from_waker(waker);
                let polled = block.poll_four(&mut its_own, at, &mut |index, output| {
                    brought = true;
                    done(index, output)
                });
                if polled.is_break() {
                    woken.put_back(word, left);
                    return true;
                }
                let bit = left & left.wrapping_neg();
                left ^= bit;
                if !brought && woken.is_woken(word, bit) {
                    yields += 1;
                    if yields == YIELDS {
                        woken.put_back(word, left);
                        wakers.left_at = four + 1;
                        cx.waker().wake_by_ref();
                        return false;
                    }
                }
            }
        }
        if start > 0 {
            // Those before it may have been woken since this pass began.
            cx.waker().wake_by_ref();
        }
        true
    }
}

impl<F> Block<F> {
    fn capacity(&self) -> usize {
        match &self.places {
            Boxed::Four(_) => Four::<F>::CAPACITY,
            Boxed::Eight(_) => Eight::<F>::CAPACITY,
            Boxed::Sixteen(_) => Sixteen::<F>::CAPACITY,
        }
    }

    fn is_some(&self, at: usize) -> bool {
        places!(&self.places, places => places.is_some(at))
    }

    /// Polls the four from `at` on.
    #[inline]
    fn poll_four(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        done: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) -> ControlFlow<()>
    where
        F: Future,
    {
        let four = match &mut self.places {
            Boxed::Four(four) => four.as_mut(),
            Boxed::Eight(fours) => fours.as_mut().four(at / Four::<F>::CAPACITY),
            Boxed::Sixteen(fours) => fours.as_mut().four(at / Four::<F>::CAPACITY),
        };
        poll_places(four, cx, self.first + at, done)
    }
}
