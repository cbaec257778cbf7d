use std::collections::VecDeque;

use crate::task::{catch_drop, first_panic};

/// Outputs on their way from completion order to input order.
///
/// Has a place for each item from the first that was not delivered to the last that is known of.
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

    /// Keeps an output until its turn comes. Gives it back if that is now.
    pub(super) fn put(&mut self, index: usize, value: T) -> Option<T> {
        let place = index - self.first;
        if place > 0 {
            if place >= self.places.len() {
                self.places.resize_with(place + 1, || None);
            }
            self.places[place] = Some(value);
            return None;
        }
        self.advance();
        Some(value)
    }

    /// The output whose turn it is, if it is there.
    pub(super) fn next(&mut self) -> Option<T> {
        let value = self.places.front_mut()?.take()?;
        self.advance();
        Some(value)
    }

    fn advance(&mut self) {
        self.places.pop_front();
        self.first += 1;
    }

    /// Drops everything, also what is behind an output whose destructor panics.
    pub(super) fn clear(&mut self) -> std::thread::Result<()> {
        let mut result = Ok(());
        for value in self.places.drain(..) {
            result = first_panic(result, catch_drop(value));
        }
        result
    }
}
