//! What tasks wait for, without a runtime.

mod wait_list;

pub(crate) use wait_list::{Key, WaitList, wake_all};
