use std::hash::RandomState;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::inner::{Inner, State};
use super::table::Table;
use super::{Memo, Stats};
use crate::primitives::Mutex;
use crate::runtime::Runtime;

/// How many values a memo keeps, unless the builder says otherwise.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// Settings of a new [`Memo`]. From [`Memo::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing before build()"]
pub struct Builder {
    capacity: Option<NonZeroUsize>,
    life: Option<(Runtime, Duration)>,
    keep_errors: bool,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            capacity: Some(CAPACITY),
            life: None,
            keep_errors: false,
        }
    }

    /// How many values it keeps. By default 128.
    ///
    /// # Panics
    ///
    /// If `capacity` is nought: it would keep nothing. A number that comes from outside is best
    /// read as a [`NonZeroUsize`].
    #[track_caller]
    pub fn capacity(mut self, capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity);
        self.capacity = Some(capacity.expect("a memo with room for nought keeps nothing"));
        self
    }

    /// Keeps every value, or, with a time to live, every value for that long.
    pub fn unbounded(mut self) -> Self {
        self.capacity = None;
        self
    }

    /// How long a value lives, from the end of its load, by the clock of `rt`. By default for
    /// ever.
    ///
    /// # Panics
    ///
    /// If `life` is nought: no value would be found again. A duration that comes from outside is
    /// best compared with nought first.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")] {
    /// use std::time::Duration;
    /// use untethered::memo::Memo;
    /// use untethered::sim::Sim;
    ///
    /// let sim = Sim::new();
    /// let minute = Duration::from_secs(60);
    /// let memo = Memo::builder().time_to_live(&sim.runtime(), minute).build();
    /// sim.block_on(memo.load("key", || async { 1 })).unwrap();
    /// assert!(memo.contains("key"));
    /// sim.advance(minute);
    /// assert!(!memo.contains("key"));
    /// # }
    /// ```
    #[track_caller]
    pub fn time_to_live(mut self, rt: &Runtime, life: Duration) -> Self {
        assert!(
            !life.is_zero(),
            "a value that lives for no time is never found"
        );
        self.life = Some((rt.clone(), life));
        self
    }

    /// Keeps errors as it keeps values. By default they are not kept: who asks next loads again.
    pub fn keep_errors(mut self) -> Self {
        self.keep_errors = true;
        self
    }

    /// The memo.
    pub fn build<K, V, E>(self) -> Memo<K, V, E> {
        Memo {
            inner: Arc::new(Inner {
                hasher: RandomState::new(),
                capacity: self.capacity,
                life: self.life,
                keep_errors: self.keep_errors,
                state: Mutex::new(State {
                    table: Table::new(),
                    stats: Stats::default(),
                    closed: false,
                }),
            }),
        }
    }
}
