use futures_lite::StreamExt;
use futures_lite::future::zip;
use untethered::group::{BoxError, Group, Resource, Results, cancel_all, scope, task_group};
use untethered::sim::yield_now;

use super::{Parts, SECOND, row};

fn group(p: &Parts) -> Group {
    Group::builder(&p.rt).build()
}

// C10
#[test]
fn every_future_of_a_group() {
    row("group::Handle", |p| async move {
        let group = group(&p);
        assert_eq!(group.spawn(p.job(1)).await.unwrap(), 1);
    });
    row("group::Ended", |p| async move {
        let group = group(&p);
        let handle = group.spawn(p.job(1));
        handle.ended().await;
        assert!(handle.is_finished());
    });
    row("group::Closing", |p| async move {
        let group = group(&p);
        zip(group.closing(), p.later(|| group.close())).await;
    });
    row("group::Closed", |p| async move {
        let group = group(&p);
        group.spawn(p.job(1));
        group.close();
        group.closed().await.unwrap();
    });
    row("group::Shutdown", |p| async move {
        let group = group(&p);
        group.spawn(p.job(1));
        Resource::shutdown(&group, SECOND / 2).await;
        assert!(group.is_closed());
    });
    row("group::Group::shutdown", |p| async move {
        let group = group(&p);
        group.spawn(p.job(1));
        let report = group.shutdown(2 * SECOND).await;
        assert_eq!(report.cancelled, 1);
    });
    row("group::Group::join", |p| async move {
        let group = group(&p);
        group.spawn(p.job(1));
        group.join().await.unwrap();
    });
    row("group::Group::spawn_when_free", |p| async move {
        let group = Group::builder(&p.rt).limit(1).build();
        group.spawn(p.job(1));
        let second = group.spawn_when_free(p.job(3)).await.unwrap();
        assert_eq!(second.await.unwrap(), 3);
    });
    row("group::GroupRef::spawn_when_free", |p| async move {
        let group = Group::builder(&p.rt).limit(1).build();
        group.spawn(p.job(1));
        let second = group.reference().spawn_when_free(p.job(3)).await.unwrap();
        assert_eq!(second.await.unwrap(), 3);
    });
    row("group::TaskBuilder::when_free", |p| async move {
        let group = Group::builder(&p.rt).limit(1).build();
        group.spawn(p.job(1));
        let second = group.task("second").when_free().await.unwrap();
        assert_eq!(second.spawn(p.job(3)).await.unwrap(), 3);
    });
    row("group::Resource::using", |p| async move {
        let output = group(&p).using(async |group: &Group| {
            group.spawn(p.job(3));
            p.job(1).await
        });
        assert_eq!(output.await, 1);
    });
    row("group::Results, group::Results::next", |p| async move {
        let group = group(&p);
        let mut results: Results<u32, u32> = group.results(2);
        for seconds in [1, 3, 4] {
            results.spawn(seconds, p.job(seconds));
        }
        let (key, result) = results.next().await.unwrap();
        assert_eq!((key, result.unwrap()), (1, 1));
        assert_eq!(results.count().await, 2);
    });
    row("group::Quit", |p| async move {
        let group = group(&p);
        let held = p.drops.guard();
        let handle = group.task("quits").spawn_with(|cx| async move {
            let _held = held;
            yield_now().await;
            cx.cancel("enough").await;
        });
        let error = handle.await.unwrap_err();
        assert_eq!(error.reason().unwrap().as_str(), "enough");
    });
    row("group::Shield", |p| async move {
        let group = group(&p);
        let held = p.drops.guard();
        let handle = group.task("shielded").spawn_with(|cx| async move {
            let shield = cx.shield(async {
                let _held = held;
                yield_now().await;
                yield_now().await;
            });
            shield.await;
        });
        handle.await.unwrap();
    });
    row("group::cancel_all", |p| async move {
        let group = group(&p);
        let handles = [1, 3].map(|seconds| group.spawn(p.job(seconds)));
        yield_now().await;
        assert_eq!(cancel_all(handles, "enough").await.len(), 2);
    });
    row("group::task_group", |p| async move {
        let parent = group(&p);
        let sum = task_group(&parent, |group| async move {
            group.spawn(p.job(3));
            Ok(group.spawn(p.job(1)).await?)
        });
        assert_eq!(sum.await.unwrap(), 1);
    });
    row("group::Builder::run", |p| async move {
        let rt = p.rt.clone();
        let sum = Group::builder(&rt).run(|group| async move {
            group.spawn(p.job(3));
            Ok(group.spawn(p.job(1)).await?)
        });
        assert_eq!(sum.await.unwrap(), 1);
    });
}

// C10
#[test]
fn every_future_of_a_scope() {
    row("group::ScopeRun, group::ScopeHandle", |p| async move {
        let sum = scope(|s| async move {
            s.spawn(p.job(3));
            let one = s.spawn(p.job(1));
            Ok::<_, BoxError>(one.await?)
        });
        assert_eq!(sum.await.unwrap(), 1);
    });
}
