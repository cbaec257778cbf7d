//! Closures that may block.

use std::future::pending;
use std::panic::panic_any;
use std::sync::mpsc::channel;

use untethered::CancellationToken;

use crate::hosts::Host;

pub(crate) fn its_value_reaches_the_handle<H: Host>(host: H) {
    let task = host.runtime().spawn_blocking(|| 6 * 7);
    assert_eq!(host.block_on(task).unwrap(), 42);
}

pub(crate) fn its_panic_reaches_the_handle<H: Host>(host: H) {
    let rt = host.runtime();
    let outcome: Result<(), _> = host.block_on(rt.spawn_blocking(|| panic_any(17_u8)));
    let payload = outcome.unwrap_err().into_panic().unwrap();
    assert_eq!(*payload.downcast::<u8>().unwrap(), 17);
    assert_eq!(host.block_on(rt.spawn_blocking(|| 1)).unwrap(), 1);
}

pub(crate) fn dropping_its_handle_lets_it_run<H: Host>(host: H) {
    let run = CancellationToken::new();
    let tell = run.clone();
    drop(host.runtime().spawn_blocking(move || tell.cancel("run")));
    host.block_on(run.cancelled());
}

pub(crate) fn its_panic_that_nobody_awaits_reaches_the_hook<H: Host>(host: H) {
    let told = CancellationToken::new();
    let tell = told.clone();
    let rt = host.runtime();
    let hooked = rt.on_unobserved(move |unobserved| tell.cancel(unobserved.to_string()));
    drop(hooked.spawn_blocking(|| panic!("boom")));
    host.block_on(told.cancelled());
    let reason = told.reason().unwrap();
    assert_eq!(
        reason.as_str(),
        "a task that nobody waits for panicked: boom"
    );
}

pub(crate) fn a_thousand_pieces_of_work<H: Host>(host: H) {
    let rt = host.runtime();
    let tasks: Vec<_> = (0..1000).map(|n| rt.spawn_blocking(move || n)).collect();
    for (expected, task) in tasks.into_iter().enumerate() {
        assert_eq!(host.block_on(task).unwrap(), expected);
    }
}

/// Blocks until tasks of the same runtime have run.
pub(crate) fn it_does_not_hold_up_tasks<H: Host>(host: H) {
    if !H::REAL {
        return;
    }
    let rt = host.runtime();
    let (go, wait) = channel();
    let works: Vec<_> = (0..10)
        .map(|_| {
            let (go, wait) = channel::<()>();
            (go, rt.spawn_blocking(move || wait.recv().unwrap()))
        })
        .collect();
    let work = rt.spawn_blocking(move || wait.recv().unwrap());
    let task = rt.spawn(async move {
        go.send("from a task").unwrap();
        for (go, work) in works {
            go.send(()).unwrap();
            work.await.unwrap();
        }
        pending::<()>().await;
    });
    assert_eq!(host.block_on(work).unwrap(), "from a task");
    drop(task);
}
