//! Races beside their peers.
//!
//! ```text
//! cargo run --release --bin combine -- [--rounds N] [WORDS..]
//! ```
//!
//! Runs the rows whose name has all the words, each an alternative where it has a bar:
//! `combine race 'late|woken' 16`.

use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::process::exit;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use futures::future::select_all;
use futures_buffered::FuturesUnorderedBounded;
use futures_concurrency::future::Race;
use untethered::combine::race;
use untethered_benches::{Counting, Row, Variant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut rounds = 31;
    let mut words = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--rounds" => match args.next().and_then(|text| text.parse().ok()) {
                Some(number) if number > 0 => rounds = number,
                _ => {
                    eprintln!("--rounds takes a number from 1 on");
                    exit(2)
                }
            },
            _ if arg.starts_with('-') => {
                eprintln!("usage: combine [--rounds N] [WORDS..]");
                exit(2)
            }
            _ => words.push(arg),
        }
    }
    let wanted = |name: &str| {
        let parts: Vec<_> = name.split(' ').collect();
        let has = |word: &String| word.split('|').any(|word| parts.contains(&word));
        words.iter().all(has)
    };
    let mut measured = 0;
    for len in [2, 16, 1000] {
        for workload in ["late", "ready", "woken", "all"] {
            let name = format!("race {workload} {len}");
            if wanted(&name) {
                measured += 1;
                race_row(name, workload, len).measure(rounds);
            }
        }
    }
    if measured == 0 {
        eprintln!("no such row: take words of race; late, ready, woken, all; 2, 16, 1000");
        exit(2);
    }
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

    fn futures(&self) -> Vec<Never> {
        let len = self.0.borrow().len();
        let future = |index| Never {
            board: self.clone(),
            index,
        };
        (0..len).map(future).collect()
    }

    fn wake(&self, index: usize) {
        if let Some(waker) = &self.0.borrow()[index] {
            waker.wake_by_ref();
        }
    }
}

/// A future, or a stream as a future of its next item.
fn race_row(name: String, workload: &'static str, len: usize) -> Row {
    type Make<T> = fn(Vec<T>) -> Pin<Box<dyn Future<Output = u32>>>;
    let ours = |futures: Vec<_>| Box::pin(async { race(futures).await.unwrap().1 }) as _;
    let ours_woken = |futures: Vec<_>| Box::pin(async { race(futures).await.unwrap().1 }) as _;
    // Futures of `async fn` have to be put in boxes for it.
    let selected = |futures: Vec<After>| {
        let boxed: Vec<_> = futures.into_iter().map(Box::pin).collect();
        Box::pin(async { select_all(boxed).await.0 }) as _
    };
    let selected_woken = |futures: Vec<Never>| {
        let boxed: Vec<_> = futures.into_iter().map(Box::pin).collect();
        Box::pin(async { select_all(boxed).await.0 }) as _
    };
    let unboxed = |futures: Vec<After>| Box::pin(async { select_all(futures).await.0 }) as _;
    let unboxed_woken = |futures: Vec<Never>| Box::pin(async { select_all(futures).await.0 }) as _;
    let raced = |futures: Vec<After>| Box::pin(async { futures.race().await }) as _;
    let raced_woken = |futures: Vec<Never>| Box::pin(async { futures.race().await }) as _;
    let buffered = |futures: Vec<After>| {
        let mut set: FuturesUnorderedBounded<_> = futures.into_iter().collect();
        Box::pin(async move { set.next().await.unwrap() }) as _
    };
    let buffered_woken = |futures: Vec<Never>| {
        let mut set: FuturesUnorderedBounded<_> = futures.into_iter().collect();
        Box::pin(async move { set.next().await.unwrap() }) as _
    };
    let makes: [(&'static str, Make<After>, Make<Never>); 5] = [
        ("untethered race(Vec)", ours, ours_woken),
        ("futures-concurrency race(Vec)", raced, raced_woken),
        ("futures select_all, boxed", selected, selected_woken),
        ("futures select_all, Unpin", unboxed, unboxed_woken),
        ("futures-buffered next", buffered, buffered_woken),
    ];
    let variants = makes.map(|(name, make, make_woken)| {
        Variant::new(name, move |items| match workload {
            "late" | "ready" => finish(make, workload == "late", len, items),
            _ => wake(make_woken, workload == "all", len, items),
        })
    });
    let items = match workload {
        "late" | "ready" => (800_000 / len).max(1000),
        _ if len == 1000 => 20_000,
        _ => 200_000,
    };
    Row {
        name,
        items,
        variants: variants.into(),
    }
}

/// Races that are made, run and over. One item is one race.
fn finish(
    make: fn(Vec<After>) -> Pin<Box<dyn Future<Output = u32>>>,
    late: bool,
    len: usize,
    items: usize,
) {
    for _ in 0..items {
        let futures = (0..len).map(|index| match late {
            // The last is done at the second poll.
            true if index == len - 1 => After(1),
            true => After(1000),
            false => After(0),
        });
        let mut race = make(futures.collect());
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = race.as_mut().poll(&mut cx) {
                black_box(output);
                break;
            }
        }
    }
}

/// One race whose futures are woken over and over. One item is one wake.
fn wake(
    make: fn(Vec<Never>) -> Pin<Box<dyn Future<Output = u32>>>,
    all: bool,
    len: usize,
    items: usize,
) {
    let board = Board::new(len);
    let mut race = pin!(make(board.futures()));
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
