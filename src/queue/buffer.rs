use std::collections::{BTreeMap, VecDeque};

/// The items of a queue that belong to nobody yet, the oldest first.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    /// What pops were given and did not take, by the order in which it was given. Older than all
    /// of `items`: a pop is given an item only when nothing is stored.
    returned: BTreeMap<u64, T>,
    items: VecDeque<T>,
}

/// How much room stays once a burst is over.
const KEPT: usize = 1024;

impl<T> Buffer<T> {
    pub(super) fn new() -> Self {
        Self {
            returned: BTreeMap::new(),
            items: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.returned.is_empty()
    }

    pub(super) fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Puts back an item that was given as the `turn`-th.
    pub(super) fn put_back(&mut self, turn: u64, item: T) {
        self.returned.insert(turn, item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        if !self.returned.is_empty() {
            return self.returned.pop_first().map(|(_, item)| item);
        }
        let item = self.items.pop_front();
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
        item
    }

    /// Appends the oldest items to `batch` until it holds `max`.
    pub(super) fn pop_into(&mut self, batch: &mut Vec<T>, max: usize) {
        while batch.len() < max {
            let Some(item) = self.pop() else { break };
            batch.push(item);
        }
    }

    pub(super) fn take_all(&mut self) -> VecDeque<T> {
        if self.is_empty() {
            return VecDeque::new();
        }
        let items = std::mem::take(&mut self.items);
        if self.returned.is_empty() {
            return items;
        }
        let returned = std::mem::take(&mut self.returned).into_values();
        returned.chain(items).collect()
    }
}
