use std::rc::Rc;

use untethered::workers::{
    self, Child, Control, End, Exit, Main, Notice, OnDeath, Phase, Processes, Respawn, SignalError,
    StopReason, Threads, Worker, Workers, WorkersError,
};

#[test]
fn of_workers() {
    check! {
        Child: true true true;
        Control: true true true;
        End: true true true;
        Exit: true true true;
        workers::Failure: true true true;
        // The main body stays on the main thread.
        Main<u8>: false false true;
        Notice: true true true;
        OnDeath: true true true;
        Phase: true true true;
        Processes: true true true;
        workers::Report: true true true;
        Respawn: true true true;
        SignalError: true true true;
        StopReason: true true true;
        Threads: true true true;
        Worker: true true true;
        Worker<Rc<u8>>: false false true;
        Workers<Processes>: false false true;
        Workers<Threads, Rc<u8>>: false false true;
        WorkersError: true true true;
    }
}
