use std::fmt;
use std::future::Future;

use crate::group::{GroupRef, Handle};
use crate::runtime::Runtime;
use crate::task::CancellationToken;

/// What a main knows: the runtime, the token that a signal cancels, and a group for its tasks.
///
/// It comes from [`run_with`](super::run_with) and [`Run::main_with`](super::Run::main_with).
/// Clones are the same context, for tasks that look at the token too.
#[derive(Clone)]
pub struct Context {
    pub(super) runtime: Runtime,
    pub(super) token: CancellationToken,
    pub(super) group: GroupRef,
}

impl Context {
    /// Fires at the first signal, with the name of the signal as the reason.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether a signal came.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The runtime the program runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The group whose tasks are cancelled and waited for after main, not at the signal.
    pub fn group(&self) -> &GroupRef {
        &self.group
    }

    /// Starts a task in that group. As [`Group::spawn`](crate::group::Group::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.group.spawn(future)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
