use std::collections::VecDeque;

use crate::task::catch_drop;

/// Outputs on their way from completion order to input order.
///
/// Has a place for each item from the first that was not delivered to the last that was taken
/// from the source.
pub(super) struct Ordered<T> {
    /// The index of the item in front.
    first: usize,
    places: VecDeque<Option<T>>,
}

impl<T> Ordered<T> {
    pub(super) fn new() -> Self {
        Self {
            first: 0,
            places: VecDeque::new(),
        }
    }

    /// How many items were taken and not delivered.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Makes a place for the next item.
    pub(super) fn expect_next(&mut self) {
        self.places.push_back(None);
    }

    /// Keeps an output until its turn comes.
    pub(super) fn put(&mut self, index: usize, value: T) {
        self.places[index - self.first] = Some(value);
    }

    /// The output whose turn it is, if it is there.
    pub(super) fn next(&mut self) -> Option<T> {
        let value = self.places.front_mut()?.take()?;
        self.places.pop_front();
        self.first += 1;
        Some(value)
    }

    /// Drops everything, also what is behind an output whose destructor panics.
    pub(super) fn clear(&mut self) -> std::thread::Result<()> {
        self.places
            .drain(..)
            .fold(Ok(()), |result, value| result.and(catch_drop(value)))
    }
}
