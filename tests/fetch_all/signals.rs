use std::sync::{Arc, Condvar, Mutex};

use crate::program::{Done, Program, Running, rows, runtimes};
use crate::server::Server;

/// Shut until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// `/held` is answered once the gate opens.
fn held() -> (Server, Gate) {
    let gate = Gate::default();
    let opens = gate.clone();
    let server = Server::start(move |request| {
        if request.path == "/held" {
            opens.wait();
        }
        request.answer("ok")
    });
    (server, gate)
}

fn kinds(done: &Done) -> Vec<String> {
    let rows = rows(&done.stdout);
    let kind = |row: &serde_json::Value| match row["error"]["kind"].as_str() {
        Some(kind) => kind.to_owned(),
        None => row["status"].to_string(),
    };
    let mut kinds: Vec<_> = rows.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

/// Sends the first signal and waits until it was heard.
fn interrupt(running: &mut Running, name: &str) {
    running.signal(name);
    running.wait_for("once more to stop now");
}

#[test]
fn the_first_signal_finishes_what_is_under_way() {
    for signal in ["INT", "TERM"] {
        let (server, gate) = held();
        let mut running = Program::new(&["--input", "-", "--concurrency", "2"]).start();
        running.write(&format!("{}/held\n", server.base).repeat(5));
        assert_eq!(
            (server.next(), server.next()),
            ("/held".into(), "/held".into())
        );
        interrupt(&mut running, signal);
        gate.open();
        // Standard input is still open.
        let stdin = running.stdin.take();
        let done = running.end_by_itself();
        drop(stdin);
        assert_eq!(done.status, 130, "{}", done.stderr);
        let kinds = kinds(&done);
        assert_eq!(kinds[..2], ["200", "200"]);
        assert!(
            kinds[2..].iter().all(|kind| kind == "cancelled"),
            "{kinds:?}"
        );
        assert!(!server.was_asked());
    }
}

#[test]
fn the_second_signal_stops_at_once() {
    let (closed, was_closed) = std::sync::mpsc::channel();
    let closed = Mutex::new(closed);
    let server = Server::start(move |request| {
        let result = request.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
        result
    });
    let mut running = Program::new(&["--input", "-", "--timeout", "1000"]).start();
    running.write(&format!("{}/\n", server.base).repeat(2));
    server.next();
    server.next();
    interrupt(&mut running, "INT");
    running.signal("INT");
    let stdin = running.stdin.take();
    let done = running.end_by_itself();
    drop(stdin);
    assert_eq!(done.status, 130, "{}", done.stderr);
    assert_eq!(kinds(&done), ["cancelled", "cancelled"]);
    was_closed.recv().unwrap();
    was_closed.recv().unwrap();
}

#[test]
fn a_signal_ends_the_wait_for_standard_input() {
    let server = Server::echo();
    let mut running = Program::new(&["--input", "-"]).start();
    running.write(&format!("{}/1\n", server.base));
    assert_eq!(running.row()["status"], 200);
    running.signal("INT");
    let stdin = running.stdin.take();
    let done = running.end_by_itself();
    drop(stdin);
    assert_eq!((done.status, &*done.stdout), (130, ""));
}

#[test]
fn a_signal_ends_the_wait_for_the_rate_limit() {
    let server = Server::echo();
    let mut running = Program::new(&["--input", "-", "--rate", "1/1000s"]).start();
    running.write(&format!("{0}/1\n{0}/2\n{0}/3\n", server.base));
    assert_eq!(running.row()["status"], 200);
    running.signal("INT");
    let done = running.end();
    assert_eq!(done.status, 130);
    assert!(
        kinds(&done).iter().all(|kind| kind == "cancelled"),
        "{}",
        done.stdout
    );
    assert_eq!(server.next(), "/1");
    assert!(!server.was_asked());
}

#[test]
fn every_runtime_hears_signals() {
    for runtime in runtimes().0 {
        let server = Server::echo();
        let mut running = Program::new(&["--input", "-", "--runtime", runtime]).start();
        running.write(&format!("{}/1\n", server.base));
        assert_eq!(running.row()["status"], 200);
        running.signal("INT");
        let stdin = running.stdin.take();
        let done = running.end_by_itself();
        drop(stdin);
        assert_eq!(done.status, 130, "{runtime}: {}", done.stderr);
    }
}
