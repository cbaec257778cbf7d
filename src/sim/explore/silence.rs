//! Panics that are expected by the hundred, and must not be printed by the hundred.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use crate::task::{catch, panic_message};

/// How many places of panics are kept of a run.
const MOST_KEPT: usize = 4;

crate::primitives::per_thread! {
    /// Where this thread has panicked since it was told to be silent.
    #[allow(clippy::missing_const_for_thread_local, reason = "the model checker knows no const")]
    static PANICS: RefCell<Option<Vec<String>>> = RefCell::new(None);
}

/// Runs `f` without printing its panics. Gives what it ended in, and where it panicked on its way.
///
/// The panic hook of the process is replaced by one that asks whether its thread is silent, once
/// and for all: all other panics are printed as before.
pub(super) fn silently<T>(f: impl FnOnce() -> T) -> (Result<T, Box<dyn Any + Send>>, Vec<String>) {
    install();
    let outer = PANICS.with(|panics| panics.replace(Some(Vec::new())));
    let result = catch(f);
    let panics = PANICS.with(|panics| panics.replace(outer));
    (result, panics.unwrap_or_default())
}

fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    // A thread that unwinds may not change the hook.
    if std::thread::panicking() {
        return;
    }
    INSTALLED.get_or_init(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !keep(info) {
                print(info);
            }
        }));
    });
}

/// Keeps the place of the panic, if this thread is silent.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    let keep = |panics: &RefCell<Option<Vec<String>>>| {
        let mut panics = panics.borrow_mut();
        let Some(panics) = panics.as_mut() else {
            return false;
        };
        if panics.len() < MOST_KEPT {
            panics.push(describe(info));
        }
        true
    };
    PANICS.try_with(keep).unwrap_or(false)
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = panic_message(info.payload());
    let first = message.and_then(|message| message.lines().next());
    match info.location() {
        Some(place) => format!("panicked at {place}: {}", first.unwrap_or("no message")),
        None => format!("panicked: {}", first.unwrap_or("no message")),
    }
}
