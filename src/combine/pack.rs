//! A fixed number of futures polled inside one task.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use crate::primitives::Mutex;
use crate::primitives::atomic::{AtomicUsize, Ordering};

/// Up to how many futures are all polled whenever one of them is woken.
///
/// Polling a few futures for nothing costs less than finding out whose turn it is.
const POLL_ALL: usize = 32;

/// Futures bigger than this are kept four to a box, so that little is wasted on empty places.
const BIG: usize = 1024;

/// Futures that are all there from the start.
///
/// They live in boxes of sixteen or four. Up to [`POLL_ALL`] are polled with the waker of the
/// task; of more, every four have a waker of their own, and only fours that were woken are
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
    slots: Slots<F>,
}

enum Slots<F> {
    Four(Pin<Box<Four<F>>>),
    Sixteen(Pin<Box<Sixteen<F>>>),
}

/// One waker for every four futures.
struct Wakers {
    woken: Arc<Woken>,
    fours: Vec<FourWaker>,
}

struct FourWaker {
    waker: Waker,
    /// In which block the four are. Blocks begin with a whole four.
    block: usize,
}

impl<F> Pack<F> {
    pub(super) fn new(futures: impl Iterator<Item = F>) -> Self {
        let mut futures = futures.fuse();
        let mut len = 0;
        let mut next_block = || {
            let future = futures.next()?;
            let first = len;
            let left = futures.size_hint().0;
            let mut take = || {
                let future = futures.next();
                len += usize::from(future.is_some());
                future
            };
            let slots = if size_of::<F>() <= BIG && left >= 12 {
                Slots::Sixteen(Sixteen::new(future, &mut take))
            } else {
                Slots::Four(Four::new(future, &mut take))
            };
            len += 1;
            Some(Block { first, slots })
        };
        let first = next_block();
        let others: Vec<_> = std::iter::from_fn(next_block).collect();
        let wakers = (len > POLL_ALL).then(|| {
            let blocks = first.iter().chain(&others).enumerate();
            Wakers::new(
                blocks
                    .flat_map(|(block, of)| std::iter::repeat_n(block, of.slots.capacity() / FOUR)),
            )
        });
        Self {
            first,
            others,
            alive: len,
            wakers,
        }
    }

    /// How many are not done.
    pub(super) fn len(&self) -> usize {
        self.alive
    }

    /// The indexes of those that are not done.
    pub(super) fn indexes(&self) -> impl Iterator<Item = usize> {
        self.first.iter().chain(&self.others).flat_map(|block| {
            let alive = (0..block.slots.capacity()).filter(|&at| block.slots.is_some(at));
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
        if at >= block.slots.capacity() || !block.slots.is_some(at) {
            return false;
        }
        self.alive -= 1;
        block.slots.get(at).set(None);
        true
    }

    /// Drops all futures.
    pub(super) fn clear(&mut self) {
        self.alive = 0;
        // Should a destructor panic, the others are dropped with the pack.
        self.first = None;
        self.others.clear();
    }
}

impl<F: Future> Pack<F> {
    /// Polls those that may be ready, in order, and tells `each` what is done.
    ///
    /// A future is dropped before its output is told. A break ends the poll: the others are as if
    /// they had not been woken yet.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut each: impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) {
        let Some(Wakers { woken, fours }) = &self.wakers else {
            for block in self.first.iter_mut().chain(&mut self.others) {
                if block.poll(cx, &mut self.alive, &mut each).is_break() {
                    return;
                }
            }
            return;
        };
        woken.set_task(cx);
        for (word, bits) in woken.words.iter().enumerate() {
            // Relaxed: whoever set its bit and then had the lock of the task before `set_task` is
            // seen; whoever has it later finds the task that was just set, and wakes it.
            if bits.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Acquire: what the wakers did before they woke.
            let mut left = bits.swap(0, Ordering::Acquire);
            while left != 0 {
                let four = word * WORD + left.trailing_zeros() as usize;
                let FourWaker { waker, block } = &fours[four];
                let block = match block.checked_sub(1) {
                    Some(other) => self.others.get_mut(other),
                    None => self.first.as_mut(),
                };
                // Cleared, they are gone.
                let Some(block) = block else { return };
                let mut cx = Context::from_waker(waker);
                let at = four * FOUR - block.first;
                let polled = block.poll_four(&mut cx, at, &mut self.alive, &mut each);
                if polled.is_break() {
                    bits.fetch_or(left, Ordering::Relaxed);
                    return;
                }
                left &= left - 1;
            }
        }
    }
}

impl<F: Future> Block<F> {
    #[inline]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        alive: &mut usize,
        each: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut done = |index, output| {
            *alive -= 1;
            each(index, output)
        };
        match &mut self.slots {
            Slots::Four(slots) => slots.as_mut().poll(cx, self.first, &mut done),
            Slots::Sixteen(slots) => slots.as_mut().poll(cx, self.first, &mut done),
        }
    }

    /// Polls the four from `at` on.
    #[inline]
    fn poll_four(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        alive: &mut usize,
        each: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for at in at..at + FOUR {
            poll_slot(
                self.slots.get(at),
                cx,
                self.first + at,
                &mut |index, output| {
                    *alive -= 1;
                    each(index, output)
                },
            )?;
        }
        ControlFlow::Continue(())
    }
}

/// Polls the future with this index, if there is one. It is dropped before its output is told.
#[inline]
fn poll_slot<F: Future>(
    mut slot: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
    index: usize,
    done: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if let Some(future) = slot.as_mut().as_pin_mut() {
        if let Poll::Ready(output) = future.poll(cx) {
            slot.set(None);
            return done(index, output);
        }
    }
    ControlFlow::Continue(())
}

impl<F> Slots<F> {
    fn capacity(&self) -> usize {
        match self {
            Self::Four(_) => 4,
            Self::Sixteen(_) => 16,
        }
    }

    fn get(&mut self, at: usize) -> Pin<&mut Option<F>> {
        match self {
            Self::Four(slots) => slots.as_mut().get(at),
            Self::Sixteen(slots) => slots.as_mut().get(at),
        }
    }

    fn is_some(&self, at: usize) -> bool {
        match self {
            Self::Four(slots) => slots.is_some(at),
            Self::Sixteen(slots) => slots.is_some(at),
        }
    }
}

/// A box of slots, each pinned in place.
macro_rules! slots {
    ($name:ident: $($slot:ident $at:literal)*) => {
        pin_project! {
            struct $name<F> {
                $(#[pin] $slot: Option<F>,)*
            }
        }

        impl<F> $name<F> {
            /// `future`, and what `more` gives.
            fn new(future: F, more: &mut impl FnMut() -> Option<F>) -> Pin<Box<Self>> {
                let mut future = Some(future);
                // The fields are filled in this order: the first takes `future`.
                Box::pin(Self {
                    $($slot: future.take().or_else(&mut *more),)*
                })
            }

            fn poll(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                first: usize,
                done: &mut impl FnMut(usize, F::Output) -> ControlFlow<()>,
            ) -> ControlFlow<()>
            where
                F: Future,
            {
                let this = self.project();
                $(poll_slot(this.$slot, cx, first + $at, done)?;)*
                ControlFlow::Continue(())
            }

            fn get(self: Pin<&mut Self>, at: usize) -> Pin<&mut Option<F>> {
                let this = self.project();
                match at {
                    $($at => this.$slot,)*
                    _ => unreachable!("asked for within the capacity"),
                }
            }

            fn is_some(&self, at: usize) -> bool {
                match at {
                    $($at => self.$slot.is_some(),)*
                    _ => false,
                }
            }
        }
    };
}

slots!(Four: a 0 b 1 c 2 d 3);
slots!(Sixteen: a 0 b 1 c 2 d 3 e 4 f 5 g 6 h 7 i 8 j 9 k 10 l 11 m 12 n 13 o 14 p 15);

/// How many futures share a waker.
const FOUR: usize = 4;

const WORD: usize = usize::BITS as usize;

/// Which fours were woken, and whom to tell.
struct Woken {
    words: Box<[AtomicUsize]>,
    /// Set at every poll, taken by the first that wakes a four after it.
    task: Mutex<Option<Waker>>,
}

struct WakeFour {
    woken: Arc<Woken>,
    four: usize,
}

impl Wakers {
    /// For fours in these blocks. At first all are woken.
    fn new(blocks: impl Iterator<Item = usize>) -> Self {
        let blocks: Vec<_> = blocks.collect();
        let words = (0..blocks.len()).step_by(WORD).map(|first| {
            let used = WORD.min(blocks.len() - first);
            AtomicUsize::new(usize::MAX >> (WORD - used))
        });
        let woken = Arc::new(Woken {
            words: words.collect(),
            task: Mutex::new(None),
        });
        let four = |(four, block)| {
            let woken = woken.clone();
            let waker = Waker::from(Arc::new(WakeFour { woken, four }));
            FourWaker { waker, block }
        };
        let fours = blocks.into_iter().enumerate().map(four).collect();
        Self { woken, fours }
    }
}

impl Woken {
    fn set_task(&self, cx: &Context<'_>) {
        let mut task = self.task.lock();
        let old = match &mut *task {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            task => task.replace(cx.waker().clone()),
        };
        drop(task);
        drop(old);
    }
}

impl Wake for WakeFour {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bit = 1 << (self.four % WORD);
        let word = &self.woken.words[self.four / WORD];
        // One that was set before had its setter wake the task.
        if word.fetch_or(bit, Ordering::Release) & bit == 0 {
            let task = self.woken.task.lock().take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(all(test, untethered_loom))]
mod models {
    use std::future::poll_fn;
    use std::ops::ControlFlow;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use loom::future::block_on;
    use loom::sync::Mutex;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread;

    use super::{POLL_ALL, Pack};

    struct Gate {
        open: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    struct Opened(Option<Arc<Gate>>);

    impl Future for Opened {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let Some(gate) = &self.0 else {
                return Poll::Pending;
            };
            *gate.waker.lock().unwrap() = Some(cx.waker().clone());
            match gate.open.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }

    #[test]
    fn a_wake_beside_a_poll_is_not_lost() {
        let mut builder = loom::model::Builder::new();
        // Without a bound three threads take many minutes.
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let gates: Vec<_> = (0..2)
                .map(|_| {
                    Arc::new(Gate {
                        open: AtomicBool::new(false),
                        waker: Mutex::new(None),
                    })
                })
                .collect();
            // Far apart: they share no waker.
            let opened = (0..=POLL_ALL).map(|index| match index {
                0 => Opened(Some(gates[0].clone())),
                POLL_ALL => Opened(Some(gates[1].clone())),
                _ => Opened(None),
            });
            let mut pack = Pack::new(opened.collect::<Vec<_>>().into_iter());
            let openers: Vec<_> = gates
                .into_iter()
                .map(|gate| {
                    thread::spawn(move || {
                        gate.open.store(true, Ordering::SeqCst);
                        let waker = gate.waker.lock().unwrap().take();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    })
                })
                .collect();
            // A wake that is lost leaves this waiting, which is a deadlock.
            block_on(poll_fn(|cx| {
                pack.poll(cx, |_, ()| ControlFlow::Continue(()));
                match pack.len() == POLL_ALL - 1 {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
            for opener in openers {
                opener.join().unwrap();
            }
        });
    }
}
