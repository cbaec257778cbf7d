//! What tasks wait for.
//!
//! * [`Limit`]: so many at once.
//! * [`RateLimit`]: so many in a period.
//!
//! Neither needs a runtime, except that [`RateLimit`] sleeps through the one it is given.

mod limit;
mod rate_limit;
mod wait_list;

pub use limit::{Acquire, AcquireOwned, Limit, OwnedPermit, Permit};
pub use rate_limit::{AcquireRate, InvalidRate, RateLimit};

pub(crate) use wait_list::{Key, WaitList, Wakers, wake_all};
