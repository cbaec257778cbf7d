//! Single tasks: their handles, how they end, and the token that asks them to.

mod blocking;
mod cancelled;
mod caught;
mod deadline;
mod handle;
mod join_error;
mod outcome;
mod reason;
mod token;

pub use blocking::BlockingTask;
pub use cancelled::{Cancelled, CancelledOwned, RunUntilCancelled};
pub use handle::{AbortHandle, Task};
pub use join_error::JoinError;
pub use reason::Reason;
pub use token::{CancellationToken, DropGuard};

pub(crate) use blocking::BlockingBody;
pub(crate) use caught::caught;
pub(crate) use join_error::panic_message;

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

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

/// The first of two panics, if there was one. The second goes nowhere.
pub(crate) fn first_panic(
    first: thread::Result<()>,
    second: thread::Result<()>,
) -> thread::Result<()> {
    match first {
        Ok(()) => second,
        Err(payload) => {
            second.unwrap_or_else(forget_panic);
            Err(payload)
        }
    }
}

/// Does `work` with something. If that unwinds, drops what is in it with `clear`, so that the panic
/// meets nothing alive.
///
/// A panic of `clear` goes nowhere, for one is on its way. It must leave less to be dropped by the
/// next call.
#[inline]
pub(crate) fn or_clear<T, O>(
    mut it: T,
    clear: impl FnMut(&mut T),
    work: impl FnOnce(&mut T) -> O,
) -> O {
    struct Guard<'a, T, C: FnMut(&mut T)>(&'a mut T, C);

    impl<T, C: FnMut(&mut T)> Drop for Guard<'_, T, C> {
        fn drop(&mut self) {
            let Self(it, clear) = self;
            while let Err(payload) = catch(|| clear(it)) {
                forget_panic(payload);
            }
        }
    }

    let guard = Guard(&mut it, clear);
    let output = work(guard.0);
    mem::forget(guard);
    output
}

/// Drops what a panic left. What its destructor panics with may do the same, without end: that is
/// leaked.
pub(crate) fn forget_panic(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_drop(payload) {
        mem::forget(second);
    }
}
