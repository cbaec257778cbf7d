use std::future::pending;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use untethered::combine::race;
use untethered::group::BoxError;
use untethered::signal::{ShutdownSignals, Signal};
use untethered::sync::Event;
use untethered::time::Backoff;
use untethered::workers::{
    Notice, OnDeath, Processes, Report, Respawn, StopReason, Worker, Workers, WorkersError,
    worker_index,
};

use crate::program::{Program, role, say, send, tell};
use crate::support::{DeadMan, until_gone};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

fn workers(n: usize) -> Workers<Processes> {
    Workers::processes(n).on_notice(tell).stop_within(LONG)
}

async fn serve(worker: Worker) {
    let reason = worker.stopped().await;
    say(format_args!("worker {} stops: {reason}", worker.index()));
}

/// Says hello to every connection, also to those that wait when it is asked to stop.
async fn greet(worker: Worker<Vec<u8>>) -> std::io::Result<()> {
    let listener = async_io::Async::new(worker.listener()?)?;
    let greeting = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.get_ref().write_all(b"hello")?;
        }
    };
    if let Some(result) = worker.run_until_stopped(greeting).await {
        return result;
    }
    while let Ok((mut stream, _)) = listener.get_ref().accept() {
        stream.write_all(b"hello")?;
    }
    Ok(())
}

/// Says the end of the program, and gives its exit code.
fn over(ended: Result<Report, WorkersError>) -> i32 {
    match ended {
        Ok(report) => {
            say(format_args!("over: {}", report.reason));
            for end in &report.ends {
                say(format_args!("last of {end}"));
            }
            say(format_args!(
                "{} restarts, {} reloads",
                report.restarts, report.reloads
            ));
            report.code().into()
        }
        Err(error) => {
            say(format_args!("error: {error:?}"));
            1
        }
    }
}

fn fails(worker: &Worker, phase: &str) -> Result<(), BoxError> {
    match role().unwrap().strip_prefix("fails ") {
        Some(wanted) if wanted == phase && worker.index() == 1 => Err(format!("no {phase}").into()),
        _ => Ok(()),
    }
}

/// Not a test by itself: what the program does when another test started it.
#[test]
fn play_role() {
    let Some(played) = role() else { return };
    let _dead_man = DeadMan::new();
    let code = match played.as_str() {
        "serves" => over(workers(3).run(serve)),
        "serves 32" => over(workers(32).run(serve)),
        "on SIGUSR1" => over(workers(1).stop_on([Signal::User1]).run(serve)),
        "ignores" => over(workers(3).on_death(OnDeath::Ignore).run(serve)),
        "fails start" | "fails serve" | "fails stop" => over(workers(3).run(|worker| async move {
            fails(&worker, "start")?;
            worker.ready();
            fails(&worker, "serve")?;
            worker.stopped().await;
            fails(&worker, "stop")
        })),
        "panics" => over(workers(2).run(|worker| async move {
            assert!(worker.index() != 1, "no luck");
            worker.stopped().await;
        })),
        "exits" => over(workers(2).run(|worker| async move {
            match worker.index() {
                1 => 7,
                _ => u8::from(worker.stopped().await != StopReason::WorkerDied),
            }
        })),
        "hangs" | "hangs for long" => {
            let limit = if played == "hangs" { SHORT } else { LONG };
            over(workers(2).stop_within(limit).run(|worker| async move {
                worker.ready();
                if worker.index() == 0 {
                    pending::<()>().await;
                }
                serve(worker).await;
            }))
        }
        "is never ready" => over(workers(2).ready_within(SHORT).run(|worker| async move {
            match worker.index() {
                1 => worker.token().cancelled().await,
                _ => serve(worker).await,
            }
        })),
        "starts" => over(workers(3).run(|worker| async move {
            worker.token().cancelled().await;
            say(format_args!("{} broke off", worker.index()));
        })),
        "respawns" => {
            let respawn = Respawn::at_most(3, LONG).backoff(Backoff::new(Duration::ZERO));
            over(workers(2).on_death(OnDeath::Respawn(respawn)).run(serve))
        }
        "dies early" => {
            let respawn = Respawn::at_most(3, LONG).backoff(Backoff::new(Duration::ZERO));
            over(
                workers(2)
                    .on_death(OnDeath::Respawn(respawn))
                    .run(|worker| async move {
                        match worker.index() {
                            1 => Err("never comes up"),
                            _ => {
                                serve(worker).await;
                                Ok(())
                            }
                        }
                    }),
            )
        }
        "completes" => over(workers(3).run_to_completion().run(|worker| async move {
            assert_eq!(worker.stopped().await, StopReason::Completion);
            say(format_args!("{} worked", worker.index()));
            match worker.index() {
                1 => Err("this one not"),
                _ => Ok(()),
            }
        })),
        "is done" => over(workers(3).run(|worker| async move {
            worker.ready();
        })),
        "reloads" => over(
            workers(2)
                .reload_on([Signal::Hangup])
                .run(|worker| async move {
                    say(format_args!(
                        "{} is of {}",
                        worker.index(),
                        worker.generation()
                    ));
                    serve(worker).await;
                }),
        ),
        "reloads badly" => over(
            workers(2)
                .reload_on([Signal::Hangup])
                .run(|worker| async move {
                    match (worker.generation(), worker.index()) {
                        (1, 1) => Err("bad configuration"),
                        _ => {
                            serve(worker).await;
                            Ok(())
                        }
                    }
                }),
        ),
        "around" => {
            let workers = workers(2).extra("clock", |worker| async move {
                say(format_args!("{} is {:?}", worker.name(), worker_index()));
                worker.stopped().await;
            });
            over(
                workers
                    .main(|main| async move {
                        say("before");
                        let report = main.serve(b"value".to_vec()).await?;
                        say(format_args!("after {}", report.reason));
                        Ok::<_, BoxError>(report)
                    })
                    .run(|worker| async move {
                        assert_eq!(worker.value(), b"value");
                        worker.stopped().await;
                    }),
            )
        }
        "main fails" => over(
            workers(1)
                .main(|_| async { Err("no database") })
                .run(|_| async { say("this is never run") }),
        ),
        "large value" => over(
            workers(1)
                .main(|main| async { main.serve(vec![7; 5_000_000]).await })
                .run(|worker| async move {
                    assert!(worker.value().iter().all(|&byte| byte == 7));
                    say(format_args!("{} bytes", worker.value().len()));
                }),
        ),
        "with tokio" => over(
            workers(2)
                .before_start(|index| {
                    assert!(tokio::runtime::Handle::try_current().is_err());
                    assert_eq!(worker_index(), Some(index));
                    say(format_args!("hook {index}"));
                })
                .runner(|future| {
                    let runtime = tokio::runtime::Builder::new_multi_thread();
                    { runtime }.enable_all().build().unwrap().block_on(future)
                })
                .run(|worker| async move {
                    let token = worker.token().clone();
                    worker.ready();
                    tokio::spawn(async move { token.cancelled().await })
                        .await
                        .unwrap();
                    serve(worker).await;
                }),
        ),
        "listens" => over(
            workers(2)
                .reload_on([Signal::Hangup])
                .listen("127.0.0.1:0")
                .listen("127.0.0.1:0")
                .main(|main| async move {
                    for listener in main.listeners() {
                        say(format_args!("at {}", listener.local_addr().unwrap()));
                    }
                    main.serve(Vec::new()).await
                })
                .run(|worker| async move {
                    assert_eq!(worker.listeners().len(), 2);
                    greet(worker).await
                }),
        ),
        "address taken" => {
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = other.local_addr().unwrap().to_string();
            over(workers(1).listen(address).run(serve))
        }
        "is controlled" => {
            let workers = workers(2);
            let control = workers.control();
            control.stop("before it began");
            control.stop("too late");
            over(workers.run(serve))
        }
        "is killed" => {
            let workers = workers(2);
            workers.control().kill();
            over(workers.run(|_| pending::<()>()))
        }
        "gives up" => {
            let ready = Event::new();
            let is_ready = ready.clone();
            let workers = workers(1).orphans_within(LONG).on_notice(move |notice| {
                tell(notice);
                if matches!(notice, Notice::Ready { .. }) {
                    is_ready.set();
                }
            });
            over(
                workers
                    .main(|main| async move {
                        let serve = main.serve(Vec::new());
                        race((serve, async move { ready.wait().await })).await;
                        Err("not any more")
                    })
                    .run(|worker| async move {
                        worker.ready();
                        pending::<()>().await;
                    }),
            )
        }
        "is slow to listen" => {
            if std::env::var_os("UNTETHERED_WORKER").is_some() {
                say("not yet");
                loop {
                    std::thread::park();
                }
            }
            over(workers(1).run(|_| async {}))
        }
        "does not listen" | "listens to its parent" => {
            let deaf = played == "does not listen";
            let limit = if deaf { SHORT } else { LONG };
            over(
                workers(2)
                    .orphans_within(limit)
                    .run(move |worker| async move {
                        worker.ready();
                        if deaf {
                            loop {
                                std::thread::park();
                            }
                        }
                        serve(worker).await;
                    }),
            )
        }
        "is late" => {
            if std::env::var_os("UNTETHERED_WORKER").is_some() {
                say("waits");
                let parent = std::os::unix::process::parent_id();
                while std::os::unix::process::parent_id() == parent {
                    std::thread::yield_now();
                }
                say("is an orphan");
            }
            over(workers(1).run(|_| async { say("runs all the same") }))
        }
        "starts programs" => over(workers(1).run_to_completion().run(|_| async {
            let mut command = Program::command("is done");
            let inherited = command.status().unwrap();
            let null = command.stdin(Stdio::null()).status().unwrap();
            say(format_args!("{inherited}, {null}"));
            let mut input = Vec::new();
            std::io::stdin().read_to_end(&mut input).unwrap();
            assert!(input.is_empty());
        })),
        "waits for any signal" => {
            // The default acts, whatever this process was started with.
            drop(ShutdownSignals::new().unwrap());
            say("here");
            loop {
                std::thread::park();
            }
        }
        "two sets" => {
            let first = workers(1)
                .name("first")
                .run_to_completion()
                .run(|_| async {});
            assert_eq!(over(first), 0);
            let second = workers(1).name("second").run_to_completion();
            over(second.run(|_| async { say("never") }))
        }
        "two sets of one name" => {
            let first = workers(1).run_to_completion().run(|_| async {});
            assert_eq!(over(first), 0);
            over(workers(1).run(|_| async { say("never") }))
        }
        other => panic!("no such role: {other}"),
    };
    std::process::exit(code);
}

/// The processes of workers that were started so far.
fn pids(seen: &[String]) -> Vec<u32> {
    let started = seen
        .iter()
        .filter_map(|line| line.strip_prefix("> started "));
    started
        .map(|rest| rest.split(' ').nth(1).unwrap().parse().unwrap())
        .collect()
}

fn says(seen: &[String], what: &str) -> usize {
    seen.iter()
        .filter(|line| line.starts_with(&format!("> {what}")))
        .count()
}

// W3
#[test]
fn a_signal_stops_all_and_each_is_told_why() {
    let _dead_man = DeadMan::new();
    for (signal, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        let mut program = Program::start("serves");
        program.expect_all(["ready 0", "ready 1", "ready 2"]);
        program.signal(signal);
        let (code, seen) = program.code();
        assert_eq!(code, 0, "{seen:#?}");
        for index in 0..3 {
            assert_eq!(says(&seen, &format!("worker {index} stops: {name}")), 1);
            assert_eq!(says(&seen, &format!("ended {index} clean")), 1);
        }
        assert_eq!(says(&seen, &format!("over: {name}")), 1, "{seen:#?}");
        for pid in pids(&seen) {
            until_gone(pid);
        }
    }
}

// W3
#[test]
fn a_terminal_that_signals_everybody_is_one_stop() {
    use std::os::unix::process::CommandExt;

    let _dead_man = DeadMan::new();
    let mut program = Program::start_with("serves 32", |command| {
        command.process_group(0);
    });
    program.expect_all((0..32).map(|index| format!("ready {index} ")));
    send("-INT", &format!("-{}", program.pid()));
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "over: SIGINT")), (0, 1), "{seen:#?}");
    assert_eq!(
        seen.iter().filter(|line| line.contains(" clean: ")).count(),
        32,
        "{seen:#?}"
    );
}

// W3
#[test]
fn a_terminal_may_signal_before_a_worker_listens() {
    use std::os::unix::process::CommandExt;

    let _dead_man = DeadMan::new();
    let mut program = Program::start_with("is slow to listen", |command| {
        command.process_group(0);
    });
    program.expect("not yet");
    send("-TERM", &format!("-{}", program.pid()));
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "over: SIGTERM")), (0, 1), "{seen:#?}");
    assert_eq!(says(&seen, "ended 0 clean"), 1, "{seen:#?}");
}

// W3
#[test]
fn other_signals_may_stop() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("on SIGUSR1");
    program.expect("ready 0");
    program.signal("-USR1");
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "worker 0 stops: SIGUSR1")),
        (0, 1),
        "{seen:#?}"
    );
}

// W4
#[test]
fn one_that_does_not_stop_in_time_is_killed_and_reaped() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("hangs");
    program.expect_all(["ready 0", "ready 1"]);
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!(code, 137, "{seen:#?}");
    // Not of the other one: where the machine is busy it is late too.
    let end = seen
        .iter()
        .find(|line| line.starts_with("> ended 0 bad"))
        .unwrap();
    assert!(
        end.contains("failed while it stopped: did not stop within 50ms"),
        "{end}"
    );
    assert!(end.contains("killed by SIGKILL"), "{end}");
}

// W4
#[test]
fn a_second_signal_kills_at_once() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("hangs for long");
    program.expect_all(["ready 0", "ready 1"]);
    program.signal("-TERM");
    program.expect("stopping: SIGTERM");
    program.expect("ended 1 clean");
    program.signal("-INT");
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "over: SIGTERM")), (137, 1), "{seen:#?}");
    assert_eq!(says(&seen, "ended 0 bad"), 1);
}

// W4
#[test]
fn workers_that_nobody_supervises_any_more_are_killed() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("is killed").code();
    assert_eq!((code, says(&seen, "over: kill")), (137, 1), "{seen:#?}");
    assert_eq!(
        seen.iter()
            .filter(|line| line.contains("killed by SIGKILL"))
            .count(),
        4
    );

    // Its output ends with the last of its workers.
    let (code, seen) = Program::start("gives up").code();
    let error = "error: the main context failed: not any more";
    assert_eq!((code, says(&seen, error)), (1, 1), "{seen:#?}");
}

// W4
#[test]
fn one_that_is_killed_while_it_stops_ended_badly() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("hangs for long");
    program.expect_all(["ready 0", "ready 1"]);
    program.signal("-TERM");
    program.expect("ended 1 clean");
    send("-KILL", &ready(&program, 0));
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "ended 0 bad")), (137, 1), "{seen:#?}");
}

// W5
#[test]
fn a_worker_that_fails_stops_all_and_its_phase_is_told() {
    let _dead_man = DeadMan::new();
    for phase in ["start", "serve", "stop"] {
        let mut program = Program::start(&format!("fails {phase}"));
        if phase == "stop" {
            program.expect_all(["ready 0", "ready 1", "ready 2"]);
            program.signal("-TERM");
        }
        let (code, seen) = program.code();
        assert_eq!(code, 1, "{seen:#?}");
        let end = seen
            .iter()
            .find(|line| line.starts_with("> ended 1 bad"))
            .unwrap();
        let past = match phase {
            "stop" => "stopped",
            "start" => "started",
            _ => "served",
        };
        assert!(
            end.contains(&format!("failed while it {past}: no {phase}")),
            "{end}"
        );
        assert!(says(&seen, "ready 0") <= 1, "{seen:#?}");
        assert_eq!(
            says(&seen, "ended 0 clean") + says(&seen, "ended 2 clean"),
            2,
            "{seen:#?}"
        );
        let reason = if phase == "stop" {
            "SIGTERM"
        } else {
            "a worker died"
        };
        assert_eq!(says(&seen, &format!("over: {reason}")), 1, "{seen:#?}");
    }
}

// W5
#[test]
fn panics_and_exit_codes_are_kept() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("panics").code();
    assert_eq!(code, 101, "{seen:#?}");
    assert!(
        seen.iter()
            .any(|line| line.contains("failed while it started: panicked: no luck"))
    );
    let (code, seen) = Program::start("exits").code();
    assert_eq!((code, says(&seen, "ended 0 clean")), (7, 1), "{seen:#?}");
}

// W5
#[test]
fn one_that_is_not_ready_in_time_has_died() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("is never ready").code();
    assert_eq!(code, 137, "{seen:#?}");
    assert!(
        seen.iter()
            .any(|line| line.contains("was not ready within 50ms")),
        "{seen:#?}"
    );
    assert_eq!(says(&seen, "over: a worker died"), 1);
}

// W5
#[test]
fn workers_killed_from_outside_are_noticed() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("serves");
    let victim = program.expect("ready 1 ");
    send("-KILL", &victim);
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "over: a worker died")),
        (137, 1),
        "{seen:#?}"
    );

    let mut program = Program::start("ignores");
    let pids: Vec<_> = (0..3).map(|_| program.expect("ready ")).collect();
    for pid in &pids {
        send("-KILL", pid.split(' ').nth(1).unwrap());
    }
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "over: all workers have ended")),
        (137, 1),
        "{seen:#?}"
    );
    assert_eq!(
        seen.iter()
            .filter(|line| line.contains("killed by SIGKILL"))
            .count(),
        6
    );
}

// W5
#[test]
fn one_that_is_asked_from_outside_has_died_though_it_stops_well() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("serves");
    program.expect_all(["ready 0", "ready 1", "ready 2"]);
    send("-TERM", &ready(&program, 1));
    program.expect("worker 1 stops: SIGTERM");
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "over: SIGTERM")), (0, 1), "{seen:#?}");
}

/// The process that was the last to be ready at this index.
fn ready(program: &Program, index: usize) -> String {
    let ready = format!("> ready {index} ");
    let mut lines = program.seen().iter().rev();
    lines
        .find_map(|line| line.strip_prefix(&ready))
        .unwrap()
        .to_owned()
}

// W6
#[test]
fn a_dead_worker_is_replaced_until_too_many_died() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("respawns");
    program.expect_all(["ready 0", "ready 1"]);
    for _ in 0..3 {
        send("-KILL", &ready(&program, 0));
        program.expect("worker 0 is started again");
        program.expect("ready 0");
    }
    send("-KILL", &ready(&program, 0));
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "over: a worker died")),
        (137, 1),
        "{seen:#?}"
    );
    assert_eq!(says(&seen, "3 restarts"), 1);

    let (code, seen) = Program::start("dies early").code();
    assert_eq!((code, says(&seen, "3 restarts")), (1, 1), "{seen:#?}");
    assert_eq!(says(&seen, "ended 1 bad"), 4);
}

// W6
#[test]
fn a_replaced_worker_does_not_spoil_the_end() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("respawns");
    program.expect_all(["ready 0", "ready 1"]);
    send("-KILL", &ready(&program, 0));
    program.expect("worker 0 is started again");
    program.expect("ready 0");
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "1 restarts")), (0, 1), "{seen:#?}");
}

// W7
#[test]
fn a_reload_starts_the_new_before_it_stops_the_old() {
    use std::os::unix::process::CommandExt;

    let _dead_man = DeadMan::new();
    let mut program = Program::start_with("reloads", |command| {
        command.process_group(0);
    });
    program.expect_all(["ready 0", "ready 1"]);
    for generation in 1..=2 {
        // The workers get it too, and leave it to their parent.
        send("-HUP", &format!("-{}", program.pid()));
        program.expect("reloading");
        program.expect_all(["ready 0", "ready 1"]);
        program.expect("reloaded");
        program.expect_all(["ended 0 clean", "ended 1 clean"]);
        let of = format!("0 is of {generation}");
        assert_eq!(says(program.seen(), &of), 1);
    }
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "0 restarts, 2 reloads")),
        (0, 1),
        "{seen:#?}"
    );
    assert_eq!(says(&seen, "worker 0 stops: reload"), 2);
    assert_eq!(says(&seen, "worker 1 stops: SIGTERM"), 1);
}

// W7
#[test]
fn a_reload_that_fails_leaves_the_old_ones() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("reloads badly");
    program.expect_all(["ready 0", "ready 1"]);
    program.signal("-HUP");
    program.expect("the reload is given up");
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "0 restarts, 0 reloads")),
        (0, 1),
        "{seen:#?}"
    );
    assert_eq!(
        says(&seen, "worker 0 stops: SIGTERM") + says(&seen, "worker 1 stops: SIGTERM"),
        2
    );
    assert_eq!(says(&seen, "ended "), 4);
}

// W8
#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let _dead_man = DeadMan::new();
    for role in ["listens to its parent", "does not listen"] {
        let mut program = Program::start(role);
        program.expect_all(["ready 0", "ready 1"]);
        program.signal("-KILL");
        // The workers share its output, which ends with the last of them.
        let (status, seen) = program.end();
        assert!(!status.success());
        let told = if role == "does not listen" { 0 } else { 2 };
        let gone = |line: &&String| line.ends_with("the parent has gone");
        assert_eq!(seen.iter().filter(gone).count(), told);
    }
}

// W8
#[test]
fn a_worker_whose_parent_has_gone_before_never_runs() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("is late");
    program.expect("waits");
    program.signal("-KILL");
    program.child_ended();
    program.expect("is an orphan");
    let (_, seen) = program.end();
    assert_eq!(says(&seen, "runs all the same"), 0);
}

// W3
#[test]
fn a_stop_breaks_off_the_start() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("starts");
    program.expect_all(["started 0", "started 1", "started 2"]);
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!((code, says(&seen, "over: SIGTERM")), (0, 1), "{seen:#?}");
    assert_eq!(says(&seen, "ready"), 0);
}

// W3
#[test]
fn the_first_reason_stays() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("is controlled").code();
    assert_eq!(
        (code, says(&seen, "over: before it began")),
        (0, 1),
        "{seen:#?}"
    );
    assert_eq!(says(&seen, "worker 1 stops: before it began"), 1);
}

// W3
#[test]
fn work_runs_to_completion() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("completes").code();
    assert_eq!(
        (code, says(&seen, "over: to run to completion")),
        (1, 1),
        "{seen:#?}"
    );
    for index in 0..3 {
        assert_eq!(says(&seen, &format!("{index} worked")), 1);
    }
    let (code, seen) = Program::start("is done").code();
    assert_eq!(
        (code, says(&seen, "over: all workers have ended")),
        (0, 1),
        "{seen:#?}"
    );
}

#[test]
fn the_main_context_is_around_all() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("around");
    program.expect("before");
    program.expect_all(["ready 0", "ready 1", "clock is Some(2)", "ready 2"]);
    program.signal("-TERM");
    program.expect_all(["ended 0 clean", "ended 1 clean", "ended 2 clean"]);
    program.expect("after SIGTERM");
    assert_eq!(program.code().0, 0);

    let (code, seen) = Program::start("main fails").code();
    assert_eq!(code, 1);
    assert_eq!(
        says(&seen, "error: the main context failed: no database"),
        1,
        "{seen:#?}"
    );
    assert_eq!(says(&seen, "started"), 0);

    let (code, seen) = Program::start("large value").code();
    assert_eq!((code, says(&seen, "5000000 bytes")), (0, 1), "{seen:#?}");
}

#[test]
fn the_runtime_is_a_closure_with_a_hook_before_it() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("with tokio");
    program.expect_all(["ready 0", "ready 1"]);
    program.signal("-TERM");
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "hook 0"), says(&seen, "hook 1")),
        (0, 1, 1),
        "{seen:#?}"
    );
}

// W9
#[test]
fn workers_inherit_the_sockets() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("listens");
    let address = program.expect("at ");
    program.expect("at ");
    program.expect_all(["ready 0", "ready 1"]);
    for _ in 0..8 {
        let mut answer = String::new();
        TcpStream::connect(&address)
            .unwrap()
            .read_to_string(&mut answer)
            .unwrap();
        assert_eq!(answer, "hello");
    }
    program.signal("-TERM");
    assert_eq!(program.code().0, 0);
    let (code, seen) = Program::start("address taken").code();
    assert_eq!(
        (code, says(&seen, "error: can not listen on 127.0.0.1:")),
        (1, 1),
        "{seen:#?}"
    );
}

// W7
#[test]
fn no_connection_fails_while_workers_are_reloaded_and_stopped() {
    let _dead_man = DeadMan::new();
    let mut program = Program::start("listens");
    let address = program.expect("at ");
    program.expect_all(["ready 0", "ready 1"]);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, over) = (address.clone(), over.clone());
            std::thread::spawn(move || {
                let mut answers = 0;
                while !over.load(Ordering::SeqCst) {
                    let mut answer = String::new();
                    let mut stream = TcpStream::connect(&address)?;
                    stream.read_to_string(&mut answer)?;
                    assert_eq!(answer, "hello");
                    answers += 1;
                }
                // One that is under way when the workers are asked to stop.
                Ok::<_, std::io::Error>((answers, TcpStream::connect(&address)?))
            })
        })
        .collect();
    for _ in 0..5 {
        program.signal("-HUP");
        program.expect("reloaded");
        program.expect_all(["ended 0 clean", "ended 1 clean"]);
    }
    over.store(true, Ordering::SeqCst);
    let clients: Vec<_> = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect();
    program.signal("-TERM");
    let mut answers = 0;
    for client in clients {
        let (answered, mut last) = client.unwrap();
        let mut answer = String::new();
        last.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "hello");
        answers += answered;
    }
    assert!(answers > 0);
    let (code, seen) = program.code();
    assert_eq!(
        (code, says(&seen, "0 restarts, 5 reloads")),
        (0, 1),
        "{seen:#?}"
    );
}

// W9
#[test]
fn what_a_worker_starts_is_not_a_worker() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("starts programs").code();
    assert_eq!(code, 0, "{seen:#?}");
    assert_eq!(
        says(&seen, "exit status: 0, exit status: 0"),
        1,
        "{seen:#?}"
    );
    // One of the worker, two of the programs it started.
    assert_eq!(says(&seen, "over: all workers have ended"), 2);
}

// W9
#[test]
fn a_worker_never_becomes_a_parent() {
    let _dead_man = DeadMan::new();
    let (code, seen) = Program::start("two sets").code();
    assert_eq!((code, says(&seen, "never")), (2, 0), "{seen:#?}");
    // One of the first set, one of the second.
    assert_eq!(says(&seen, "started"), 2);
    let (code, seen) = Program::start("two sets of one name").code();
    assert_eq!(code, 1, "{seen:#?}");
    assert_eq!(
        says(
            &seen,
            "error: two sets of worker processes named \"workers\""
        ),
        1
    );
}

#[test]
#[should_panic(expected = "nought worker processes serve nobody")]
fn nought_is_refused() {
    let _ = Workers::processes(0);
}
