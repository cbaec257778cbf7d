use std::sync::Arc;

use super::Group;
use super::node::Node;
use super::report::Tally;

/// How many tasks a group has, and what became of those it had. From [`Group::stats`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStats {
    /// Tasks that were started: `live` and all that have ended.
    pub spawned: usize,
    /// Tasks that have not ended, those that wait for a slot included.
    pub live: usize,
    /// Tasks that came to their own end.
    pub finished: usize,
    /// Tasks that failed or panicked. An `Err` that only the handle gets is a value like any other.
    pub failed: usize,
    /// Those of the failed that panicked.
    pub panicked: usize,
    /// Tasks that were dropped when they were asked to stop.
    pub cancelled: usize,
    /// Tasks that were dropped because their grace was over.
    pub aborted: usize,
}

impl<E: Send + 'static> Group<E> {
    /// What this group counts, with its subgroups, those that have ended included.
    ///
    /// For metrics: it costs a lock and a few numbers for each live subgroup, and tasks pay nothing
    /// for it. It looks at one subgroup after the other, so that a task which ends meanwhile may
    /// be counted as it was or as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use untethered::group::Group;
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let group = Group::builder(&sim.runtime()).build();
    /// group.spawn(async {});
    /// group.spawn(std::future::pending::<()>());
    /// sim.run_until_idle();
    /// let stats = group.stats();
    /// assert_eq!((stats.spawned, stats.finished, stats.live), (2, 1, 1));
    /// ```
    pub fn stats(&self) -> GroupStats {
        self.door().node.stats()
    }
}

impl Node {
    fn stats(self: &Arc<Self>) -> GroupStats {
        let mut tally = Tally::default();
        let mut live = 0;
        for node in self.tree() {
            let state = node.state.lock();
            live += state.children.len();
            tally.add(&state.tally);
        }
        tally.stats(live)
    }
}
