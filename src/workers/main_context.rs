use std::fmt;
use std::future::Future;
use std::net::TcpListener;

use futures_core::future::LocalBoxFuture;

use super::Report;
use super::control::Control;
use super::error::{Kind, WorkersError};
use super::plan::Plan;
use super::running::Starter;
use super::supervisor::Supervisor;
use crate::group::BoxError;
use crate::runtime;

/// The main context: what the parent does around all workers.
///
/// [`serve`](Self::serve) is where the workers run. There is one way to get a [`Report`], so a main
/// context runs its workers once, or fails before.
///
/// # Examples
///
/// ```
/// use untethered::group::BoxError;
/// use untethered::workers::Workers;
///
/// let report = Workers::threads(2)
///     .main(|main| async move {
///         let table = vec!["loaded", "once"]; // before the first worker
///         let report = main.serve(table).await?;
///         println!("stopped: {}", report.reason); // after the last one
///         Ok::<_, BoxError>(report)
///     })
///     .run(|worker| async move {
///         assert_eq!(worker.value()[worker.index()].len(), [6, 4][worker.index()]);
///     });
/// assert!(report.unwrap().is_clean());
/// ```
pub struct Main<V> {
    plan: Plan,
    listeners: Vec<TcpListener>,
    control: Control,
    starter: Box<dyn FnOnce(V) -> Result<Starter, WorkersError>>,
}

pub(super) type MainBody<V> =
    Box<dyn FnOnce(Main<V>) -> LocalBoxFuture<'static, Result<Report, WorkersError>>>;

pub(super) fn main_body<V, F, Fut, E>(main: F) -> MainBody<V>
where
    F: FnOnce(Main<V>) -> Fut + 'static,
    Fut: Future<Output = Result<Report, E>> + 'static,
    E: Into<BoxError>,
    V: 'static,
{
    Box::new(move |context| {
        Box::pin(async move {
            main(context).await.map_err(|error| {
                let error: BoxError = error.into();
                // One of ours that came through the main context is still ours.
                match error.downcast::<WorkersError>() {
                    Ok(error) => *error,
                    Err(error) => WorkersError::new(Kind::Main(error)),
                }
            })
        })
    })
}

impl<V> Main<V> {
    pub(super) fn new(
        plan: Plan,
        listeners: Vec<TcpListener>,
        control: Control,
        starter: impl FnOnce(V) -> Result<Starter, WorkersError> + 'static,
    ) -> Self {
        Self {
            plan,
            listeners,
            control,
            starter: Box::new(starter),
        }
    }

    /// The sockets of [`listen`](super::Workers::listen).
    pub fn listeners(&self) -> &[TcpListener] {
        &self.listeners
    }

    /// Stops and reloads the workers.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs the workers, each with `value`, until the last one has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it kills the worker processes and asks the worker threads to stop, and waits for
    /// neither.
    ///
    /// # Errors
    ///
    /// [`WorkersError`] if nothing could be started at all; return it from the main context.
    pub async fn serve(self, value: V) -> Result<Report, WorkersError> {
        let signals = self.plan.listen_for_signals();
        let signals = signals.map_err(|error| WorkersError::new(Kind::Signals(error)))?;
        let starter = (self.starter)(value)?;
        // For timers and the words of workers. A runtime of its own: that of the main context may
        // be busy.
        let rt = runtime::threads(1);
        let supervisor = Supervisor::new(self.plan, starter, rt);
        Ok(supervisor.run(signals, &self.control).await)
    }
}

impl<V> fmt::Debug for Main<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Main")
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
