use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn, ready};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use futures_lite::{StreamExt, stream};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::stream::{
    Progress, StreamConcurrently, batch_size, batches, chunks, first, first_where, inflate,
    map_blocking, merge, merge_all, poll_until, poll_until_none, try_inflate, try_poll_until,
    with_progress, zip,
};
use untethered::sync::{Limit, RateLimit};
use untethered::time::{interval, timeout};

use crate::support::{Drops, Log, Wakes};

const SECOND: Duration = Duration::from_secs(1);

/// A stream that gives what is put in.
struct Feed<T>(Rc<RefCell<Fed<T>>>);

struct Fed<T> {
    items: VecDeque<T>,
    closed: bool,
    waker: Option<Waker>,
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Feed<T> {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(Fed {
            items: VecDeque::new(),
            closed: false,
            waker: None,
        })))
    }

    fn push(&self, item: T) {
        self.change(|fed| fed.items.push_back(item));
    }

    fn close(&self) {
        self.change(|fed| fed.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Fed<T>)) {
        let waker = {
            let fed = &mut *self.0.borrow_mut();
            change(fed);
            fed.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn left(&self) -> usize {
        self.0.borrow().items.len()
    }
}

impl<T> Stream for Feed<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let fed = &mut *self.0.borrow_mut();
        if let Some(item) = fed.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if fed.closed {
            return Poll::Ready(None);
        }
        fed.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Gives `len` numbers from `start`, each after `gap`.
fn spaced(
    rt: &untethered::Runtime,
    start: u32,
    len: u32,
    gap: Duration,
) -> impl Stream<Item = u32> + use<> {
    let rt = rt.clone();
    let mut next = start;
    poll_until_none(move || {
        let number = next;
        next += 1;
        let sleep = rt.sleep(gap);
        async move {
            if number >= start + len {
                return None;
            }
            sleep.await;
            Some(number)
        }
    })
}

#[test]
fn first_takes_nothing_behind_the_match() {
    let sim = Sim::new();
    sim.block_on(async {
        let feed = Feed::new();
        (1..=6).for_each(|n| feed.push(n));
        assert_eq!(first(feed.clone()).await, Some(1));
        assert_eq!(first_where(feed.clone(), async |n| *n == 4).await, Some(4));
        assert_eq!(feed.left(), 2);
        feed.close();
        let none = first_where(feed.clone(), async |n| {
            yield_now().await;
            *n > 100
        });
        assert_eq!(none.await, None);
        assert_eq!(first(feed).await.unwrap_or(7), 7);
    });
}

// C1
#[test]
fn a_dropped_first_loses_no_item() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let feed = Feed::new();
        assert!(timeout(&rt, SECOND, first(feed.clone())).await.is_err());
        feed.push(1);
        assert_eq!(
            timeout(&rt, Duration::ZERO, first(feed.clone()))
                .await
                .unwrap(),
            Some(1)
        );
    });
}

#[test]
fn items_of_a_stream_are_mapped_so_many_at_a_time() {
    explore_orders(20, |sim| {
        let rt = sim.runtime();
        let (running, most) = (Cell::new(0), Cell::new(0));
        let job = async |n: u32| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            rt.sleep(SECOND * (n % 3 + 1)).await;
            running.set(running.get() - 1);
            n * 2
        };
        let source = || spaced(&rt, 0, 10, SECOND / 10);
        let mut doubled = sim.block_on(async { source().concurrently().limit(3).map(&job).await });
        doubled.sort_unstable();
        let expected: Vec<_> = (0..10).map(|n| n * 2).collect();
        assert_eq!(doubled, expected);
        let ordered =
            sim.block_on(async { source().concurrently().limit(3).ordered().map(&job).await });
        assert_eq!(ordered, expected);
        assert_eq!(most.get(), 3);
        assert_eq!(sim.live_timers(), 0);
    });
}

#[test]
fn filters_keep_the_order_if_asked_to() {
    // Any number may be left out.
    let none = stream::iter(1..=3).concurrently().filter(|_| ready(false));
    assert_eq!(none.size_hint(), (0, Some(3)));
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let slow_even = |n: &u32| {
            let (sleep, even) = (rt.sleep(SECOND * (10 - *n)), n % 2 == 0);
            async move {
                sleep.await;
                even
            }
        };
        let kept: Vec<_> = stream::iter(0..6)
            .concurrently()
            .filter(slow_even)
            .collect()
            .await;
        assert_eq!(kept, [4, 2, 0]);
        let kept = stream::iter(0..6)
            .concurrently()
            .ordered()
            .filter(slow_even);
        assert_eq!(kept.collect::<Vec<_>>().await, [0, 2, 4]);
        let many = stream::iter(0..1000)
            .concurrently()
            .ordered()
            .filter_map(async |n| (n % 100 == 0).then_some(n));
        assert_eq!(many.count().await, 10);
    });
}

#[test]
fn for_each_works_inside_and_try_for_each_ends_at_the_first_error() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    sim.block_on(async {
        let sum = Cell::new(0);
        let start = rt.now();
        stream::iter(1..=8)
            .concurrently()
            .limit(4)
            .for_each(async |n| {
                rt.sleep(SECOND).await;
                sum.set(sum.get() + n);
            })
            .await;
        assert_eq!((sum.get(), rt.now() - start), (36, 2 * SECOND));
        let jobs = stream::iter(1..=8)
            .concurrently()
            .limit_nonzero(NonZeroUsize::MAX);
        let mut jobs = pin!(jobs.try_for_each(|n| {
            let (dropped, sleep) = (drops.guard(), rt.sleep(SECOND * n));
            async move {
                let _dropped = dropped;
                sleep.await;
                if n == 3 { Err("three") } else { Ok(()) }
            }
        }));
        assert_eq!(jobs.as_mut().await.unwrap_err().into_task(), "three");
        assert_eq!((drops.made(), drops.count()), (8, 8));
    });
}

#[test]
fn fallible_work_on_a_stream_ends_at_the_first_error() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    let work = |n: u32| {
        let (dropped, sleep) = (drops.guard(), rt.sleep(SECOND * n));
        async move {
            let _dropped = dropped;
            sleep.await;
            if n == 3 { Err("three") } else { Ok(n) }
        }
    };
    sim.block_on(async {
        let mut jobs = stream::iter(1..=8).concurrently().limit(4).try_map(work);
        assert_eq!(jobs.next().await, Some(Ok(1)));
        assert_eq!(jobs.next().await, Some(Ok(2)));
        assert_eq!(jobs.next().await.unwrap().unwrap_err().into_task(), "three");
        assert_eq!((drops.made(), drops.count()), (6, 6));
        assert_eq!(jobs.next().await, None);

        let pairs = |n: &u32| [work(*n), work(n + 1)];
        let good = stream::iter([4, 1]).concurrently().ordered();
        assert_eq!(
            good.try_inflate(pairs).await.unwrap(),
            [(4, vec![4, 5]), (1, vec![1, 2])]
        );
        let bad = stream::iter([5, 2, 9]).concurrently().limit(2);
        let mut bad = pin!(bad.try_inflate(pairs));
        assert_eq!(bad.next().await.unwrap().unwrap_err().into_task(), "three");
        assert_eq!(drops.count(), drops.made());
    });
}

#[test]
fn blocking_closures_are_bounded_and_come_as_they_are_done() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let taken = Cell::new(0);
        let items = (0..10).inspect(|_| taken.set(taken.get() + 1));
        let mut outputs = map_blocking(&rt, items, |n: u32| n * n).limit(2);
        assert_eq!(taken.get(), 0, "nothing starts before the first poll");
        assert!(outputs.next().await.unwrap().is_ok());
        assert!(taken.get() <= 3, "{}", taken.get());
        drop(outputs);
        assert!(taken.get() <= 3, "a dropped stream starts nothing more");

        let squares = map_blocking(&rt, 0..5, |n: u32| n * n).ordered().await;
        let squares: Vec<_> = squares.into_iter().map(Result::unwrap).collect();
        assert_eq!(squares, [0, 1, 4, 9, 16]);

        let sums = batches(stream::iter(1..=10), 4).concurrently().ordered();
        let sums = sums
            .map_blocking(&rt, |batch: Vec<u32>| batch.into_iter().sum::<u32>())
            .await;
        let sums: Vec<_> = sums.into_iter().map(Result::unwrap).collect();
        assert_eq!(sums, [10, 26, 19]);

        let outputs = map_blocking(&rt, 0..3, |n| assert_ne!(n, 1))
            .ordered()
            .await;
        let panics: Vec<_> = outputs.into_iter().map(|output| output.is_err()).collect();
        assert_eq!(panics, [false, true, false]);
    });
}

#[test]
fn an_object_comes_when_all_its_parts_are_done() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let part = |seconds: u32, fails: bool| {
        let rt = rt.clone();
        async move {
            rt.sleep(SECOND * seconds).await;
            if fails { Err(seconds) } else { Ok(seconds) }
        }
    };
    sim.block_on(async {
        let parts = |object: &&str| match *object {
            "a" => vec![part(5, false), part(1, true), part(2, true)],
            "b" => vec![part(3, false)],
            _ => vec![],
        };
        let inflated = inflate(["a", "b", "c"], parts).limit(9).await;
        let expected = [
            ("c", vec![]),
            ("b", vec![Ok(3)]),
            ("a", vec![Ok(5), Err(1), Err(2)]),
        ];
        assert_eq!(inflated, expected);

        let start = rt.now();
        let error = try_inflate(["b", "c", "a"], parts).await.unwrap_err();
        assert_eq!((error.into_task(), rt.now() - start), (1, SECOND));
        // An object that comes late holds up nobody.
        let objects = spaced(&rt, 0, 3, SECOND).map(|n| ["a", "b", "c"][n as usize]);
        let inflated = objects.concurrently().limit(9).inflate(parts).await;
        assert_eq!(inflated, expected);
        let fine = try_inflate(["b", "c"], parts).ordered().await.unwrap();
        assert_eq!(fine, [("b", vec![3]), ("c", vec![])]);

        // A shared limit bounds the parts of all objects together.
        let slots = Limit::new(2);
        let start = rt.now();
        let parts = |_: &u32| {
            (0..3).map(|_| async {
                let _slot = slots.acquire().await;
                rt.sleep(SECOND).await;
            })
        };
        assert_eq!(inflate(0..4, parts).await.len(), 4);
        assert_eq!(rt.now() - start, 6 * SECOND);
    });
}

#[test]
fn batches_by_number_by_time_and_by_both() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let full: Vec<_> = batches(stream::iter(0..7), 3).collect().await;
        assert_eq!(full, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        assert_eq!(batches(stream::empty::<u8>(), 3).next().await, None);

        // One each second; a list is full with 3, or over after a second and a half.
        let timed = batches(spaced(&rt, 0, 5, SECOND), 3).within(&rt, SECOND * 3 / 2);
        let timed: Vec<_> = timed.collect().await;
        assert_eq!(timed, [vec![0, 1], vec![2, 3], vec![4]]);
        let by_both = batches(spaced(&rt, 0, 9, SECOND / 2), 3).within(&rt, 10 * SECOND);
        let lengths: Vec<_> = by_both.map(|list| list.len()).collect().await;
        assert_eq!(lengths, [3, 3, 3]);
        // What is ready at the moment at which the time is over still goes in.
        let on_time = batches(interval(&rt, SECOND).take(4), 9).within(&rt, 2 * SECOND);
        let lengths: Vec<_> = on_time.map(|list| list.len()).collect().await;
        assert_eq!(lengths, [3, 1]);
        let at_once = batches(stream::iter(0..5), 9).within(&rt, Duration::ZERO);
        assert_eq!(at_once.collect::<Vec<_>>().await, [vec![0, 1, 2, 3, 4]]);
        let never = batches(spaced(&rt, 0, 2, SECOND), 9).within(&rt, Duration::MAX);
        assert_eq!(never.collect::<Vec<_>>().await, [vec![0, 1]]);
    });
    assert_eq!(sim.live_timers(), 0);
}

// C1
#[test]
fn a_dropped_wait_for_a_batch_keeps_its_items() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let feed = Feed::new();
        let mut lists = batches(feed.clone(), 3);
        for n in 0..2 {
            feed.push(n);
            assert!(timeout(&rt, SECOND, lists.next()).await.is_err());
        }
        feed.push(2);
        assert_eq!(lists.next().await, Some(vec![0, 1, 2]));
    });
}

// C1
#[test]
fn a_list_that_is_begun_can_be_taken_out() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let feed = Feed::new();
        let mut lists = batches(feed.clone(), 3).within(&rt, 4 * SECOND);
        assert!(Pin::new(&mut lists).take_begun().is_empty());
        for n in 0..2 {
            feed.push(n);
            assert!(timeout(&rt, SECOND, lists.next()).await.is_err());
        }
        assert_eq!(Pin::new(&mut lists).take_begun(), [0, 1]);
        // The next list is one of its own, and has its own time.
        feed.push(2);
        let begun = rt.now();
        assert_eq!(lists.next().await, Some(vec![2]));
        assert_eq!(rt.now() - begun, 4 * SECOND);
        feed.push(3);
        assert!(timeout(&rt, SECOND, lists.next()).await.is_err());
        let (stream, begun) = lists.into_parts();
        assert_eq!(begun, [3]);
        feed.push(4);
        assert_eq!(stream.unwrap().next().await, Some(4));
        let mut ended = batches(stream::iter([5]), 2);
        assert_eq!(ended.next().await, Some(vec![5]));
        assert!(ended.into_parts().0.is_none());
    });
}

// F1
#[test]
fn an_endless_stream_gives_way_to_the_clock_of_a_batch() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let (wakes, waker) = Wakes::new();
    let mut lists = pin!(batches(stream::repeat(1), usize::MAX).within(&rt, SECOND));
    assert!(
        lists
            .as_mut()
            .poll_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(wakes.count(), 1, "it wants to be polled again");
    sim.advance(SECOND);
    let list = lists.as_mut().poll_next(&mut Context::from_waker(&waker));
    let Poll::Ready(Some(list)) = list else {
        panic!("the time was over")
    };
    assert!(list.len() <= 1000);
}

#[test]
fn batch_sizes_follow_the_rule() {
    let size = |jobs, workers, min, max: usize| {
        batch_size(jobs, NonZeroUsize::new(workers).unwrap(), min..=max)
    };
    // The even share, rounded from the middle to the even number.
    assert_eq!(size(10, 4, 0, usize::MAX), 2);
    assert_eq!(size(14, 4, 0, usize::MAX), 4);
    assert_eq!(size(11, 4, 0, usize::MAX), 3);
    assert_eq!(size(9, 4, 0, usize::MAX), 2);
    assert_eq!(size(100, 4, 0, 10), 10);
    assert_eq!(size(100, 4, 40, 10), 40, "the lower bound wins");
    assert_eq!(size(0, 4, 0, 0), 1);
    assert_eq!(batch_size(usize::MAX, NonZeroUsize::MIN, ..), usize::MAX);
    assert_eq!(batch_size(100, NonZeroUsize::MIN, ..10), 9);
    assert!(chunks(0..5, 2).map(|chunk| chunk.len()).eq([2, 2, 1]));
    assert_eq!(chunks(0..5, 2).size_hint(), (3, Some(3)));
}

#[test]
#[should_panic(expected = "a batch of nought items")]
fn batches_of_nought_are_refused() {
    drop(batches(stream::empty::<u8>(), 0));
}

#[test]
fn a_polled_closure_ends_at_its_sentinel_and_stays_so() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let calls = Cell::new(0);
        let mut numbers = pin!(poll_until(
            || {
                calls.set(calls.get() + 1);
                let (n, sleep) = (calls.get(), rt.sleep(SECOND));
                async move {
                    sleep.await;
                    n
                }
            },
            3,
        ));
        assert_eq!(numbers.next().await, Some(1));
        // The call goes on in the stream when its wait is dropped.
        assert!(timeout(&rt, SECOND / 2, numbers.next()).await.is_err());
        assert_eq!(numbers.next().await, Some(2));
        assert_eq!(numbers.next().await, None);
        assert_eq!(numbers.next().await, None);
        assert_eq!(calls.get(), 3);

        let mut at_once = poll_until(|| ready(7), 7);
        assert_eq!(at_once.next().await, None);
        let mut values = vec![Ok(0), Err("b"), Ok(1)];
        let mut items = poll_until(|| ready(values.pop().unwrap()), Ok(0));
        assert_eq!(items.next().await, Some(Ok(1)));
        assert_eq!(items.next().await, Some(Err("b")));
        assert_eq!(items.next().await, None);
        let mut values = vec![Ok(1), Err("a"), Ok(2)];
        let mut items = try_poll_until(|| ready(values.pop().unwrap()), 0);
        assert_eq!(items.next().await, Some(Ok(2)));
        assert_eq!(items.next().await, Some(Err("a")));
        assert_eq!(items.next().await, None);
    });
    assert_eq!(sim.elapsed(), 3 * SECOND);
}

// F1
#[test]
fn merged_streams_take_turns_and_give_way() {
    let sim = Sim::new();
    sim.block_on(async {
        let merged = merge(
            stream::repeat('a'),
            merge(stream::repeat('b'), stream::repeat('c')),
        );
        let taken: Vec<_> = merged.take(400).collect().await;
        for letter in ['a', 'b', 'c'] {
            assert!(taken.iter().filter(|taken| **taken == letter).count() >= 90);
        }
        let merged = merge_all((0..5).map(stream::repeat));
        let taken: Vec<_> = merged.take(500).collect().await;
        for n in 0..5 {
            assert_eq!(taken.iter().filter(|taken| **taken == n).count(), 100);
        }
    });
    // One poll of a task does not go on for ever.
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut two = pin!(merge(stream::repeat(1), stream::repeat(2)));
    let in_a_row = (0..)
        .take_while(|_| two.as_mut().poll_next(&mut cx).is_ready())
        .count();
    assert_eq!((in_a_row, wakes.count()), (128, 1));
    let mut all = pin!(merge_all([stream::repeat(1), stream::repeat(2)]));
    let in_a_row = (0..)
        .take_while(|_| all.as_mut().poll_next(&mut cx).is_ready())
        .count();
    assert_eq!((in_a_row, wakes.count()), (128, 2));
}

// F1
#[test]
fn streams_that_always_have_an_item_give_way() {
    fn in_a_row(stream: impl Stream) -> (usize, usize) {
        let (wakes, waker) = Wakes::new();
        let mut cx = Context::from_waker(&waker);
        let mut stream = pin!(stream);
        let mut items = || {
            (0..1000)
                .take_while(|_| stream.as_mut().poll_next(&mut cx).is_ready())
                .count()
        };
        let first = items();
        assert_eq!(items(), first, "it goes on after that");
        (first, wakes.count())
    }
    let pairs = zip(stream::repeat(1), stream::repeat(2));
    assert_eq!(in_a_row(pairs), (128, 2));
    assert_eq!(in_a_row(poll_until(|| ready(1), 2)), (128, 2));
    assert_eq!(in_a_row(poll_until_none(|| ready(Some(1)))), (128, 2));
    assert_eq!(in_a_row(batches(stream::repeat(1), 2)), (64, 2));
}

#[test]
fn merged_streams_give_everything_in_any_order() {
    explore_orders(40, |sim| {
        let rt = sim.runtime();
        let streams = || (0..5).map(|n| spaced(&rt, n * 100, 10, SECOND * (n + 1) / 3));
        let mut expected: Vec<_> = (0..5).flat_map(|n| n * 100..n * 100 + 10).collect();
        let mut all: Vec<_> = sim.block_on(merge_all(streams()).collect());
        // Of one stream in order.
        for n in 0..5 {
            let of_one: Vec<_> = all.iter().copied().filter(|item| item / 100 == n).collect();
            assert!(of_one.is_sorted());
        }
        all.sort_unstable();
        assert_eq!(all, expected);
        let mut two = streams().take(2);
        let merged = merge(two.next().unwrap(), two.next().unwrap());
        let mut both: Vec<_> = sim.block_on(merged.collect());
        both.sort_unstable();
        expected.truncate(20);
        assert_eq!(both, expected);
        assert_eq!(sim.live_timers(), 0);
    });
}

#[test]
fn a_merged_stream_that_has_ended_is_dropped_and_the_other_goes_on() {
    let sim = Sim::new();
    let log = Log::default();
    sim.block_on(async {
        let dropped = log.on_drop("dropped");
        let short = stream::iter([1]).map(move |n| {
            let _held = &dropped;
            n
        });
        let feed = Feed::new();
        let mut merged = merge(short, feed.clone());
        assert_eq!(merged.next().await, Some(1));
        feed.push(2);
        feed.push(3);
        assert_eq!(merged.next().await, Some(2));
        assert_eq!(merged.next().await, Some(3));
        assert_eq!(log.take(), ["dropped"]);
        feed.close();
        assert_eq!(merged.next().await, None);
        assert_eq!(merged.next().await, None);
    });
}

// C1
#[test]
fn zip_waits_for_both_at_once_and_keeps_an_item_that_has_no_partner_yet() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let start = rt.now();
        let pairs = zip(spaced(&rt, 0, 3, SECOND), spaced(&rt, 10, 9, SECOND));
        let pairs: Vec<_> = pairs.collect().await;
        assert_eq!(pairs, [(0, 10), (1, 11), (2, 12)]);
        assert_eq!(
            rt.now() - start,
            3 * SECOND,
            "the two waits went on beside each other"
        );

        let (left, right) = (Feed::new(), Feed::new());
        let mut pairs = zip(left.clone(), right.clone());
        left.push('a');
        assert!(timeout(&rt, SECOND, pairs.next()).await.is_err());
        right.push(1);
        right.push(2);
        assert_eq!(pairs.next().await, Some(('a', 1)));
        left.close();
        assert_eq!(pairs.next().await, None);
        assert_eq!(right.left(), 1, "nothing was taken that has no partner");
        assert_eq!(pairs.next().await, None);
    });
}

#[test]
fn throttled_items_keep_the_rate_and_a_dropped_wait_uses_up_nothing() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = RateLimit::new(2, SECOND);
    sim.block_on(async {
        let feed = Feed::new();
        (0..5).for_each(|n| feed.push(n));
        let mut items = rate.throttle(&rt, feed.clone());
        assert_eq!(items.next().await, Some(0));
        assert_eq!(items.next().await, Some(1));
        assert!(timeout(&rt, SECOND / 2, items.next()).await.is_err());
        assert_eq!(items.next().await, Some(2));
        assert_eq!(rt.now() - sim.now() + sim.elapsed(), SECOND);
        feed.close();
        assert_eq!(items.collect::<Vec<_>>().await, [3, 4]);
    });
    assert_eq!(sim.elapsed(), 2 * SECOND);
}

#[test]
fn progress_is_told_after_each_item_and_goes_on_where_it_stopped() {
    let sim = Sim::new();
    sim.block_on(async {
        let told = RefCell::new(Vec::new());
        let mut items = with_progress(stream::iter(0..3), |progress| {
            told.borrow_mut().push(progress)
        });
        assert_eq!(items.next().await, Some(0));
        let (done, rest) = (items.done(), items.into_inner());
        let items = with_progress(rest, |progress| told.borrow_mut().push(progress));
        assert_eq!(items.resumed_at(done).count().await, 2);
        let expected = [1, 2, 3].map(|done| Progress {
            done,
            total: Some(3),
        });
        assert_eq!(told.take(), expected);

        let feed = Feed::new();
        feed.push(());
        let mut unknown = with_progress(feed, |progress| told.borrow_mut().push(progress));
        unknown.next().await;
        assert_eq!(told.take()[0].to_string(), "1");
    });
}

/// Drops a stream of everything at every poll.
// C2
#[test]
fn adaptors_dropped_at_any_poll_leave_nothing() {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(9)] {
        let polls = drop_at_every_poll(order, |sim| {
            let rt = sim.runtime();
            let drops = Drops::default();
            let counted = drops.clone();
            let future = async move {
                let rate = RateLimit::new(3, SECOND);
                let source = |start| {
                    let held = counted.guard();
                    spaced(&rt, start, 4, SECOND / 4).map(move |n| {
                        let _held = &held;
                        n
                    })
                };
                let merged = merge(source(0), merge_all([source(10), source(20)].map(Box::pin)));
                let zipped = zip(merged, source(30)).map(|(a, _)| a);
                let throttled = rate.throttle(&rt, zipped);
                let batched = batches(throttled, 2).within(&rt, SECOND);
                let jobs = batched.concurrently().limit(2).ordered().map(|list| {
                    let (held, sleep) = (counted.guard(), rt.sleep(SECOND));
                    async move {
                        sleep.await;
                        drop(held);
                        list.len()
                    }
                });
                let total: usize = jobs.await.into_iter().sum();
                assert_eq!(total, 4);
            };
            (future, move |sim: &Sim| {
                assert_eq!(drops.made(), drops.count());
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls > 5, "{polls}");
    }
}

#[test]
fn nothing_runs_while_nobody_polls() {
    let sim = Sim::new();
    let started = Rc::new(Cell::new(false));
    let seen = started.clone();
    let jobs = stream::iter([1]).concurrently().map(move |_| {
        seen.set(true);
        pending::<()>()
    });
    sim.run_until_idle();
    assert!(!started.get());
    let mut jobs = Box::pin(jobs.into_future());
    sim.block_on(poll_fn(|cx| {
        assert!(jobs.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    assert!(started.get());
}
