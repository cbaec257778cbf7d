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

/// What a main context may hand to worker processes: nothing, or bytes.
pub trait Value: sealed::Bytes + 'static {}

impl Value for () {}
impl Value for Vec<u8> {}

pub(super) mod sealed {
    pub trait Bytes {
        fn into_bytes(self) -> Vec<u8>;
        fn from_bytes(bytes: Vec<u8>) -> Self;
    }

    impl Bytes for () {
        fn into_bytes(self) -> Vec<u8> {
            Vec::new()
        }

        fn from_bytes(_bytes: Vec<u8>) -> Self {}
    }

    impl Bytes for Vec<u8> {
        fn into_bytes(self) -> Vec<u8> {
            self
        }

        fn from_bytes(bytes: Vec<u8>) -> Self {
            bytes
        }
    }
}
