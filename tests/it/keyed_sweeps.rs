//! When the keys of a limit are looked through, and what happens if they change meanwhile.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use untethered::Runtime;
use untethered::sim::Sim;
use untethered::sync::KeyedRateLimit;

const SECOND: Duration = Duration::from_secs(1);

// L3
#[test]
fn keys_are_swept_once_a_period() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, SECOND);
    let start = |key| {
        assert!(rate.try_acquire(&rt, key));
        rate.len()
    };
    assert_eq!(start(1), 1);
    sim.advance(SECOND / 2);
    assert_eq!(start(2), 2);
    sim.advance(SECOND / 2);
    assert_eq!(start(3), 2, "the first has gone");
    sim.advance(SECOND / 2);
    assert_eq!(start(4), 3, "there was a sweep in this period");
    sim.advance(10 * SECOND);
    assert_eq!(start(5), 1);
}

/// What a key is to be started with.
type Start = (KeyedRateLimit<Hasty>, Runtime);

/// A key that starts its equal when it is compared for the first time.
struct Hasty {
    name: u8,
    at_eq: Rc<Cell<Option<Start>>>,
}

impl Hash for Hasty {
    fn hash<H: Hasher>(&self, state: &mut H) {
        7_u8.hash(state);
    }
}

impl PartialEq for Hasty {
    fn eq(&self, other: &Self) -> bool {
        if let Some((rate, rt)) = self.at_eq.take() {
            let at_eq = self.at_eq.clone();
            assert!(rate.try_acquire(&rt, Self { name: 2, at_eq }));
        }
        self.name == other.name
    }
}

impl Eq for Hasty {}

// L1
#[test]
fn a_key_that_comes_while_it_is_looked_for_has_one_window() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let rate = KeyedRateLimit::new(1, SECOND);
    let at_eq = Rc::new(Cell::new(None));
    let key = |name| Hasty {
        name,
        at_eq: at_eq.clone(),
    };
    assert!(rate.try_acquire(&rt, key(1)));
    at_eq.set(Some((rate.clone(), rt.clone())));
    assert!(!rate.try_acquire(&rt, key(2)), "its equal has started");
    assert_eq!(rate.len(), 2);
}
