//! Single tasks: their handles, how they end, and the token that asks them to.

mod blocking;
mod caught;
mod deadline;
mod handle;
mod join_error;
mod outcome;
mod reason;
mod token;

pub use blocking::BlockingTask;
pub use handle::{AbortHandle, Task};
pub use join_error::JoinError;
pub use reason::Reason;
pub use token::{CancellationToken, Cancelled, CancelledOwned, DropGuard, RunUntilCancelled};

pub(crate) use blocking::BlockingBody;
pub(crate) use caught::caught;
pub(crate) use join_error::panic_message;

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f` and gives what it panicked with, if it did.
///
/// Whoever calls this must not look again at what `f` left half-changed, except to drop it.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs `f`; a panic of it goes nowhere.
pub(crate) fn quiet(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        forget_panic(payload);
    }
}

/// Drops `value`; a panic in its destructor goes nowhere.
pub(crate) fn discard<T>(value: T) {
    quiet(move || drop(value));
}

/// Drops `value`; a panic in its destructor is handed back instead of unwinding.
pub(crate) fn catch_drop<T>(value: T) -> Result<(), Box<dyn Any + Send>> {
    catch(move || drop(value))
}

/// Drops what a panic left. What its destructor panics with may do the same, without end: that is
/// leaked.
pub(crate) fn forget_panic(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_drop(payload) {
        mem::forget(second);
    }
}
