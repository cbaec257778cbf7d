//! Processes that this program starts.

mod child;

pub use self::child::{Child, Exit, SignalError};
