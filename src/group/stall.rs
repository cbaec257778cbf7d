//! Who is told of tasks that were not polled in time, or polled for long.

use std::sync::Arc;
use std::time::Duration;

use super::label::{ChildId, Name};
use super::node::Node;
use super::tree::{Activity, TaskInfo};
use super::watch::Watch;
use crate::task::catch;

/// From [`Builder::stall_after`](super::Builder::stall_after).
#[derive(Clone)]
pub(super) struct Stall {
    threshold: Duration,
    hook: Arc<dyn Fn(TaskInfo) + Send + Sync>,
}

impl Stall {
    pub(super) fn new(
        threshold: Duration,
        hook: impl Fn(TaskInfo) + Send + Sync + 'static,
    ) -> Self {
        Self {
            threshold,
            hook: Arc::new(hook),
        }
    }
}

impl Node {
    /// Tells the hook if a task has done `activity` for longer than the threshold.
    pub(super) fn note_stall(
        &self,
        id: ChildId,
        watch: &Watch,
        activity: Activity,
        since: Duration,
    ) {
        let Some(stall) = &self.setup.stall else {
            return;
        };
        if since <= stall.threshold {
            return;
        }
        let Some(label) = self.label_of(id) else {
            return;
        };
        let (_, mut stats) = watch.look();
        stats.since = since;
        let task = TaskInfo {
            path: label.path(self),
            name: label.name.map(Name::into_owned),
            spawned_at: label.spawned_at,
            activity: Some(activity),
            stats: Some(stats),
        };
        if let Err(payload) = catch(|| (stall.hook)(task)) {
            self.runtime().report_unobserved(payload);
        }
    }
}
