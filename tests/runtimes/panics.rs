//! Where panics go, and that the runtime survives them.

use std::any::Any;
use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use untethered::runtime::Unobserved;
use untethered::{CancellationToken, Runtime, Task};

use crate::hosts::Host;

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(self.0);
    }
}

/// A hook that keeps what it got, and a token that is cancelled when it got it.
fn listen(rt: Runtime) -> (Runtime, CancellationToken, Arc<Mutex<Vec<Unobserved>>>) {
    let (told, heard) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
    let (tell, keep) = (told.clone(), heard.clone());
    let rt = rt.on_unobserved(move |unobserved| {
        keep.lock().unwrap().push(unobserved);
        tell.cancel("told");
    });
    (rt, told, heard)
}

async fn panics<M: Send + 'static>(payload: M) {
    panic_any(payload);
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().unwrap()
}

fn panic_of<H: Host, T: std::fmt::Debug>(host: &H, task: Task<T>) -> Box<dyn Any + Send> {
    host.block_on(task).unwrap_err().into_panic().unwrap()
}

fn goes_on<H: Host>(host: &H, rt: &Runtime) {
    // As many as could hide a worker that has died.
    for n in 0..8 {
        assert_eq!(host.block_on(rt.spawn(async move { n })).unwrap(), n);
    }
}

pub(crate) fn a_panic_reaches_the_handle<H: Host>(host: H) {
    let rt = host.runtime();
    for _ in 0..8 {
        let error = host.block_on(rt.spawn(panics("boom")));
        let error = error.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.to_string(), "task panicked: boom");
        assert_eq!(text(&*error.into_panic().unwrap()), "boom");
    }
    let payload = panic_of(&host, rt.spawn(panics(17_u8)));
    assert_eq!(*payload.downcast::<u8>().unwrap(), 17);
    goes_on(&host, &rt);
}

pub(crate) fn a_destructor_that_panics_reaches_the_handle<H: Host>(host: H) {
    let rt = host.runtime();
    let bomb = Bomb("at the end");
    let ended = rt.spawn(async move {
        let _bomb = bomb;
        1
    });
    assert_eq!(text(&*panic_of(&host, ended)), "at the end");

    // It panics where the abort drops it, polled or not.
    let bomb = Bomb("at the abort");
    let aborted = rt.spawn(async move {
        let _bomb = bomb;
        pending::<()>().await;
    });
    aborted.abort();
    assert_eq!(text(&*panic_of(&host, aborted)), "at the abort");
    goes_on(&host, &rt);
}

pub(crate) fn the_first_of_two_panics_counts<H: Host>(host: H) {
    struct Twice(#[expect(dead_code, reason = "its drop is what panics")] Bomb);

    impl Future for Twice {
        type Output = ();

        fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic_any("first")
        }
    }

    let rt = host.runtime();
    let task = rt.spawn(Twice(Bomb("second")));
    assert_eq!(text(&*panic_of(&host, task)), "first");
    goes_on(&host, &rt);
}

pub(crate) fn a_panic_that_nobody_awaits_reaches_the_hook<H: Host>(host: H) {
    let (rt, told, heard) = listen(host.runtime());
    rt.spawn(panics("detached")).detach();
    host.block_on(told.cancelled());
    let unobserved = heard.lock().unwrap().pop().unwrap();
    assert_eq!(
        unobserved.to_string(),
        "a task that nobody waits for panicked: detached"
    );
    assert_eq!(text(&*unobserved.into_panic().unwrap()), "detached");

    // The handle goes after the panic.
    let (rt, told, heard) = listen(host.runtime());
    let task = rt.spawn(panics("dropped"));
    host.block_on(async {
        while !task.is_finished() {
            futures_lite::future::yield_now().await;
        }
    });
    assert!(!told.is_cancelled());
    drop(task);
    assert!(told.is_cancelled());
    let unobserved = heard.lock().unwrap().pop().unwrap();
    assert_eq!(text(&*unobserved.into_panic().unwrap()), "dropped");
    goes_on(&host, &rt);
}

pub(crate) fn a_panicking_output_that_nobody_takes_reaches_the_hook<H: Host>(host: H) {
    let (rt, told, heard) = listen(host.runtime());
    rt.spawn(async { Bomb("output") }).detach();
    host.block_on(told.cancelled());
    let unobserved = heard.lock().unwrap().pop().unwrap();
    assert_eq!(text(&*unobserved.into_panic().unwrap()), "output");
    goes_on(&host, &rt);
}

pub(crate) fn a_hook_belongs_to_its_handle<H: Host>(host: H) {
    let (one, told_one, heard_one) = listen(host.runtime());
    let (two, told_two, heard_two) = listen(one.clone());
    one.spawn(panics("one")).detach();
    let clone = two.clone();
    clone.spawn(panics("two")).detach();
    host.block_on(told_one.cancelled());
    host.block_on(told_two.cancelled());
    for (heard, expected) in [(heard_one, "one"), (heard_two, "two")] {
        let mut heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1);
        assert_eq!(text(&*heard.remove(0).into_panic().unwrap()), expected);
    }
}

pub(crate) fn a_hook_may_panic<H: Host>(host: H) {
    let told = CancellationToken::new();
    let tell = told.clone();
    let rt = host.runtime().on_unobserved(move |_| {
        tell.cancel("told");
        panic_any(Bomb("of a payload of the hook"));
    });
    rt.spawn(panics("of the task")).detach();
    host.block_on(told.cancelled());
    goes_on(&host, &rt);

    // Where the handle is dropped, the hook runs in that call: it must not unwind either.
    let task = rt.spawn(panics("of the task"));
    host.block_on(async {
        while !task.is_finished() {
            futures_lite::future::yield_now().await;
        }
    });
    drop(task);
    goes_on(&host, &rt);
}

pub(crate) fn a_payload_may_panic_when_dropped<H: Host>(host: H) {
    struct Both;

    impl Drop for Both {
        fn drop(&mut self) {
            panic_any("output");
        }
    }

    let (rt, told, _heard) = listen(host.runtime());
    let task = rt.spawn(panics(Bomb("payload")));
    let payload = panic_of(&host, task);
    // It is the awaiter's now.
    std::mem::forget(payload);

    rt.spawn(async {
        let _second = Both;
        Both
    })
    .detach();
    host.block_on(told.cancelled());
    goes_on(&host, &rt);
}

pub(crate) fn a_waker_may_panic<H: Host>(host: H) {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic_any("waker");
        }
    }

    let rt = host.runtime();
    let gate = CancellationToken::new();
    let wait = gate.clone();
    let mut task = pin!(rt.spawn(async move { wait.cancelled().await }));
    let waker = Waker::from(Arc::new(Panics));
    let mut cx = Context::from_waker(&waker);
    assert!(task.as_mut().poll(&mut cx).is_pending());
    gate.cancel("go on");
    host.block_on(async {
        while !task.is_finished() {
            futures_lite::future::yield_now().await;
        }
    });
    host.block_on(task).unwrap();
    goes_on(&host, &rt);
}
