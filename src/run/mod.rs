//! A whole program, from its first line to an orderly end on Ctrl-C.
//!
//! | You want | Take |
//! |---|---|
//! | a main that is dropped at the first signal | [`run`] |
//! | a main that is asked to stop, cleans up and still returns a value | [`run_with`] |
//! | a second Ctrl-C that cuts the clean-up short, and still a value | [`Run::signals`] with [`SecondSignal::Hurry`], [`Context::second_token`] |
//! | a second Ctrl-C that drops main, or ends the program | [`Run::signals`] with [`SecondSignal::Escalate`] or [`Exit`] |
//! | the same inside a runtime that is there already, or with other settings | [`Run`] |
//! | no signals and no runtime | [`block_on`](crate::block_on) |
//!
//! In a `#[tokio::main]` take [`Run`]: [`run`] and [`run_with`] block, which tokio does not allow
//! there.
//!
//! While it runs the signals do not end the program; afterwards they do again.
//!
//! [`SecondSignal::Hurry`]: crate::signal::SecondSignal::Hurry
//! [`SecondSignal::Escalate`]: crate::signal::SecondSignal::Escalate
//! [`Exit`]: crate::signal::SecondSignal::Exit

mod builder;
mod context;
mod error;

pub use builder::Run;
pub use context::Context;
pub use error::RunError;

use std::future::Future;

use crate::runtime::Runtime;

/// Runs `main` on the calling thread; the first signal drops it.
///
/// Listens for SIGINT and SIGTERM (Ctrl-C on Windows). What `main` has to do when it is stopped
/// belongs in destructors, or `main` in [`run_with`]. A value that is ready when the signal comes
/// is returned. Tasks that `main` started end as their handles say: a dropped
/// [`Task`](crate::Task) is cancelled, nobody waits for it.
///
/// # Errors
///
/// [`RunError`] if a signal came first, or if the system does not let us listen.
///
/// # Panics
///
/// If `main` does, and as [`Runtime::block_on`]: in a `#[tokio::main]` await [`Run::main`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] {
/// use untethered::{run, runtime};
///
/// let rt = runtime::threads(2);
/// let sum = run(&rt, async { rt.spawn(async { 6 * 7 }).await.unwrap() });
/// assert_eq!(sum.unwrap(), 42);
/// # }
/// ```
#[track_caller]
pub fn run<F: IntoFuture>(rt: &Runtime, main: F) -> Result<F::Output, RunError> {
    rt.block_on(Run::on(rt).main(main))
}

/// Runs `main` on the calling thread; the first signal asks it to stop.
///
/// Listens for SIGINT and SIGTERM (Ctrl-C on Windows). The first signal cancels the token of the
/// [`Context`], and nothing else: `main` stops what it started, in its order, and its value comes
/// back. Later signals are ignored, so a `main` that does not look at its token can not be
/// interrupted: take [`run`] for such a one, or say with [`Run::signals`] what a second signal does. Tasks that `main` has left in the group of the
/// context are cancelled and waited for, also if it panics.
///
/// A task that blocks its thread does not hold up the return for ever, but on tokio it holds up the
/// end of the process: the drop of the tokio runtime waits for it. End that by its
/// `shutdown_timeout`, or the program by [`std::process::exit`].
///
/// # Errors
///
/// [`RunError`] if the system does not let us listen.
///
/// # Panics
///
/// If `main` does, once its tasks have ended, and as [`Runtime::block_on`]: in a `#[tokio::main]`
/// await [`Run::main_with`].
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use untethered::{run_with, runtime, time::sleep_or_stop};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let rt = runtime::threads(2);
///     let renewals = run_with(&rt, |cx| async move {
///         let mut renewals = 0;
///         while !sleep_or_stop(cx.runtime(), Duration::from_secs(10), cx.token()).await {
///             renewals += 1;
///         }
///         renewals // Ctrl-C comes here; what has to be awaited before the end is awaited
///     })?;
///     println!("renewed {renewals} times");
///     Ok(())
/// }
/// ```
#[track_caller]
pub fn run_with<M, F>(rt: &Runtime, main: M) -> Result<F::Output, RunError>
where
    M: FnOnce(Context) -> F,
    F: Future,
{
    rt.block_on(Run::on(rt).main_with(main))
}
