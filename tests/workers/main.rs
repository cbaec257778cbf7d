//! Real processes, each under a dead man's timer.
#![cfg(unix)]

mod child;
mod processes;
mod program;
mod support;
mod threads;

#[test]
fn what_is_shared_may_be_shared() {
    use untethered::workers::{Child, Control, Exit, Notice, Report, Worker, WorkersError};

    fn shared<T: Send + Sync + 'static>() {}
    shared::<Child>();
    shared::<Control>();
    shared::<Exit>();
    shared::<Notice>();
    shared::<Report>();
    shared::<Worker<Vec<u8>>>();
    shared::<WorkersError>();
}
