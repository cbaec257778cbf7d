//! The service with worker processes. That it reloads, restarts and stops without a failed request is
//! what the example itself shows.

use std::net::TcpListener;

use crate::program::Program;
use crate::refused;

#[test]
fn a_signal_stops_it_in_order() {
    for signal in ["INT", "TERM"] {
        let mut service = Program::new("service", &["serve", "127.0.0.1:0"]);
        service.wait_for("is ready");
        service.signal(signal);
        let done = service.end();
        assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("stopping: "), "{}", done.stdout);
    }
}

#[test]
fn bad_arguments_are_refused() {
    for args in [
        &["start"][..],
        &["serve"],
        &["serve", "127.0.0.1:0", "more"],
    ] {
        refused("service", args, "usage: service [serve ADDRESS]");
    }
}

#[test]
fn an_address_that_is_taken_is_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = Program::new("service", &["serve", &address]).end();
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("service: "), "{}", done.stderr);
    assert!(done.stderr.contains(&address), "{}", done.stderr);
}
