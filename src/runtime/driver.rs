use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "sim")]
use std::sync::Weak;
use std::task::{Context, Poll};

/// A task of the runtime that polls children of a group.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "nobody can name it")]
pub struct Driver {
    drives: Arc<dyn Drives>,
    seat: Seat,
}

/// Which of the drivers of its group a driver is, and what it remembers between polls.
#[derive(Default)]
pub(crate) struct Seat {
    pub(crate) index: usize,
    pub(crate) polled: bool,
    pub(crate) ended: bool,
    /// How many children it has polled.
    pub(crate) turn: u32,
}

/// What drivers poll.
pub(crate) trait Drives: Send + Sync {
    /// The live children of the group: who they are and what they do.
    #[allow(dead_code, reason = "simulations ask")]
    fn children(self: Arc<Self>) -> Vec<String>;

    /// What the group is called, if it has a name.
    #[allow(dead_code, reason = "simulations ask")]
    fn name(&self) -> Option<&str>;

    /// Polls children. `this` is the same once more, to be cloned.
    fn poll_driver(
        &self,
        this: &Arc<dyn Drives>,
        seat: &mut Seat,
        cx: &mut Context<'_>,
    ) -> Poll<()>;

    /// The runtime dropped a driver that had not ended.
    fn driver_dropped(self: Arc<Self>, seat: &Seat);
}

impl Driver {
    pub(crate) fn new(drives: Arc<dyn Drives>, index: usize) -> Self {
        let seat = Seat {
            index,
            ..Seat::default()
        };
        Self { drives, seat }
    }

    /// What it polls, for reports.
    #[cfg(feature = "sim")]
    pub(crate) fn drives(&self) -> Weak<dyn Drives> {
        Arc::downgrade(&self.drives)
    }

    /// What that is called.
    #[cfg(feature = "sim")]
    pub(crate) fn name(&self) -> Option<&str> {
        self.drives.name()
    }
}

impl Future for Driver {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { drives, seat } = &mut *self;
        drives.poll_driver(drives, seat, cx)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.seat.ended {
            self.drives.clone().driver_dropped(&self.seat);
        }
    }
}
