//! What streams say of themselves before they say it: how much is left, and that nothing is.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::stream::FusedStream;
use futures_lite::{Stream, StreamExt, stream};
use untethered::combine::as_completed;
use untethered::group::Group;
use untethered::sim::{Sim, yield_now};
use untethered::stream::{
    StreamConcurrently, batches, from_stream, inflate, map_blocking, merge, merge_all,
    poll_until_none, try_from_iter, try_from_stream, try_inflate, with_progress, zip,
};
use untethered::sync::RateLimit;
use untethered::time::interval;
use untethered::{Queue, concurrent, try_concurrent};

const SECOND: Duration = Duration::from_secs(1);

type Hint = (usize, Option<usize>);

/// So many numbers, before each of which it waits. It says how many it has.
struct Numbers {
    numbers: Range<u32>,
    waited: bool,
}

fn numbers(n: u32) -> Numbers {
    Numbers {
        numbers: 0..n,
        waited: false,
    }
}

impl Stream for Numbers {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        self.waited = !self.waited;
        if self.waited {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.numbers.next())
    }

    fn size_hint(&self) -> Hint {
        self.numbers.size_hint()
    }
}

async fn job(number: u32) -> u32 {
    for _ in 0..number % 3 {
        yield_now().await;
    }
    number
}

/// Polls `stream` to its end. All the way what it says is left holds what comes, which is `total`.
async fn tell<S: Stream>(stream: Pin<&mut S>, first: Hint, total: usize) {
    let mut stream = stream;
    assert_eq!(stream.size_hint(), first);
    let mut left = total;
    let holds = |hint: Hint, left: usize| {
        assert!(hint.0 <= left, "{hint:?}, and {left} came");
        assert!(
            hint.1.is_none_or(|most| left <= most),
            "{hint:?}, and {left} came"
        );
    };
    loop {
        holds(stream.size_hint(), left);
        let item = poll_fn(|cx| {
            let item = stream.as_mut().poll_next(cx);
            if item.is_pending() {
                holds(stream.size_hint(), left);
            }
            item
        });
        if item.await.is_none() {
            break;
        }
        left -= 1;
    }
    assert_eq!(left, 0);
}

async fn hints(stream: impl Stream, first: Hint, total: usize) {
    tell(pin!(stream), first, total).await;
}

/// As [`hints`]. It also says when it is over, not before, and stays so.
async fn fused(stream: impl FusedStream, first: Hint, total: usize) {
    let mut stream = pin!(stream);
    assert!(!stream.is_terminated());
    tell(stream.as_mut(), first, total).await;
    assert!(stream.is_terminated());
    assert!(stream.next().await.is_none());
    assert!(stream.is_terminated());
}

// R7
#[test]
fn adaptors_say_how_much_is_left() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        hints(batches(numbers(5), 2), (3, Some(3)), 3).await;
        hints(batches(numbers(5), 2).within(&rt, SECOND), (3, Some(5)), 3).await;
        hints(with_progress(numbers(3), drop), (3, Some(3)), 3).await;
        let rate = RateLimit::new(2, SECOND);
        hints(rate.throttle(&rt, numbers(5)), (5, Some(5)), 5).await;
        for (a, b, pairs) in [(2, 5, 2), (5, 2, 2), (0, 3, 0), (3, 3, 3)] {
            let count = pairs as usize;
            fused(zip(numbers(a), numbers(b)), (count, Some(count)), count).await;
            let count = (a + b) as usize;
            fused(merge(numbers(a), numbers(b)), (count, Some(count)), count).await;
            fused(merge_all([numbers(a), numbers(b)]), (0, None), count).await;
        }
        // An endless one beside one that ends.
        let endless = || stream::repeat(7);
        fused(zip(endless(), numbers(2)), (2, Some(2)), 2).await;
        fused(zip(numbers(2), endless()), (2, Some(2)), 2).await;
        assert_eq!(merge(endless(), numbers(2)).size_hint(), (usize::MAX, None));
        assert_eq!(interval(&rt, SECOND).size_hint(), (usize::MAX, None));
        let mut left = 3;
        let polled = poll_until_none(|| {
            let item = (left > 0).then_some(left);
            left -= 1;
            async move { item }
        });
        fused(polled, (0, None), 3).await;
    });
}

// R7
#[test]
fn runs_say_how_much_is_left() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let jobs = || (0..5).map(job);
    let all = (5, Some(5));
    sim.block_on(async {
        for limit in [1, 2, 7] {
            fused(concurrent(jobs()).limit(limit), all, 5).await;
            fused(concurrent(jobs()).limit(limit).ordered(), all, 5).await;
            fused(concurrent(jobs()).limit(limit).on(&rt), all, 5).await;
            fused(concurrent(jobs()).limit(limit).ordered().on(&rt), all, 5).await;
            fused(as_completed(jobs()).limit(limit), all, 5).await;
            let streamed = || from_stream(numbers(5).map(job));
            fused(concurrent(streamed()).limit(limit), all, 5).await;
            let items = || numbers(5).concurrently().limit(limit);
            let even = |number: &u32| std::future::ready(number % 2 == 0);
            fused(items().filter(even), (0, Some(5)), 3).await;
            let odd = async |number| Some(number).filter(|number| number % 2 == 1);
            fused(items().filter_map(odd), (0, Some(5)), 2).await;
            let inflated = inflate(0..5, |n| [job(*n), job(1)]);
            fused(inflated.limit(limit), all, 5).await;
            fused(map_blocking(&rt, 0..5, |n| n).limit(limit), all, 5).await;
        }
    });
}

// R7
#[test]
fn runs_that_fail_say_how_much_is_left() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let tried = async |number| match job(number).await {
        3 => Err("three"),
        number => Ok(number),
    };
    sim.block_on(async {
        // What fails is the last that comes: there is one at least.
        let most = (1, Some(5));
        let jobs = || (0..5).map(tried);
        fused(try_concurrent(jobs()).limit(1), most, 4).await;
        fused(try_concurrent(jobs()).limit(1).on(&rt), most, 4).await;
        let nothing = || (0..0).map(tried);
        fused(try_concurrent(nothing()), (0, Some(0)), 0).await;
        let parts = |n: &u32| [tried(*n), tried(1)];
        fused(try_inflate(0..5, parts).limit(1), most, 4).await;
        // Of a source that fails too.
        let begun = |number| (number != 3).then_some(async move { Ok::<_, &str>(number) });
        let begun = |number| begun(number).ok_or("no fourth");
        let sources = || (0..5).map(begun);
        fused(try_concurrent(try_from_iter(sources())).limit(1), most, 4).await;
        let streamed = try_from_stream(numbers(5).map(begun));
        fused(try_concurrent(streamed).limit(1), most, 4).await;
    });
}

// R7
#[test]
fn what_holds_results_says_how_many() {
    let sim = Sim::new();
    let group: Group = Group::builder(&sim.runtime()).build();
    let mut results = group.results(2);
    for number in 0..5 {
        results.spawn(number, job(number));
    }
    sim.block_on(hints(results, (5, Some(5)), 5));
    let queue = Queue::bounded(5);
    (0..5).for_each(|number| queue.try_push(number).unwrap());
    queue.close();
    let stream = queue.stream();
    let first = stream.size_hint();
    sim.block_on(hints(stream, first, 5));
}
