use std::future::IntoFuture;
use std::pin::pin;

use futures_lite::StreamExt;
use untethered::sim::yield_now;
use untethered::stream::{
    StreamConcurrently, batches, first, first_where, inflate, map_blocking, merge, merge_all,
    try_inflate, with_progress, zip,
};
use untethered::sync::RateLimit;
use untethered::{concurrent, try_concurrent};

use super::{SECOND, row};

// C2 C10 R1
#[test]
fn every_stream_dropped_at_any_poll_leaves_nothing() {
    row("stream::Concurrent, stream::Collect", |p| async move {
        let jobs = p.jobs([3, 1, 2]);
        assert_eq!(concurrent(jobs).limit(2).ordered().await.len(), 3);
    });
    row("stream::Concurrent, stream::Collect", |p| async move {
        try_concurrent(p.fallibles([3, 1, 2])).await.unwrap_err();
    });
    row(
        "stream::OnRuntime, stream::CollectOnRuntime",
        |p| async move {
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
        },
    );
    row("stream::Concurrent::for_each", |p| async move {
        let (jobs, p) = (p.jobs([3, 1, 2]), &p);
        let handler = |n| async move {
            p.job(n).await;
        };
        concurrent(jobs).for_each(handler).await;
    });
    row("stream::Mapped", |p| async move {
        let jobs = p.numbers().concurrently().limit(2).map(|n| p.job(n));
        assert_eq!(jobs.await.len(), 3);
    });
    row("stream::Mapped", |p| async move {
        let jobs = p.numbers().concurrently().try_map(|n| p.fallible(n));
        assert_eq!(jobs.await.unwrap_err().into_task(), 2);
    });
    row("stream::TryInflate, stream::TryInflated", |p| async move {
        let jobs = p.numbers().concurrently();
        jobs.try_inflate(|n| p.fallibles([*n, 1]))
            .await
            .unwrap_err();
    });
    row(
        "stream::Filtered, stream::Kept, stream::FilterMap",
        |p| async move {
            let even = |n: &u32| {
                let job = p.job(*n);
                async move { job.await % 2 == 0 }
            };
            let kept = p.numbers().concurrently().ordered().filter(even);
            assert_eq!(kept.count().await, 1);
        },
    );
    row("stream::FilterMap", |p| async move {
        let odd = |n| {
            let job = p.job(n);
            async move { Some(job.await).filter(|n| n % 2 == 1) }
        };
        let kept = p.numbers().concurrently().filter_map(odd);
        assert_eq!(kept.count().await, 2);
    });
    row("stream::Concurrently::for_each", |p| async move {
        let job = |n| {
            let job = p.job(n);
            async move {
                job.await;
            }
        };
        p.numbers().concurrently().for_each(job).await;
    });
    row("stream::Concurrently::try_for_each", |p| async move {
        let job = |n| {
            let job = p.fallible(n);
            async move { job.await.map(drop) }
        };
        let end = p.numbers().concurrently().try_for_each(job).await;
        assert_eq!(end.unwrap_err().into_task(), 2);
    });
    row("stream::Inflated", |p| async move {
        let inflated = inflate(1..4, |n| p.jobs([*n, 1])).limit(2).await;
        assert_eq!(inflated.len(), 3);
    });
    row("stream::TryInflated", |p| async move {
        let inflated = try_inflate(1..4, |n| p.fallibles([*n, 1])).await;
        inflated.unwrap_err();
    });
    row("task::BlockingTask", |p| async move {
        let held = p.drops.guard();
        let items = map_blocking(&p.rt, [1, 2, 3], move |n| {
            let _held = &held;
            n
        });
        assert_eq!(items.limit(1).await.len(), 3);
    });
    row("stream::Merge", |p| async move {
        assert_eq!(merge(p.numbers(), p.numbers()).count().await, 6);
    });
    row("stream::MergeAll", |p| async move {
        assert_eq!(merge_all([p.numbers(), p.numbers()]).count().await, 6);
    });
    row("stream::Zip", |p| async move {
        assert_eq!(zip(p.numbers(), p.numbers()).count().await, 3);
    });
    row("stream::Batches", |p| async move {
        let lists = batches(p.numbers(), 2).within(&p.rt, SECOND);
        assert!(lists.count().await >= 2);
    });
    row("sync::Throttle", |p| async move {
        let rate = RateLimit::new(1, 3 * SECOND);
        assert_eq!(rate.throttle(&p.rt, p.numbers()).count().await, 3);
    });
    row("stream::First", |p| async move {
        assert_eq!(first(pin!(p.numbers())).await, Some(1));
    });
    row("stream::first_where", |p| async move {
        let second = first_where(p.numbers(), async |n| p.job(*n).await == 2);
        assert_eq!(second.await, Some(2));
    });
    row("stream::WithProgress", |p| async move {
        let mut told = 0;
        let numbers = with_progress(p.numbers(), |_| told += 1);
        assert_eq!((numbers.count().await, told), (3, 3));
    });
    row("stream::Concurrent", |p| async move {
        assert_eq!(concurrent(p.jobs([3, 1, 2])).limit(2).count().await, 3);
    });
    row("stream::OnRuntime", |p| async move {
        let jobs = concurrent(p.jobs([3, 1, 2])).on(&p.rt);
        assert_eq!(jobs.limit(2).count().await, 3);
        yield_now().await;
    });
    row("stream::Inflate, stream::Inflated", |p| async move {
        let jobs = p.numbers().concurrently();
        let inflated = jobs.inflate(|n| p.jobs([*n, 1])).await;
        assert_eq!(inflated.len(), 3);
    });
    row("stream::MappedBlocking", |p| async move {
        let held = p.drops.guard();
        let items = p.numbers().concurrently();
        let items = items.map_blocking(&p.rt, move |n| {
            let _held = &held;
            n
        });
        assert_eq!(items.await.len(), 3);
    });
    row("stream::PollUntil", |p| async move {
        assert_eq!(p.numbers().count().await, 3);
    });
}
