//! Real processes, each under a dead man's timer.
#![cfg(unix)]

mod child;
mod processes;
mod program;
mod support;
mod threads;
