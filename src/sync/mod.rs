//! What tasks wait for.
//!
//! * [`Event`]: until something was set.
//! * [`Limit`]: so many at once.
//! * [`RateLimit`]: so many in a period.
//! * [`Once`]: for a value that is loaded by the first who asks.
//!
//! None needs a runtime, except that [`RateLimit`] sleeps through the one it is given.

mod event;
mod limit;
mod once;
mod rate_limit;
mod wait_list;

pub use event::{Event, WaitSet};
pub use limit::{Acquire, AcquireOwned, Limit, OwnedPermit, Permit};
pub use once::{Load, Once, TryLoad};
pub use rate_limit::{AcquireRate, InvalidRate, RateLimit};

pub(crate) use wait_list::{Key, NeedsClone, WaitList, Wakers, wake_all};
