use untethered::http::conformance::{Conformance, Peer, Received, Report, Server, Verdict};

#[test]
fn of_the_conformance_suite() {
    check! {
        // It makes clients on the thread that runs it.
        Conformance<'static>: false false true;
        Peer: true true true;
        Received: true true true;
        Report: true true true;
        Server: true true true;
        Verdict: true true true;
    }
}
