use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Group;
use super::node::{CLOSING, Node};
use super::report::Report;
use super::shutdown;
use super::state::{Closed, Closing, Wait};
use crate::runtime::BoxFuture;
use crate::task::{Reason, caught};

/// The closing and closed state of whatever owns a [`Group`]. From [`Group::life`].
#[derive(Clone)]
pub struct Life {
    node: Arc<Node>,
}

impl Life {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("path", &self.node.path())
            .field("state", &self.node.state_name())
            .finish()
    }
}

/// Whatever has a life: open, then closing, then closed.
///
/// It asks for one method; the rest is provided. A [`Group`] is one, and so is whatever keeps its
/// tasks in one.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
/// use untethered::group::{Group, Life, Resource};
///
/// struct Connection {
///     group: Group,
/// }
///
/// impl Resource for Connection {
///     fn life(&self) -> &Life {
///         self.group.life()
///     }
/// }
///
/// let rt = untethered::runtime::threads(1);
/// let connection = Connection { group: Group::builder(&rt).build() };
/// connection.group.spawn(std::future::pending::<()>());
/// let closed = connection.closed();
/// let answer = connection.using(async |connection| {
///     assert!(connection.is_open());
///     42
/// });
/// assert_eq!(answer.await, 42);
/// closed.await.unwrap();
/// # });
/// ```
pub trait Resource {
    /// The state of the group whose end is the end of this.
    fn life(&self) -> &Life;

    /// Whether it has not begun to close.
    fn is_open(&self) -> bool {
        !self.is_closing()
    }

    /// Whether it has begun to close. Stays so once it is closed.
    fn is_closing(&self) -> bool {
        self.life().node.flags() & CLOSING != 0
    }

    /// Whether nothing of it is left.
    fn is_closed(&self) -> bool {
        self.life().node.is_closed()
    }

    /// As [`Group::closing`].
    fn closing(&self) -> Closing {
        Closing(Wait::new(&self.life().node, false))
    }

    /// As [`Group::closed`].
    ///
    /// # Errors
    ///
    /// [`SelfWait`](super::SelfWait), as there.
    fn closed(&self) -> Closed {
        Closed(Wait::new(&self.life().node, true))
    }

    /// As [`Group::close`]: takes nothing more, and finishes what there is.
    ///
    /// A task that loops has to watch [`closing`](super::GroupRef::closing) to be finished: its
    /// token tells of a cancel, not of this.
    fn close(&self) {
        self.life().node.close();
    }

    /// As [`Group::cancel`].
    fn cancel(&self, reason: impl Into<Reason>)
    where
        Self: Sized,
    {
        self.life().node.cancel(&reason.into(), false);
    }

    /// As [`Group::shutdown`].
    fn shutdown(&self, grace: Duration) -> Shutdown {
        Shutdown(Box::pin(shutdown::of(self.life().node.clone(), grace)))
    }

    /// Hands it to `body`, then cancels it and waits until it is closed, also if `body` panics.
    ///
    /// The wait ends after twice the hard limit of its group; what is left then is aborted, as
    /// [`Group::shutdown`] does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `body` and the resource, which cancels its group.
    ///
    /// # Panics
    ///
    /// If `body` does, with its panic, once it is closed.
    fn using<B, T>(self, body: B) -> impl Future<Output = T>
    where
        Self: Sized,
        B: AsyncFnOnce(&Self) -> T,
    {
        async move {
            let output = caught(async { body(&self).await }).await;
            let node = self.life().node.clone();
            let grace = node.setup.hard_limit;
            shutdown::of(node, grace).await;
            match output {
                Ok(output) => output,
                Err(payload) => resume_unwind(payload),
            }
        }
    }
}

impl<E: Send + 'static> Resource for Group<E> {
    fn life(&self) -> &Life {
        Self::life(self)
    }
}

/// The future of [`Resource::shutdown`].
///
/// # Cancel safety
///
/// Dropping it, once it was polled, leaves the cancel in force.
#[must_use = "futures do nothing unless awaited"]
pub struct Shutdown(BoxFuture<'static, Report>);

impl Future for Shutdown {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}
