//! Every order in which wakes can meet the poll of a pack.
//!
//! ```text
//! RUSTFLAGS="--cfg untethered_loom" cargo test --release --lib pack
//! ```

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{POLL_ALL, Pack};

struct Gate {
    open: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct Opened(Option<Arc<Gate>>);

impl Future for Opened {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(gate) = &self.0 else {
            return Poll::Pending;
        };
        *gate.waker.lock().unwrap() = Some(cx.waker().clone());
        match gate.open.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[test]
fn a_wake_beside_a_poll_is_not_lost() {
    let mut builder = loom::model::Builder::new();
    // Without a bound three threads take many minutes.
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let gates: Vec<_> = (0..2)
            .map(|_| {
                Arc::new(Gate {
                    open: AtomicBool::new(false),
                    waker: Mutex::new(None),
                })
            })
            .collect();
        // Far apart: they share no waker.
        let opened = (0..=POLL_ALL).map(|index| match index {
            0 => Opened(Some(gates[0].clone())),
            POLL_ALL => Opened(Some(gates[1].clone())),
            _ => Opened(None),
        });
        let mut pack = Pack::new(opened.collect::<Vec<_>>().into_iter());
        let openers: Vec<_> = gates
            .into_iter()
            .map(|gate| {
                thread::spawn(move || {
                    gate.open.store(true, Ordering::SeqCst);
                    let waker = gate.waker.lock().unwrap().take();
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                })
            })
            .collect();
        // A wake that is lost leaves this waiting, which is a deadlock.
        block_on(poll_fn(|cx| {
            pack.poll(cx, |_, ()| ControlFlow::Continue(()));
            match pack.len() == POLL_ALL - 1 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        for opener in openers {
            opener.join().unwrap();
        }
    });
}
