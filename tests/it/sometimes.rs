//! What a random test must have reached to have shown anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts how often each of the things happened for whose sake there are random tests.
#[derive(Debug, Clone)]
pub(crate) struct Sometimes(Arc<[(&'static str, AtomicUsize)]>);

impl Sometimes {
    pub(crate) fn new<const N: usize>(names: [&'static str; N]) -> Self {
        Self(names.map(|name| (name, AtomicUsize::new(0))).into())
    }

    #[track_caller]
    pub(crate) fn hit(&self, name: &str) {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found
            .unwrap_or_else(|| panic!("nobody counts {name:?}"))
            .1
            .fetch_add(1, SeqCst);
    }

    /// Counts `name` if it is so.
    #[track_caller]
    pub(crate) fn hit_if(&self, name: &str, so: bool) {
        if so {
            self.hit(name);
        }
    }

    /// Asserts that each of them happened so often at least.
    #[track_caller]
    pub(crate) fn assert_each(&self, least: usize) {
        let rare: Vec<_> = self
            .0
            .iter()
            .filter(|(_, count)| count.load(SeqCst) < least)
            .collect();
        assert!(rare.is_empty(), "less than {least} times: {rare:?}");
    }
}

#[test]
fn what_never_happened_is_named() {
    let seen = Sometimes::new(["often", "never"]);
    (0..3).for_each(|n| seen.hit_if("often", n > 0));
    let text = crate::support::panic_text(|| seen.assert_each(2));
    assert!(text.contains("never") && !text.contains("often"), "{text}");
    assert!(crate::support::panic_text(|| seen.hit("oftn")).contains("oftn"));
}
