//! What tasks wait for.
//!
//! * [`Event`]: until something was set.
//! * [`Limit`]: so many at once.
//! * [`RateLimit`]: so many in a period. [`KeyedRateLimit`]: so many of each key.
//! * [`Once`]: for a value that is loaded by the first who asks.
//!
//! None needs a runtime, except that the rate limits sleep through the one they are given.

mod event;
mod keyed_rate_limit;
mod limit;
mod once;
mod rate_limit;
mod task_waker;
mod throttle;
mod wait_list;

pub use event::{Event, WaitSet};
pub use keyed_rate_limit::{AcquireKey, KeyedRateLimit};
pub use limit::{Acquire, AcquireOwned, Limit, OwnedPermit, Permit};
pub use once::{Load, Once, TryLoad};
pub use rate_limit::{AcquireRate, InvalidRate, RateLimit};
pub use throttle::Throttle;

pub(crate) use task_waker::TaskWaker;
pub(crate) use wait_list::{Key, NeedsClone, WaitList, Wakers, remember, wake, wake_all};
