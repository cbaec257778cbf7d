use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::executor::Shared;
use super::may_drop::MayDrop;

/// What a task may do with the [`Sim`](super::Sim) that runs it. From
/// [`Sim::reference`](super::Sim::reference).
///
/// Clones refer to the same simulation, and do not keep it: once it is dropped its clock stands
/// still.
///
/// # Examples
///
/// A task that takes its time:
///
/// ```
/// use std::time::Duration;
/// use untethered::sim::Sim;
/// use untethered::time::timeout;
///
/// let sim = Sim::new();
/// let (rt, inside) = (sim.runtime(), sim.reference());
/// let second = Duration::from_secs(1);
/// sim.block_on(async {
///     let busy = rt.spawn(async move { inside.advance(3 * second) });
///     assert!(timeout(&rt, second, std::future::pending::<()>()).await.is_err());
///     assert_eq!(sim.elapsed(), 3 * second);
///     busy.await.unwrap();
/// });
/// ```
#[derive(Clone)]
pub struct SimRef {
    shared: Arc<Shared>,
}

impl SimRef {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
        }
    }

    /// Moves time by `duration` there and then, and runs nothing.
    ///
    /// The timers on the way wake their tasks by deadline. These run once the caller gives way,
    /// so they all see the later time: as on a machine that was busy for so long.
    /// [`Sim::advance`](super::Sim::advance) stops at each timer instead.
    ///
    /// # Panics
    ///
    /// If `duration` is more than the clock can say.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let until = self.shared.after(duration);
        if !self.shared.lock().closed {
            self.shared.shift(until);
        }
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.shared.lock().timers.now()
    }

    /// How far time has moved since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.shared.lock().timers.elapsed()
    }

    /// As [`Sim::may_drop`](super::Sim::may_drop).
    #[track_caller]
    pub fn may_drop<F: IntoFuture>(&self, future: F) -> MayDrop<F::IntoFuture> {
        MayDrop::new(&self.shared, future.into_future(), Location::caller())
    }
}

impl fmt::Debug for SimRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimRef")
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}
