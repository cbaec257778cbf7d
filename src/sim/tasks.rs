use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use slab::Slab;

use super::executor::Shared;
use crate::runtime::{BoxFuture, Drives};

/// The tasks that have not ended.
#[derive(Default)]
pub(super) struct Tasks {
    entries: Slab<Entry>,
    started: u64,
}

/// The place of a task, and its number: places are used again, numbers are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) key: usize,
    pub(super) number: u64,
}

pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) body: TaskBody,
    pub(super) waker: Waker,
    pub(super) queued: bool,
    pub(super) polls: u64,
    /// In which it was polled last.
    pub(super) round: Option<u64>,
    pub(super) started: Started,
}

pub(super) enum TaskBody {
    /// The future of `block_on`, which stays on its stack.
    Main,
    Idle(BoxFuture<'static, ()>),
    /// Taken out to be polled.
    Polled,
}

/// Where a task comes from.
#[derive(Debug, Clone)]
pub(super) enum Started {
    /// The future of a `block_on`.
    Main(&'static Location<'static>),
    At(&'static Location<'static>),
    /// By a group of this name, to poll its children.
    ToDrive(Weak<dyn Drives>, Option<Arc<str>>),
}

impl Tasks {
    /// Adds a task that nobody has woken yet.
    pub(super) fn add(
        &mut self,
        shared: &Arc<Shared>,
        body: TaskBody,
        started: Started,
    ) -> (TaskId, Waker) {
        let number = self.started;
        self.started += 1;
        let vacant = self.entries.vacant_entry();
        let id = TaskId {
            key: vacant.key(),
            number,
        };
        let waker = Waker::from(Arc::new(TaskWaker {
            shared: Arc::downgrade(shared),
            id,
        }));
        vacant.insert(Entry {
            number,
            body,
            waker: waker.clone(),
            queued: false,
            polls: 0,
            round: None,
            started,
        });
        (id, waker)
    }

    /// The task, unless it has ended.
    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.key)?;
        (entry.number == id.number).then_some(entry)
    }

    pub(super) fn remove(&mut self, id: TaskId) -> Option<Entry> {
        self.get_mut(id)?;
        Some(self.entries.remove(id.key))
    }

    /// Takes all out, to be dropped outside the lock.
    pub(super) fn take(&mut self) -> Slab<Entry> {
        std::mem::take(&mut self.entries)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Entry)> {
        self.entries.iter().map(|(key, entry)| {
            let number = entry.number;
            (TaskId { key, number }, entry)
        })
    }

    /// Those that nobody has woken.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (TaskId, &Entry)> {
        self.iter().filter(|(_, entry)| !entry.queued)
    }
}

impl Entry {
    pub(super) fn is_main(&self) -> bool {
        matches!(self.body, TaskBody::Main)
    }

    /// Who it is.
    pub(super) fn name(&self) -> Name {
        Name {
            number: self.number,
            started: self.started.clone(),
        }
    }
}

/// Who a task is, for reports.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) number: u64,
    pub(super) started: Started,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.started {
            Started::Main(place) => write!(f, "main, started at {place}"),
            Started::At(place) => write!(f, "task {}, spawned at {place}", self.number),
            Started::ToDrive(_, Some(group)) => {
                write!(f, "task {}, a driver of group `{group}`", self.number)
            }
            Started::ToDrive(_, None) => write!(f, "task {}, a driver of a group", self.number),
        }
    }
}

struct TaskWaker {
    shared: Weak<Shared>,
    id: TaskId,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lock().enqueue(self.id);
        }
    }
}
