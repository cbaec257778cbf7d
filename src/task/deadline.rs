use std::sync::Arc;
use std::time::Instant;

use super::CancellationToken;
use super::token::cancel_tree;
use crate::runtime::Runtime;

impl CancellationToken {
    /// A child that is cancelled at `at`, by the clock of `rt`, with the reason "deadline".
    ///
    /// It is cancelled with its parent like any child, so never later than the parent's own
    /// deadline; only an earlier one starts a timer, a small task of `rt` that ends with the
    /// token. A moment that has passed cancels it at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")] {
    /// use std::time::Duration;
    /// use untethered::CancellationToken;
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let rt = sim.runtime();
    /// let token = CancellationToken::new();
    /// let timed = token.child_until(&rt, rt.now() + Duration::from_secs(5));
    /// sim.block_on(timed.cancelled());
    /// assert_eq!(sim.elapsed(), Duration::from_secs(5));
    /// assert_eq!(timed.reason().unwrap().as_str(), "deadline");
    /// assert!(!token.is_cancelled());
    /// # }
    /// ```
    pub fn child_until(&self, rt: &Runtime, at: Instant) -> Self {
        if self.deadline().is_some_and(|deadline| deadline <= at) {
            return self.child_token();
        }
        let child = self.child(Some(at));
        if at <= rt.now() {
            child.cancel("deadline");
            return child;
        }
        let watched = Arc::downgrade(&child.node);
        let sleep = rt.sleep_until(at);
        let timer = rt.spawn(async move {
            sleep.await;
            if let Some(node) = watched.upgrade() {
                cancel_tree(node, &"deadline".into());
            }
        });
        let mut state = child.node.state.lock();
        // Under the lock: a cancel that comes later takes the timer away.
        if child.is_cancelled() {
            drop(state);
            drop(timer);
        } else {
            state.timer = Some(timer);
            drop(state);
        }
        child
    }

    /// When the token is cancelled at the latest, by its own deadline or that of a parent.
    pub fn deadline(&self) -> Option<Instant> {
        // A child has one of its own only if that is the earlier one.
        let mut node = Some(&self.node);
        while let Some(this) = node {
            if this.deadline.is_some() {
                return this.deadline;
            }
            node = this.parent.as_ref();
        }
        None
    }
}
