//! The HTTP clients against a server that misbehaves.
#![cfg(feature = "http")]

mod conformance;
mod engine;
mod runtimes;
mod server;

use conformance::{Setup, for_each_conformance_test};

/// Mounts the suite for a client on a runtime.
macro_rules! mount {
    (($module:ident, $setup:expr) $($test:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    crate::conformance::$test($setup);
                }
            )*
        }
    };
}

fn engine(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::Engine::new(&on.rt)),
        rt: on.rt,
        block_on: on.block_on,
    }
}

#[cfg(feature = "threads")]
for_each_conformance_test!(mount!(
    engine_on_threads,
    crate::engine(crate::runtimes::threads())
));
#[cfg(feature = "smol")]
for_each_conformance_test!(mount!(
    engine_on_smol,
    crate::engine(crate::runtimes::smol())
));
#[cfg(feature = "async-std")]
for_each_conformance_test!(mount!(
    engine_on_async_std,
    crate::engine(crate::runtimes::async_std())
));
#[cfg(feature = "tokio")]
for_each_conformance_test!(mount!(
    engine_on_tokio,
    crate::engine(crate::runtimes::tokio())
));
#[cfg(feature = "tokio")]
for_each_conformance_test!(mount!(
    engine_on_tokio_current_thread,
    crate::engine(crate::runtimes::tokio_current_thread())
));
