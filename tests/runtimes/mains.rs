//! The way from `main` into the runtime and out of it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use untethered::run::Run;
use untethered::signal::{ShutdownSignals, Signal};

use crate::hosts::Host;

// K1
pub(crate) fn a_future_that_borrows_runs_on_the_calling_thread<H: Host>(host: H) {
    let rt = host.runtime();
    let borrowed = Rc::new(String::from("on loan"));
    let here = thread::current().id();
    let main = || {
        rt.block_on(async {
            let task = rt.spawn(async { 1 });
            rt.sleep(Duration::from_millis(1)).await;
            assert_eq!(thread::current().id(), here);
            task.await.unwrap() + borrowed.len()
        })
    };
    if H::BLOCKS {
        assert_eq!(main(), 8);
        assert_eq!(main(), 8, "again");
    } else {
        let refused = catch_unwind(AssertUnwindSafe(main)).unwrap_err();
        let why = refused.downcast_ref::<String>().unwrap();
        assert!(why.contains("await the future there"), "{why}");
    }
}

pub(crate) fn what_a_block_on_runs_may_panic<H: Host>(host: H) {
    if !H::BLOCKS {
        return;
    }
    let rt = host.runtime();
    let panics = catch_unwind(AssertUnwindSafe(|| rt.block_on(async { panic!("main") })));
    assert_eq!(*panics.unwrap_err().downcast_ref::<&str>().unwrap(), "main");
    assert_eq!(rt.block_on(async { 7 }), 7);
}

// N3
pub(crate) fn a_main_is_asked_to_stop_and_its_tasks_are_waited_for<H: Host>(host: H) {
    let rt = host.runtime();
    let (source, signals) = ShutdownSignals::manual();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = SetOnDrop(dropped.clone());
    let main = Run::on(&rt).signals(signals).main_with(|cx| async move {
        cx.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let sleep = cx.runtime().sleep(Duration::from_millis(1));
        cx.spawn(async move {
            sleep.await;
            source.send(Signal::Terminate);
        });
        cx.token().cancelled().await;
        "value"
    });
    assert_eq!(host.block_on(main).unwrap(), "value");
    assert!(dropped.load(SeqCst), "its tasks are gone by then");
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
