//! What a worker runs, from its first line to its last, in a process or in a thread.

use std::future::Future;
use std::sync::Arc;

use futures_core::future::LocalBoxFuture;

use super::Failure;
use super::wire::Done;
use super::worker::{Seat, Worker};
use crate::group::BoxError;
use crate::primitives::Mutex;
use crate::task::{catch, forget_panic, panic_message};

/// What the body of a worker may return: `()`, an exit code, or a `Result` of these.
///
/// An error is exit code 1, a panic 101.
#[diagnostic::on_unimplemented(
    message = "a worker can not return `{Self}`",
    label = "neither `()`, an exit code (`u8`), nor a `Result` of these",
    note = "the error of a `Result` is any that goes into a `Box<dyn Error + Send + Sync>`"
)]
pub trait WorkerOutput: sealed::Output {}

impl WorkerOutput for () {}
impl WorkerOutput for u8 {}
impl<T: WorkerOutput, E: Into<BoxError>> WorkerOutput for Result<T, E> {}

pub(super) mod sealed {
    use super::BoxError;

    #[diagnostic::on_unimplemented(
        message = "a worker can not return `{Self}`",
        label = "neither `()`, an exit code (`u8`), nor a `Result` of these",
        note = "the error of a `Result` is any that goes into a `Box<dyn Error + Send + Sync>`"
    )]
    pub trait Output {
        fn code(self) -> Result<u8, BoxError>;
    }

    impl Output for () {
        fn code(self) -> Result<u8, BoxError> {
            Ok(0)
        }
    }

    impl Output for u8 {
        fn code(self) -> Result<u8, BoxError> {
            Ok(self)
        }
    }

    impl<T: Output, E: Into<BoxError>> Output for Result<T, E> {
        fn code(self) -> Result<u8, BoxError> {
            self.map_err(Into::into)?.code()
        }
    }
}

pub(super) type Body<V> =
    Arc<dyn Fn(Worker<V>) -> LocalBoxFuture<'static, Result<u8, BoxError>> + Send + Sync>;
pub(super) type Runner = Arc<dyn Fn(LocalBoxFuture<'static, ()>) + Send + Sync>;
pub(super) type Hook = Arc<dyn Fn(usize) + Send + Sync>;

pub(super) fn body<V, F, Fut>(body: F) -> Body<V>
where
    F: Fn(Worker<V>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: WorkerOutput> + 'static,
    V: 'static,
{
    let body = Arc::new(body);
    Arc::new(move |worker| {
        let body = body.clone();
        // Called in the runtime, where it may start tasks at once.
        Box::pin(async move { sealed::Output::code(body(worker).await) })
    })
}

/// For workers that are given a value they do not ask for.
pub(super) fn without_value<V: 'static>(body: Body<()>) -> Body<V> {
    Arc::new(move |worker: Worker<V>| body(worker.without_value()))
}

/// Which body, by name: a reload may start a build of the program that has others.
pub(super) struct Role<V> {
    pub(super) name: String,
    pub(super) body: Body<V>,
}

impl<V> Clone for Role<V> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            body: self.body.clone(),
        }
    }
}

/// Runs a worker and says how it ended. Does not unwind.
pub(super) fn play<V: 'static>(
    seat: &Arc<Seat>,
    value: V,
    body: &Body<V>,
    before_start: &Hook,
    runner: &Runner,
) -> Done {
    let output = Arc::new(Mutex::new(None));
    let slot = output.clone();
    let worker = Worker::new(seat.clone(), value);
    let body = body.clone();
    let ran = catch(|| {
        before_start(seat.index);
        runner(Box::pin(async move {
            let output = body(worker).await;
            *slot.lock() = Some(output.map_err(|error| describe(&*error)));
        }));
    });
    let (code, message) = match (ran, output.lock().take()) {
        (Err(payload), _) => {
            let message = match panic_message(&*payload) {
                Some(message) => format!("panicked: {message}"),
                None => "panicked".to_owned(),
            };
            forget_panic(payload);
            (101, Some(message))
        }
        (Ok(()), Some(Ok(code))) => (code, None),
        (Ok(()), Some(Err(message))) => (1, Some(message)),
        (Ok(()), None) => (
            1,
            Some("its runner returned before it had ended".to_owned()),
        ),
    };
    Done {
        code,
        failure: message.map(|message| Failure {
            phase: seat.phase(),
            message,
        }),
        reason: seat.reason(),
    }
}

/// The error and what is behind it.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    message
}
