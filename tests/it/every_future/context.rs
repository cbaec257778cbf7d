use untethered::context::{
    ContextGroup, ExitStack, HandOver, HandOverError, TaskLocal, context, with,
};

use super::{Parts, SECOND, row};

static LOCAL: TaskLocal<u32> = TaskLocal::new();

// C10
#[test]
fn every_future_of_context() {
    row("context::with", |p| async move {
        let end = with(
            p.fallible(1),
            async |n: &mut u32| p.fallible(*n).await,
            async |_| p.fallible(1).await.map(drop),
        );
        assert_eq!(end.await.unwrap(), 1);
    });
    row("context::context, context::HandOver::to", |p| async move {
        let manage = async |over: HandOver<_, u32>| {
            let mut resource = p.job(1).await;
            let output = over.to(&mut resource).await?;
            p.job(1).await;
            Ok::<u32, HandOverError<u32>>(output)
        };
        let body = async |n: &mut u32| p.fallible(*n).await;
        assert_eq!(context(manage, body).await.unwrap(), 1);
    });
    row("context::ContextGroup::run", |p| async move {
        let mut group = ContextGroup::new();
        for seconds in [1, 3] {
            let release = p.fallible(1);
            group.add(p.fallible(seconds), |_| async { release.await.map(drop) });
        }
        let exited = group.run(async |values: &mut [_]| values.len());
        assert_eq!(exited.await.output, 2);
    });
    row(
        "context::ExitStack::run, context::ExitStack::enter",
        |p| async move {
            let end = ExitStack::run(async |stack: &mut ExitStack<u32>| {
                let release = p.fallible(1);
                let release = |_| async { release.await.map(drop) };
                stack.enter(p.fallible(3), release).await
            });
            assert_eq!(end.await.unwrap(), 3);
        },
    );
    row("context::ExitStack::close", |p| async move {
        let mut stack = ExitStack::<u32>::new();
        for seconds in [1, 3] {
            let exit = p.fallible(seconds);
            stack.defer(async { exit.await.map(drop) });
        }
        stack.close().await.unwrap();
    });
    row("context::Scoped", |p: Parts| async move {
        let seen = LOCAL.scope(4, async {
            p.rt.sleep(SECOND).await;
            p.job(1).await;
            LOCAL.get()
        });
        assert_eq!(seen.await, Some(4));
        assert_eq!(LOCAL.get(), None);
    });
}
