//! A worker that is a process.

#[cfg(unix)]
mod adopt;
#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(not(unix))]
#[path = "other.rs"]
mod platform;
#[cfg(unix)]
mod socket;

pub(super) use self::platform::{serve_if_worker, starter};
pub use self::value::Value;

mod value {
    /// What a main context may hand to worker processes: nothing, or bytes.
    pub trait Value: 'static {
        #[doc(hidden)]
        fn into_bytes(self) -> Vec<u8>;
        #[doc(hidden)]
        fn from_bytes(bytes: Vec<u8>) -> Self;
    }

    impl Value for () {
        fn into_bytes(self) -> Vec<u8> {
            Vec::new()
        }

        fn from_bytes(_bytes: Vec<u8>) -> Self {}
    }

    impl Value for Vec<u8> {
        fn into_bytes(self) -> Vec<u8> {
            self
        }

        fn from_bytes(bytes: Vec<u8>) -> Self {
            bytes
        }
    }
}
