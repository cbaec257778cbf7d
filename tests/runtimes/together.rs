//! All runtimes in one program.

use std::sync::Arc;
use std::time::Duration;

use untethered::runtime::{self, BoxFuture};
use untethered::{CancellationToken, Runtime};

use crate::contract::without_hanging;

/// Each starts a task on the next, sleeps by its clock, and awaits it.
fn in_turn(mut runtimes: Vec<Runtime>) -> BoxFuture<'static, usize> {
    Box::pin(async move {
        let Some(rt) = runtimes.pop() else { return 0 };
        let here = rt.clone();
        let task = rt.spawn(async move {
            let inner = in_turn(runtimes).await;
            let start = here.now();
            here.sleep(Duration::from_millis(1)).await;
            assert!(here.now() - start >= Duration::from_millis(1));
            inner + here.spawn_blocking(|| 1).await.unwrap()
        });
        task.await.unwrap()
    })
}

#[test]
fn each_is_what_it_was_asked_for() {
    without_hanging(|| {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let executor = Arc::new(smol::Executor::new());
        let all = vec![
            tokio.handle().clone().try_into().unwrap(),
            runtime::smol(),
            runtime::executor(&executor),
            runtime::async_std(),
            runtime::threads(1),
        ];
        let reversed = all.iter().rev().cloned().collect();
        let over = CancellationToken::new();
        let wait = over.clone();
        let runner = std::thread::spawn(move || {
            smol::block_on(executor.run(wait.cancelled()));
        });

        assert_eq!(tokio.block_on(in_turn(all.clone())), 5);
        assert_eq!(smol::block_on(in_turn(reversed)), 5);
        assert_eq!(async_std::task::block_on(in_turn(all.clone())), 5);
        assert_eq!(futures_lite::future::block_on(in_turn(all)), 5);
        over.cancel("done");
        runner.join().unwrap();
    });
}

/// Inside of one runtime's context, another is not mistaken for it.
#[test]
fn a_task_runs_where_it_was_spawned() {
    without_hanging(|| {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let rt = Runtime::try_from(tokio.handle().clone()).unwrap();
        let inside = || tokio::runtime::Handle::try_current().is_ok();
        for other in [runtime::smol(), runtime::async_std(), runtime::threads(1)] {
            tokio.block_on(async {
                assert!(!other.spawn(async move { inside() }).await.unwrap());
                assert!(rt.spawn(async move { inside() }).await.unwrap());
            });
        }
    });
}
