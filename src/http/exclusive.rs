use std::fmt;

use crate::primitives::Mutex;

/// Makes `Sync` what is not, for libraries that ask for it: a lock that nobody ever takes.
pub(super) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    #[cfg(feature = "surf")]
    pub(super) fn into_inner(self) -> T {
        self.0.into_inner()
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T> fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}
