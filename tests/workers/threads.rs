use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, Once};
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use untethered::group::BoxError;
use untethered::sync::Event;
use untethered::time::Backoff;
use untethered::workers::{
    Exit, Notice, OnDeath, Phase, Respawn, StopReason, Threads, Workers, worker_index,
};

use crate::support::DeadMan;

const LONG: Duration = Duration::from_secs(3600);

fn quiet(n: usize) -> Workers<Threads> {
    Workers::threads(n).on_notice(|_| {}).stop_within(LONG)
}

// W3
#[test]
fn threads_are_told_why_and_report() {
    let _dead_man = DeadMan::new();
    let workers = quiet(3);
    let control = workers.control();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let log = seen.clone();
    let report = workers.run(move |worker| {
        let (control, log) = (control.clone(), log.clone());
        async move {
            worker.ready();
            assert_eq!(worker_index(), Some(worker.index()));
            // One alone: a reason that comes with another's would hide behind it.
            let asks = worker.index() == 0;
            if asks {
                control.stop(format!("asked by {}", 7));
                control.stop("too late");
            }
            let reason = worker.stopped().await;
            if asks {
                control.stop("much too late");
            }
            let name = std::thread::current().name().map(str::to_owned);
            log.lock().unwrap().insert(worker.index(), (name, reason));
        }
    });
    let report = report.unwrap();
    let reason = StopReason::Asked("asked by 7".into());
    assert_eq!(report.reason, reason);
    assert!(report.is_clean() && report.code() == 0);
    for (index, end) in report.ends.iter().enumerate() {
        assert_eq!((end.index, end.pid, end.exit), (index, None, Exit::Code(0)));
        assert_eq!(end.reason.as_ref(), Some(&reason));
        let name = Some(format!("worker-{index}"));
        assert_eq!(seen.lock().unwrap()[&index], (name, reason.clone()));
    }
}

// W5
#[test]
fn failures_and_panics_stop_all_and_have_a_phase() {
    let _dead_man = DeadMan::new();
    for (phase, panics) in [
        (Phase::Start, false),
        (Phase::Serve, false),
        (Phase::Serve, true),
    ] {
        let report = quiet(2).run(move |worker| async move {
            if phase == Phase::Serve {
                worker.ready();
            }
            if worker.index() == 0 {
                assert!(!panics, "on purpose");
                return Err(BoxError::from("no"));
            }
            worker.stopped().await;
            Ok(())
        });
        let report = report.unwrap();
        assert_eq!(report.reason, StopReason::WorkerDied);
        let failure = report.ends[0].failure.clone().unwrap();
        let (message, code) = match panics {
            true => ("panicked: on purpose", 101),
            false => ("no", 1),
        };
        assert_eq!((failure.phase, failure.message.as_str()), (phase, message));
        assert_eq!(report.code(), code);
        assert!(report.ends[1].is_clean());
    }
}

// W4
#[test]
fn a_thread_that_does_not_stop_is_left_behind() {
    let _dead_man = DeadMan::new();
    let workers = quiet(2).stop_within(Duration::from_millis(20));
    let control = workers.control();
    let (free, gate) = mpsc::channel::<()>();
    let (gone, left) = mpsc::channel();
    let gate = Arc::new(Mutex::new((gate, gone)));
    let report = workers.run(move |worker| {
        let (control, gate) = (control.clone(), gate.clone());
        async move {
            worker.ready();
            if worker.index() == 0 {
                control.stop("enough");
                let gate = gate.lock().unwrap();
                gate.0.recv().ok();
                gate.1.send(worker.stop_reason()).unwrap();
            }
            worker.stopped().await;
        }
    });
    let report = report.unwrap();
    let stuck = &report.ends[0];
    assert_eq!(stuck.exit, Exit::Unknown);
    assert!(
        stuck.to_string().contains("did not stop within 20ms"),
        "{stuck}"
    );
    assert!(!report.is_clean() && report.code() == 255);
    // It goes on, and knows why it should not.
    free.send(()).unwrap();
    assert_eq!(
        left.recv().unwrap(),
        Some(StopReason::Asked("enough".into()))
    );
}

// W6
#[test]
fn a_dead_thread_is_replaced() {
    let _dead_man = DeadMan::new();
    let respawn = Respawn::at_most(2, LONG).backoff(Backoff::new(Duration::ZERO));
    let report = quiet(1)
        .on_death(OnDeath::Respawn(respawn))
        .run(|_| async { Err::<(), _>("again") })
        .unwrap();
    assert_eq!(
        (&report.reason, report.restarts),
        (&StopReason::WorkerDied, 2)
    );
    assert_eq!(report.ends[0].failure.as_ref().unwrap().message, "again");

    let report = quiet(3)
        .on_death(OnDeath::Ignore)
        .run(|worker| async move {
            match worker.index() {
                1 => Err("one of three"),
                _ => Ok(()),
            }
        })
        .unwrap();
    assert_eq!((&report.reason, report.code()), (&StopReason::AllEnded, 1));
    let clean: Vec<_> = report.ends.iter().map(|end| end.is_clean()).collect();
    assert_eq!(clean, [true, false, true]);
}

// W6
#[test]
fn waits_grow_until_a_worker_has_lived_for_a_window() {
    let _dead_man = DeadMan::new();
    let ms = Duration::from_millis;
    // Three restarts are beyond a limit of one, if not within its window.
    let moment = Duration::from_nanos(1);
    for (limit, window, waits) in [(9, LONG, [1, 2, 4]), (1, moment, [1, 1, 1])] {
        let respawn = Respawn::at_most(limit, window).backoff(Backoff::new(ms(1)).without_jitter());
        let notices = Arc::new(Mutex::new(Vec::new()));
        let log = notices.clone();
        let report = quiet(1)
            .on_death(OnDeath::Respawn(respawn))
            .on_notice(move |notice| {
                if let Notice::Restarting { after, .. } = notice {
                    log.lock().unwrap().push(*after);
                }
            })
            .run({
                let lives = Mutex::new(4);
                move |_| {
                    let mut lives = lives.lock().unwrap();
                    *lives -= 1;
                    let left = *lives;
                    async move { if left == 0 { Ok(()) } else { Err("again") } }
                }
            });
        assert!(report.unwrap().is_clean());
        assert_eq!(*notices.lock().unwrap(), waits.map(ms));
    }
}

// W6
#[test]
fn a_stop_does_not_wait_for_a_restart() {
    let _dead_man = DeadMan::new();
    let backoff = Backoff::new(LONG).most(LONG).without_jitter();
    let workers =
        Workers::threads(1).on_death(OnDeath::Respawn(Respawn::at_most(1, LONG).backoff(backoff)));
    let control = workers.control();
    let report = workers
        .on_notice(move |notice| {
            if matches!(notice, Notice::Restarting { .. }) {
                control.stop("not again");
            }
        })
        .run(|_| async { Err::<(), _>("no") })
        .unwrap();
    assert_eq!(report.reason, StopReason::Asked("not again".into()));
    assert_eq!((report.restarts, report.code()), (0, 1));
}

// W7
#[test]
fn a_new_worker_may_be_done_before_the_others_are_ready() {
    let _dead_man = DeadMan::new();
    let done = Event::new();
    let is_done = done.clone();
    let workers = quiet(2);
    let reloading = workers.control();
    let once = Once::new();
    let report = workers
        .on_notice(move |notice| match notice {
            Notice::Ready { .. } => once.call_once(|| reloading.reload()),
            Notice::Ended(end) if (end.index, end.generation) == (0, 1) => is_done.set(),
            Notice::Reloaded => reloading.stop("reloaded"),
            _ => {}
        })
        .run(move |worker| {
            let done = done.clone();
            async move {
                match (worker.generation(), worker.index()) {
                    (0, _) => drop(worker.stopped().await),
                    (_, 0) => {}
                    _ => {
                        done.wait().await;
                        worker.stopped().await;
                    }
                }
            }
        })
        .unwrap();
    assert_eq!(report.reloads, 1);
    let ends: Vec<_> = report
        .ends
        .iter()
        .map(|end| (end.index, end.generation))
        .collect();
    assert_eq!(ends, [(0, 1), (1, 1)]);
    assert!(report.is_clean());
}

// W7
#[test]
fn threads_reload_with_what_they_listen_on() {
    let _dead_man = DeadMan::new();
    let workers = quiet(2).listen("127.0.0.1:0");
    let control = workers.control();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let log = notices.clone();
    let workers = workers.on_notice(move |notice| log.lock().unwrap().push(notice.clone()));
    let report = workers
        .main(|main| async move {
            let address = main.listeners()[0].local_addr()?;
            let report = main.serve(address).await?;
            Ok::<_, BoxError>(report)
        })
        .run(move |worker| {
            let control = control.clone();
            async move {
                let listener = worker.listener()?;
                listener.set_nonblocking(true)?;
                assert_eq!(listener.local_addr()?, *worker.value());
                match (worker.generation(), worker.index()) {
                    (0, 0) => {
                        // One now, and one when that is done.
                        control.reload();
                    }
                    (1, 0) => {
                        worker.ready();
                        worker.stopped().await;
                    }
                    (1, 1) => {
                        worker.ready();
                        control.stop("reloaded");
                    }
                    _ => {}
                }
                worker.stopped().await;
                Ok::<_, BoxError>(())
            }
        })
        .unwrap();
    assert_eq!(report.reason, StopReason::Asked("reloaded".into()));
    assert!(report.is_clean(), "{report}");
    let notices = notices.lock().unwrap();
    let ends = notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Ended(_)));
    assert_eq!(ends.count(), 4);
}

#[test]
fn dropping_the_workers_asks_them_to_stop() {
    let _dead_man = DeadMan::new();
    let (stopped, reasons) = mpsc::channel();
    let ready = Event::new();
    let is_ready = ready.clone();
    let ended = quiet(1)
        .main(move |main| async move {
            let mut serve = Box::pin(main.serve(()));
            assert!(block_on(poll_once(&mut serve)).is_none());
            ready.wait().await;
            drop(serve);
            Err("not any more")
        })
        .run(move |worker| {
            let (stopped, is_ready) = (stopped.clone(), is_ready.clone());
            async move {
                is_ready.set();
                stopped.send(worker.stopped().await).unwrap();
            }
        });
    let error = ended.unwrap_err().into_main().unwrap();
    assert_eq!(error.to_string(), "not any more");
    let reason = StopReason::Asked("it was left behind".into());
    assert_eq!(reasons.recv().unwrap(), reason);
}

#[test]
fn what_a_worker_waits_for_may_be_dropped() {
    let _dead_man = DeadMan::new();
    let workers = quiet(1);
    let control = workers.control();
    let report = workers.run(move |worker| {
        let control = control.clone();
        async move {
            for _ in 0..3 {
                assert!(poll_once(worker.stopped()).await.is_none());
                let held = Arc::new(());
                let work = held.clone();
                let work = async move {
                    pending::<()>().await;
                    drop(work);
                };
                assert!(poll_once(worker.run_until_stopped(work)).await.is_none());
                assert_eq!(Arc::strong_count(&held), 1);
            }
            control.stop("enough");
            assert_eq!(worker.run_until_stopped(pending::<()>()).await, None);
            assert_eq!(worker.stopped().await, StopReason::Asked("enough".into()));
        }
    });
    assert!(report.unwrap().is_clean());
}

#[test]
fn the_workers_may_be_dropped_at_any_poll() {
    let _dead_man = DeadMan::new();
    let mut was_dropped = 0;
    for polls in 0..12 {
        let (alive, dead) = mpsc::channel::<()>();
        let workers = quiet(2);
        let control = workers.control();
        // Nobody ends before the first drop.
        let gate = Event::new();
        if polls > 0 {
            gate.set();
        }
        let ended = workers
            .main(move |main| async move {
                let mut serve = Box::pin(main.serve(()));
                let mut polled = 0;
                let ended = poll_fn(|cx| match serve.as_mut().poll(cx) {
                    Poll::Ready(ended) => Poll::Ready(Some(ended)),
                    Poll::Pending if polled == polls => Poll::Ready(None),
                    Poll::Pending => {
                        polled += 1;
                        Poll::Pending
                    }
                });
                match ended.await {
                    Some(ended) => Ok(ended?),
                    None => Err(BoxError::from("dropped")),
                }
            })
            .run(move |worker| {
                let (alive, control, gate) = (alive.clone(), control.clone(), gate.clone());
                async move {
                    worker.run_until_stopped(gate.wait()).await;
                    control.reload();
                    if worker.generation() == 1 {
                        control.stop("enough");
                    }
                    worker.stopped().await;
                    drop(alive);
                }
            });
        was_dropped += usize::from(ended.is_err());
        // Ends when the last worker has.
        assert_eq!(dead.iter().count(), 0);
    }
    assert!(was_dropped > 0);
}

#[test]
fn a_runner_that_gives_up_is_told() {
    let _dead_man = DeadMan::new();
    let error = quiet(1).runner(drop).run(|_| async {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the runner returned before the workers had ended"
    );

    let main = std::thread::current().id();
    let report = quiet(1)
        .runner(move |future| {
            if std::thread::current().id() == main {
                block_on(future);
            }
        })
        .run(|_| pending::<()>());
    let failure = report.unwrap().ends[0].failure.clone().unwrap();
    assert_eq!(failure.message, "its runner returned before it had ended");
}

#[test]
fn nothing_to_listen_on_is_an_error() {
    let _dead_man = DeadMan::new();
    let report = quiet(1).run(|worker| async move { worker.listener().map(drop) });
    let end = report.unwrap().ends.remove(0);
    assert!(
        end.to_string().contains("give Workers::listen an address"),
        "{end}"
    );
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let error = quiet(1).listen(&address).run(|_| async {}).unwrap_err();
    assert_eq!(error.to_string(), format!("can not listen on {address}"));
    let text = format!("{error:?}");
    assert!(text.starts_with(&error.to_string()) && text.len() > error.to_string().len());
}

#[test]
#[should_panic(expected = "nought worker threads serve nobody")]
fn nought_is_refused() {
    let _ = Workers::threads(0);
}

#[test]
#[should_panic(expected = "workers that no signal stops")]
fn no_signals_are_refused() {
    let _ = Workers::threads(1).stop_on([]);
}

#[test]
#[should_panic(expected = "nought restarts are OnDeath::StopAll")]
fn nought_restarts_are_refused() {
    Respawn::at_most(0, LONG);
}

#[test]
#[should_panic(expected = "there is a worker named \"clock\" already")]
fn names_are_given_once() {
    let clock = || Workers::threads(1).extra("clock", |_| async {});
    let _ = clock()
        .extra("other", |_| async {})
        .extra("clock", |_| async {});
}

#[test]
#[should_panic(expected = "workers listen on up to 16 addresses")]
fn too_many_addresses_are_refused() {
    let mut workers = Workers::threads(1);
    for _ in 0..17 {
        workers = workers.listen("127.0.0.1:0");
    }
}

#[test]
#[should_panic(expected = "a window of nought limits no restarts")]
fn a_window_of_nought_is_refused() {
    Respawn::at_most(1, Duration::ZERO);
}

// W3 W5
#[test]
fn notices_tell_each_step_and_what_is_trouble() {
    let _dead_man = DeadMan::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let report = Workers::threads(1)
        .stop_within(LONG)
        .on_notice(move |notice| {
            log.lock()
                .unwrap()
                .push((notice.to_string(), notice.is_trouble()))
        })
        .run(|worker| async move {
            worker.ready();
            Err::<(), BoxError>("no disk".into())
        })
        .unwrap();
    let ended = "worker 0 failed while it served: no disk; exit code 1";
    let told = told.lock().unwrap();
    let steps: Vec<_> = told
        .iter()
        .map(|(text, trouble)| (&**text, *trouble))
        .collect();
    assert_eq!(
        steps[..3],
        [
            ("worker 0 started", false),
            ("worker 0 is ready", false),
            (ended, true),
        ]
    );
    assert_eq!(
        report.to_string(),
        format!("stopped: {}\n{ended}", report.reason)
    );
    assert_eq!((report.is_clean(), report.code()), (false, 1));
    let killing = Notice::Killing { index: 1 };
    assert!(killing.is_trouble() && Notice::ReloadAbandoned.is_trouble());
    assert!(!Notice::Reloading.is_trouble());
}

#[test]
fn the_error_of_a_main_context_is_told_from_others() {
    let error = quiet(1)
        .listen("256.0.0.1:0")
        .run(|_| async {})
        .unwrap_err();
    let error = error.into_main().unwrap_err();
    assert_eq!(error.to_string(), "can not listen on 256.0.0.1:0");
}

#[cfg(unix)]
#[test]
fn a_shared_port_is_shared_and_a_taken_one_is_an_error() {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use untethered::workers::reuse_port;

    for any in ["127.0.0.1:0", "[::1]:0"] {
        let taken = match TcpListener::bind(any) {
            Ok(taken) => taken,
            // A machine without that protocol.
            Err(_) => continue,
        };
        let error = reuse_port(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let first = reuse_port(any.parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let second = reuse_port(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        drop(first);
        // Whoever comes now comes to the one that is left, which does not block.
        assert_eq!(second.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        second.set_nonblocking(false).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = second.accept().unwrap();
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        server.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }
}
