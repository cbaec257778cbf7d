//! Everything of `combine` and `stream` that has a life of its own: dropped at every poll, and with
//! a child that panics.

use std::future::{Future, IntoFuture, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_lite::{Stream, StreamExt, stream};
use untethered::combine::{
    Until, WaitSet, as_completed, gather, hedge, quorum, race, race_ok, try_gather, wait,
};
use untethered::sim::{Order, Sim, drop_at_every_poll, yield_now};
use untethered::stream::{
    StreamConcurrently, batches, first, first_where, inflate, map_blocking, merge, merge_all,
    poll_until_none, try_inflate, with_progress, zip,
};
use untethered::sync::RateLimit;
use untethered::{CancellationToken, Runtime, concurrent, try_concurrent};

use crate::support::{Drops, OnDrop, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// What the operations under test are made of.
#[derive(Clone)]
struct Parts {
    rt: Runtime,
    drops: Drops,
}

impl Parts {
    /// A future that yields, sleeps and is done.
    fn job(&self, seconds: u32) -> impl Future<Output = u32> + use<> {
        let (held, rt) = (self.drops.guard(), self.rt.clone());
        async move {
            let _held = held;
            yield_now().await;
            rt.sleep(SECOND * seconds).await;
            seconds
        }
    }

    fn fallible(&self, seconds: u32) -> impl Future<Output = Result<u32, u32>> + use<> {
        let job = self.job(seconds);
        async move {
            match job.await {
                2 => Err(2),
                n => Ok(n),
            }
        }
    }

    fn jobs<const N: usize>(&self, seconds: [u32; N]) -> Vec<impl Future<Output = u32> + use<N>> {
        seconds
            .into_iter()
            .map(|seconds| self.job(seconds))
            .collect()
    }

    fn fallibles<const N: usize>(
        &self,
        seconds: [u32; N],
    ) -> Vec<impl Future<Output = Result<u32, u32>> + use<N>> {
        seconds
            .into_iter()
            .map(|seconds| self.fallible(seconds))
            .collect()
    }

    /// A stream of three numbers that holds a guard.
    fn numbers(&self) -> impl Stream<Item = u32> + use<> {
        let (held, parts) = (self.drops.guard(), self.clone());
        let mut next = 0;
        poll_until_none(move || {
            let _held = &held;
            next += 1;
            let (job, last) = (parts.job(1), next > 3);
            let number = next;
            async move {
                job.await;
                (!last).then_some(number)
            }
        })
    }
}

/// Drops what `make` makes at each of its polls, and once when it is done.
fn everything_goes<F: Future<Output = ()> + 'static>(name: &str, make: impl Fn(Parts) -> F) {
    for order in [Order::Fifo, Order::Lifo, Order::Seeded(7)] {
        let polls = drop_at_every_poll(order, |sim| {
            let parts = Parts {
                rt: sim.runtime(),
                drops: Drops::default(),
            };
            let drops = parts.drops.clone();
            let name = name.to_owned();
            (make(parts), move |sim: &Sim| {
                assert_eq!(drops.made(), drops.count(), "{name}: futures");
                assert_eq!(sim.live_timers(), 0, "{name}: timers");
            })
        });
        assert!(polls >= 2, "{name}: {polls} polls");
    }
}

// C2
#[test]
fn every_combinator_dropped_at_any_poll_drops_everybody() {
    let token = CancellationToken::new;
    everything_goes("race of a tuple", |p| async move {
        race((p.job(3), p.job(1), p.job(2))).await;
    });
    everything_goes("race of a tuple with a grace", move |p| async move {
        let entrants = (p.job(3), p.job(1));
        race(entrants).grace(&p.rt, SECOND, &token()).await;
    });
    everything_goes("race of an array", |p| async move {
        race([3, 1, 2].map(|n| p.job(n))).await;
    });
    everything_goes("race of a long array", |p| async move {
        race([3; 23].map(|n| p.job(n))).await;
    });
    everything_goes("race of two", |p| async move {
        race(p.jobs([3, 1])).await.unwrap();
    });
    everything_goes("race of three, from an iterator", |p| async move {
        race((1..4).map(|n| p.job(n))).await.unwrap();
    });
    everything_goes("race of many with a grace", move |p| async move {
        let race = race(p.jobs([2; 70])).grace(&p.rt, SECOND, &token());
        race.await.unwrap();
    });
    everything_goes("race_ok", |p| async move {
        race_ok(p.fallibles([4, 2, 3])).await.unwrap();
    });
    everything_goes("race_ok with a grace", move |p| async move {
        let race = race_ok(p.fallibles([4, 2, 3])).grace(&p.rt, SECOND / 2, &token());
        race.await.unwrap();
    });
    everything_goes("quorum", |p| async move {
        quorum(2, p.fallibles([4, 2, 3])).await.unwrap();
    });
    everything_goes("hedge with a grace", move |p| async move {
        let attempts = p.fallibles([9, 2, 3]).into_iter();
        let hedge = hedge(&p.rt, SECOND, attempts).limit(3);
        hedge.grace(&p.rt, SECOND, &token()).await.unwrap();
    });
    everything_goes("gather", |p| async move {
        gather(p.jobs([3, 1, 2])).limit(2).await;
    });
    everything_goes("try_gather", |p| async move {
        try_gather(p.fallibles([3, 1, 2])).await.unwrap_err();
    });
    everything_goes("try_gather with a deadline", |p| async move {
        let gather = try_gather(p.fallibles([3, 1, 4]));
        gather.timeout(&p.rt, 2 * SECOND).await.unwrap();
    });
    everything_goes("as_completed", |p| async move {
        let count = as_completed(p.jobs([3, 1, 2])).limit(2).count();
        assert_eq!(count.await, 3);
    });
    everything_goes("wait", |p| async move {
        let mut set = WaitSet::new(p.jobs([3, 1, 2]));
        wait(&mut set, Until::First).await.unwrap();
        let rest = wait(&mut set, Until::All).timeout(&p.rt, SECOND);
        assert_eq!(rest.await.unwrap().len(), 1);
    });
}

// C2 R1
#[test]
fn every_stream_dropped_at_any_poll_leaves_nothing() {
    everything_goes("concurrent", |p| async move {
        let jobs = p.jobs([3, 1, 2]);
        assert_eq!(concurrent(jobs).limit(2).ordered().await.len(), 3);
    });
    everything_goes("try_concurrent", |p| async move {
        try_concurrent(p.fallibles([3, 1, 2])).await.unwrap_err();
    });
    everything_goes("concurrent on a runtime", |p| async move {
        let rt = p.rt.clone();
        let jobs = (1..4).map(move |n| {
            let held = p.drops.guard();
            async move {
                yield_now().await;
                drop(held);
                n
            }
        });
        assert_eq!(concurrent(jobs).on(&rt).into_future().await.len(), 3);
        // Its tasks are dropped by the runtime, in its own time.
        yield_now().await;
    });
    everything_goes("for_each of concurrent", |p| async move {
        let (jobs, p) = (p.jobs([3, 1, 2]), &p);
        let handler = |n| async move {
            p.job(n).await;
        };
        concurrent(jobs).for_each(handler).await;
    });
    everything_goes("concurrently map", |p| async move {
        let jobs = p.numbers().concurrently().limit(2).map(|n| p.job(n));
        assert_eq!(jobs.await.len(), 3);
    });
    everything_goes("concurrently try_map", |p| async move {
        let jobs = p.numbers().concurrently().try_map(|n| p.fallible(n));
        assert_eq!(jobs.await.unwrap_err().into_task(), 2);
    });
    everything_goes("concurrently try_inflate", |p| async move {
        let jobs = p.numbers().concurrently();
        jobs.try_inflate(|n| p.fallibles([*n, 1]))
            .await
            .unwrap_err();
    });
    everything_goes("concurrently filter", |p| async move {
        let even = |n: &u32| {
            let job = p.job(*n);
            async move { job.await % 2 == 0 }
        };
        let kept = p.numbers().concurrently().ordered().filter(even);
        assert_eq!(kept.count().await, 1);
    });
    everything_goes("concurrently filter_map", |p| async move {
        let odd = |n| {
            let job = p.job(n);
            async move { Some(job.await).filter(|n| n % 2 == 1) }
        };
        let kept = p.numbers().concurrently().filter_map(odd);
        assert_eq!(kept.count().await, 2);
    });
    everything_goes("concurrently for_each", |p| async move {
        let job = |n| {
            let job = p.job(n);
            async move {
                job.await;
            }
        };
        p.numbers().concurrently().for_each(job).await;
    });
    everything_goes("concurrently try_for_each", |p| async move {
        let job = |n| {
            let job = p.fallible(n);
            async move { job.await.map(drop) }
        };
        let end = p.numbers().concurrently().try_for_each(job).await;
        assert_eq!(end.unwrap_err().into_task(), 2);
    });
    everything_goes("inflate", |p| async move {
        let inflated = inflate(1..4, |n| p.jobs([*n, 1])).limit(2).await;
        assert_eq!(inflated.len(), 3);
    });
    everything_goes("try_inflate", |p| async move {
        let inflated = try_inflate(1..4, |n| p.fallibles([*n, 1])).await;
        inflated.unwrap_err();
    });
    everything_goes("map_blocking", |p| async move {
        let held = p.drops.guard();
        let items = map_blocking(&p.rt, [1, 2, 3], move |n| {
            let _held = &held;
            n
        });
        assert_eq!(items.limit(1).await.len(), 3);
    });
    everything_goes("merge", |p| async move {
        assert_eq!(merge(p.numbers(), p.numbers()).count().await, 6);
    });
    everything_goes("merge_all", |p| async move {
        assert_eq!(merge_all([p.numbers(), p.numbers()]).count().await, 6);
    });
    everything_goes("zip", |p| async move {
        assert_eq!(zip(p.numbers(), p.numbers()).count().await, 3);
    });
    everything_goes("batches", |p| async move {
        let lists = batches(p.numbers(), 2).within(&p.rt, SECOND);
        assert!(lists.count().await >= 2);
    });
    everything_goes("throttle", |p| async move {
        let rate = RateLimit::new(1, 3 * SECOND);
        assert_eq!(rate.throttle(&p.rt, p.numbers()).count().await, 3);
    });
    everything_goes("first", |p| async move {
        assert_eq!(first(pin!(p.numbers())).await, Some(1));
    });
    everything_goes("first_where", |p| async move {
        let second = first_where(p.numbers(), async |n| p.job(*n).await == 2);
        assert_eq!(second.await, Some(2));
    });
    everything_goes("with_progress", |p| async move {
        let mut told = 0;
        let numbers = with_progress(p.numbers(), |_| told += 1);
        assert_eq!((numbers.count().await, told), (3, 3));
    });
}

/// A future that panics at its second poll.
async fn fails<T>(_held: OnDrop) -> T {
    yield_now().await;
    panic!("a child failed")
}

/// A future that is never done, and panics when it is dropped if it has to.
async fn waits<T>(_held: OnDrop) -> T {
    pending().await
}

/// Polls what `make` makes until it panics. Then all others have to be gone, though it is kept.
fn all_go_with_the_panic<F: Future>(name: &str, make: impl FnOnce(&Runtime, &Drops) -> F) {
    let (sim, drops) = (Sim::new(), Drops::default());
    let mut future = Box::pin(make(&sim.runtime(), &drops));
    let text = panic_text(|| {
        sim.block_on(future.as_mut());
    });
    assert_eq!(text, "a child failed", "{name}");
    assert!(drops.made() > 1, "{name}");
    assert_eq!(drops.made(), drops.count(), "{name}");
}

/// A child that fails among others that wait.
fn one_fails<T: 'static>(
    drops: &Drops,
    len: usize,
) -> Vec<Pin<Box<dyn Future<Output = T> + 'static>>> {
    let child = |index| -> Pin<Box<dyn Future<Output = T>>> {
        match index == len / 2 {
            true => Box::pin(fails(drops.guard())),
            false => Box::pin(waits(drops.guard())),
        }
    };
    (0..len).map(child).collect()
}

type Outcome = Result<(), ()>;

// C4
#[test]
fn a_panic_goes_on_once_all_others_are_gone() {
    for len in [2, 3, 20, 90] {
        all_go_with_the_panic("race", |_, d| race(one_fails::<()>(d, len)));
        all_go_with_the_panic("race_ok", |_, d| race_ok(one_fails::<Outcome>(d, len)));
        all_go_with_the_panic("quorum", |_, d| quorum(2, one_fails::<Outcome>(d, len)));
        all_go_with_the_panic("gather", |_, d| gather(one_fails::<()>(d, len)));
        all_go_with_the_panic("try_gather", |_, d| {
            try_gather(one_fails::<Outcome>(d, len))
        });
        all_go_with_the_panic("hedge", |rt, d| {
            hedge(rt, Duration::ZERO, one_fails::<Outcome>(d, len)).limit(len)
        });
        all_go_with_the_panic("as_completed", |_, d| {
            let mut stream = as_completed(one_fails::<()>(d, len)).limit((len - 1).max(2));
            async move { stream.next().await }
        });
        all_go_with_the_panic("concurrent", |_, d| {
            let mut stream = concurrent(one_fails::<()>(d, len)).limit((len - 1).max(2));
            async move { stream.next().await }
        });
        all_go_with_the_panic("merge_all", |_, d| {
            let streams = one_fails::<()>(d, len).into_iter().map(stream::once_future);
            let mut stream = merge_all(streams);
            async move { stream.next().await }
        });
    }
    all_go_with_the_panic("race of a tuple", |_, d| {
        race((
            waits::<()>(d.guard()),
            fails::<()>(d.guard()),
            waits::<()>(d.guard()),
        ))
    });
    all_go_with_the_panic("race of an array", |_, d| {
        race([0; 13].map(|_| one_fails::<()>(d, 1).remove(0)))
    });
    all_go_with_the_panic("merge", |_, d| {
        let [one, other] = [false, true].map(|fail| guarded(d, fail));
        let mut stream = merge(one, other);
        async move { stream.next().await }
    });
    all_go_with_the_panic("zip", |_, d| {
        let [one, other] = [false, true].map(|fail| guarded(d, fail));
        let mut stream = zip(one, other);
        async move { stream.next().await }
    });
}

/// A stream that waits or fails.
fn guarded(drops: &Drops, fail: bool) -> impl Stream<Item = ()> + Unpin + use<> {
    let child: Pin<Box<dyn Future<Output = ()>>> = match fail {
        true => Box::pin(fails(drops.guard())),
        false => Box::pin(waits(drops.guard())),
    };
    stream::once_future(child)
}

// C4
#[test]
fn a_panic_in_a_wait_drops_what_is_pending_and_keeps_what_is_done() {
    let drops = Drops::default();
    let mut cx = Context::from_waker(Waker::noop());
    for len in [4, 40] {
        let mut children = one_fails::<usize>(&drops, len);
        children[0] = Box::pin(ready(7));
        let mut set = WaitSet::new(children);
        let text = panic_text(|| {
            let mut waiting = pin!(wait(&mut set, Until::All));
            while waiting.as_mut().poll(&mut cx).is_pending() {}
        });
        assert_eq!(text, "a child failed");
        assert_eq!((set.len(), drops.made()), (0, drops.count()));
        let done = futures_lite::future::block_on(wait(&mut set, Until::All));
        assert_eq!(done.unwrap(), [(0, 7)]);
    }
}

// C4
#[test]
fn destructors_that_panic_keep_nobody_alive() {
    for len in [2, 10, 50] {
        let drops = Drops::default();
        let entrants: Vec<_> = (0..len)
            .map(|index| {
                let (held, bad) = (drops.guard(), index < len - 1);
                async move {
                    let _held = held;
                    let _bad = OnDrop::new(move || assert!(!bad, "a destructor failed"));
                    yield_now().await;
                    if bad {
                        pending::<()>().await;
                    }
                }
            })
            .collect();
        let mut race = Box::pin(race(entrants));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(race.as_mut().poll(&mut cx).is_pending());
        let text = panic_text(|| while race.as_mut().poll(&mut cx).is_pending() {});
        assert_eq!(text, "a destructor failed");
        assert_eq!((drops.made(), drops.count()), (len, len));
        // Nothing is left that could fail once more.
        assert!(catch_unwind(AssertUnwindSafe(|| drop(race))).is_ok());
    }
}

// F1
#[test]
fn a_search_that_finds_nothing_gives_way() {
    let mut search = pin!(first_where(stream::repeat(1), async |n| *n == 2));
    let mut cx = Context::from_waker(Waker::noop());
    // Without giving way this poll would not return.
    assert!(search.as_mut().poll(&mut cx).is_pending());
}

/// Wakes itself `times`, then is done.
async fn busy(times: usize, polls: &std::cell::Cell<usize>) -> Result<(), ()> {
    for _ in 0..times {
        polls.set(polls.get() + 1);
        yield_now().await;
    }
    polls.set(polls.get() + 1);
    Ok(())
}

/// As [`busy`], once a runtime that gives each poll of a task so many polls has some left.
async fn limited(left: &std::cell::Cell<usize>, polls: &std::cell::Cell<usize>) -> Result<(), ()> {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        match left.get().checked_sub(1) {
            Some(less) => {
                left.set(less);
                std::task::Poll::Ready(())
            }
            None => {
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }
    })
    .await;
    Ok(())
}

// F1
#[test]
fn a_spent_budget_of_the_host_costs_a_quorum_little() {
    const MANY: usize = 10_000;
    let (left, polls) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let mut votes = pin!(quorum(MANY, (0..MANY).map(|_| limited(&left, &polls))));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        left.set(128);
        if votes.as_mut().poll(&mut cx).is_ready() {
            break;
        }
    }
    // Going on to everybody each time would take 400,000.
    assert!(polls.get() < 2 * MANY, "{} polls", polls.get());
}

// F1
#[test]
fn in_a_big_wait_those_that_are_always_busy_hold_up_nobody() {
    let polls = std::cell::Cell::new(0);
    let times = |index| if index < 99 { 1000 } else { 3 };
    let mut set = WaitSet::new((0..100).map(|index| busy(times(index), &polls)));
    let done = futures_lite::future::block_on(wait(&mut set, Until::First)).unwrap();
    assert_eq!(done[0].0, 99);
    assert!(polls.get() < 1000, "{} polls", polls.get());
}

// T2
#[test]
fn at_its_deadline_a_wait_takes_all_that_is_ready() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        // The first ones keep the pass from its end.
        let job = |index: u32| {
            let rt = rt.clone();
            async move {
                if index < 20 {
                    loop {
                        yield_now().await;
                    }
                }
                rt.sleep(Duration::ZERO).await;
                index
            }
        };
        let mut set = WaitSet::new((0..200).map(job));
        let done = wait(&mut set, Until::All).timeout(&rt, Duration::ZERO);
        assert_eq!(done.await.unwrap().len(), 180);
        assert_eq!(set.len(), 20);
    });
}
