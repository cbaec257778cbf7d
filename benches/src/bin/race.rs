//! Races beside their peers.
//!
//! ```text
//! cargo run --release --bin race -- [--rounds N] [--only VARIANT] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words, each an alternative where it has a bar:
//! `race vec 'late|woken' 16`. With `--only`, variants whose name has that in it: for profilers.

use std::array;
use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::future::{FutureExt, select, select_all};
use futures::{StreamExt, select_biased};
use futures_buffered::FuturesUnorderedBounded;
use futures_concurrency::future::Race;
use untethered::combine::race;
use untethered_benches::{Asked, Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Makes both kinds of races with the same words.
macro_rules! variants {
    (
        $workload:expr, $len:expr, |$make:ident| $fill:expr;
        $($name:literal: |$futures:pat_param| $race:expr;)*
    ) => {
        vec![$({
            let (workload, len) = ($workload, $len);
            Variant::new($name, move |items| match workload {
                Workload::Late | Workload::Ready => {
                    let late = workload == Workload::Late;
                    let after = move |index| match late {
                        true if index == len - 1 => After(1),
                        true => After(1000),
                        false => After(0),
                    };
                    finish(items, || {
                        let $make = after;
                        let $futures = $fill;
                        Box::pin($race)
                    });
                }
                Workload::Woken | Workload::All => {
                    let board = Board::new(len);
                    let $make = |index| board.never(index);
                    let $futures = $fill;
                    let all = workload == Workload::All;
                    wake(items, len, all, &board, Box::pin($race));
                }
            })
        },)*]
    };
}

/// Rows of arrays of a length: the traits are for lengths, not for all of them.
macro_rules! arrays {
    ($workload:expr, $len:literal) => {
        variants! { $workload, $len, |make| array::from_fn::<_, $len, _>(make);
            "untethered race([..])": |array| async move { race(array).await.1 };
            "futures-concurrency [..].race()": |array| async move { array.race().await };
            "futures select_all, boxed": |array| async move { select_all(array.map(Box::pin)).await.0 };
            "futures select_all, Unpin": |array| async move { select_all(array).await.0 };
        }
    };
}

fn main() {
    let mut asked = Asked::new(31);
    for (of, len) in [
        ("tuple", 2),
        ("array", 2),
        ("array", 16),
        ("array", 32),
        ("vec", 2),
        ("vec", 16),
        ("vec", 1000),
    ] {
        for workload in [
            Workload::Late,
            Workload::Ready,
            Workload::Woken,
            Workload::All,
        ] {
            let name = format!("{of} {workload:?} {len}").to_lowercase();
            if !asked.wants(&name) {
                continue;
            }
            let variants = match (of, len) {
                ("tuple", _) => tuples(workload),
                ("array", 2) => arrays!(workload, 2),
                ("array", 16) => arrays!(workload, 16),
                ("array", _) => arrays!(workload, 32),
                _ => vectors(workload, len),
            };
            let items = match workload {
                Workload::Late | Workload::Ready => (800_000 / len).max(1000),
                _ if len == 1000 => 20_000,
                _ => 200_000,
            };
            asked.measure(Row {
                name,
                items,
                variants,
            });
        }
    }
    asked.end();
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Workload {
    /// Races that are made, run and over: the last future is done at the second poll.
    Late,
    /// The same, and all futures are done at the first.
    Ready,
    /// One race that goes on; its futures are woken one at a time.
    Woken,
    /// The same, but it is polled when all have been woken.
    All,
}

/// Done after so many polls. The last but one wakes it.
struct After(u32);

impl Future for After {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(7),
            Some(left) => {
                self.0 = left;
                if left == 0 {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

/// The wakers of futures that never end.
#[derive(Clone)]
struct Board(Rc<RefCell<Vec<Option<Waker>>>>);

struct Never {
    board: Board,
    index: usize,
}

impl Future for Never {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        let waker = &mut self.board.0.borrow_mut()[self.index];
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Board {
    fn new(len: usize) -> Self {
        Self(Rc::new(RefCell::new(vec![None; len])))
    }

    fn never(&self, index: usize) -> Never {
        Never {
            board: self.clone(),
            index,
        }
    }

    fn wake(&self, index: usize) {
        if let Some(waker) = &self.0.borrow()[index] {
            waker.wake_by_ref();
        }
    }
}

type Boxed = Pin<Box<dyn Future<Output = u32>>>;

fn tuples(workload: Workload) -> Vec<Variant> {
    variants! { workload, 2, |make| (make(0), make(1));
        "untethered race((a, b))": |pair| async move { race(pair).await.into_inner() };
        "futures-concurrency (a, b).race()": |pair| async move { pair.race().await };
        "tokio select!, biased": |(a, b)| async move {
            tokio::select! { biased; x = a => x, x = b => x }
        };
        "futures select_biased!": |(a, b)| async move {
            let (mut a, mut b) = (a.fuse(), b.fuse());
            select_biased! { x = a => x, x = b => x }
        };
        "futures select(a, b)": |(a, b)| async move { select(a, b).await.factor_first().0 };
    }
}

fn vectors(workload: Workload, len: usize) -> Vec<Variant> {
    fn boxed<F>(futures: Vec<F>) -> impl Iterator<Item = Pin<Box<F>>> {
        futures.into_iter().map(Box::pin)
    }
    variants! { workload, len, |make| (0..len).map(make).collect::<Vec<_>>();
        "untethered race(Vec)": |vec| async move { race(vec).await.unwrap().1 };
        "futures-concurrency race(Vec)": |vec| async move { vec.race().await };
        // Futures of `async fn` have to be put in boxes for it.
        "futures select_all, boxed": |vec| async move { select_all(boxed(vec)).await.0 };
        "futures select_all, Unpin": |vec| async move { select_all(vec).await.0 };
        "futures-buffered next": |vec| async move {
            let mut set: FuturesUnorderedBounded<_> = vec.into_iter().collect();
            set.next().await.unwrap()
        };
    }
}

/// Races that are made, run and over. One item is one race.
fn finish(items: usize, make: impl Fn() -> Boxed) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..items {
        // Otherwise a race may be worked out by the compiler.
        let mut race = black_box(make());
        loop {
            if let Poll::Ready(output) = race.as_mut().poll(&mut cx) {
                black_box(output);
                break;
            }
        }
    }
}

/// One race whose futures are woken over and over. One item is one wake.
fn wake(items: usize, len: usize, all: bool, board: &Board, race: Boxed) {
    let mut race = pin!(race);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(race.as_mut().poll(&mut cx).is_pending());
    let mut index = 0;
    for item in 0..items {
        // All over the futures, not one after the other.
        index = (index + 379) % len;
        board.wake(index);
        if !all || item % len == len - 1 {
            assert!(race.as_mut().poll(&mut cx).is_pending());
        }
    }
}
