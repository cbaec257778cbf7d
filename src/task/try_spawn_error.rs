use std::error::Error;
use std::fmt;

/// Why a group took no future, or a pool no closure. Gives it back.
pub enum TrySpawnError<F> {
    /// It was closed or cancelled.
    Closed(F),
    /// The limit of the group is reached, or the queue of the pool.
    Full(F),
}

impl<F> TrySpawnError<F> {
    /// The future or closure that was not taken.
    pub fn into_inner(self) -> F {
        match self {
            Self::Closed(work) | Self::Full(work) => work,
        }
    }

    /// Whether nothing more is taken.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether the limit is reached.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "closed: nothing more is taken",
            Self::Full(_) => "full: the limit is reached",
        })
    }
}

impl<F> Error for TrySpawnError<F> {}
