//! How tasks of a scope begin, and what their ends leave.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

use untethered::group::{Local, Scope, scope, scope_local};
use untethered::sim::Sim;
use untethered::sync::Event;

use super::{Log, PanicsOnDrop};
use crate::polled::Polled;
use crate::support::panic_text;

#[test]
fn tasks_begin_in_the_order_in_which_they_were_started() {
    let log = Log::default();
    let seen = &log;
    let run = scope_local(|s: Scope<'_, _, Local>| async move {
        for name in ["a", "b", "c"] {
            let inner = s.clone();
            s.spawn(async move {
                seen.add(name);
                inner.spawn(async move { seen.add(format!("by {name}")) });
            });
        }
        Ok(())
    });
    Sim::new().block_on(run).unwrap();
    assert_eq!(log.take(), ["a", "b", "c", "by a", "by b", "by c"]);
}

#[test]
fn all_begin_though_none_of_them_is_woken() {
    const MANY: usize = 200;
    let begun = Cell::new(0);
    let all = Event::new();
    let (begun, all) = (&begun, &all);
    let run = scope_local(|s| async move {
        for _ in 0..MANY {
            s.spawn(async move {
                begun.set(begun.get() + 1);
                if begun.get() == MANY {
                    all.set();
                }
                all.wait().await;
            });
        }
        Ok(())
    });
    Sim::new().block_on(run).unwrap();
    assert_eq!(begun.get(), MANY);
}

#[test]
fn a_result_that_panics_when_its_handle_is_dropped_ends_the_scope_with_that() {
    let (sender, way_in) = mpsc::channel();
    let mut run = Polled::waiting(scope(move |s: Scope<'_>| {
        sender.send(s).unwrap();
        pending::<Result<(), _>>()
    }));
    let s = way_in.recv().unwrap();
    let handle = s.spawn(async { PanicsOnDrop("of a result") });
    assert!(run.poll().is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_ok());
    s.cancel("over");
    assert_eq!(panic_text(|| run.poll()), "of a result");
}

/// Is done at once, or panics, and panics again when it is dropped.
struct Bad {
    panics: bool,
}

impl Future for Bad {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.panics, "first");
        Poll::Ready(())
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        panic!("second");
    }
}

#[test]
fn of_two_panics_of_a_task_the_first_is_told_and_none_is_lost() {
    for (panics, told) in [(true, "first"), (false, "second")] {
        let run = scope(|s: Scope<'_>| async move {
            let error = s.spawn(Bad { panics }).await.unwrap_err();
            Ok(error.to_string())
        });
        let text = Sim::new().block_on(run).unwrap();
        assert!(text.contains(told), "{text}");
    }
}
