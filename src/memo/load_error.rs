use std::fmt;
use std::sync::Arc;

/// Why there is no value. From [`Memo::try_load`](super::Memo::try_load).
pub enum LoadError<E> {
    /// The memo is closed.
    Closed,
    /// The load failed, with this for everybody who waits for it.
    Failed(Arc<E>),
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Failed(error) => Self::Failed(error.clone()),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Closed"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<E> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the memo is closed",
            Self::Failed(_) => "load failed",
        })
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Failed(error) => Some(&**error),
        }
    }
}
