//! The HTTP clients against a server that misbehaves.
#![cfg(feature = "http")]

mod conformance;
mod engine;
mod runtimes;
mod server;
#[cfg(all(feature = "tls", feature = "threads"))]
mod tls;

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

#[cfg(feature = "surf")]
fn surf(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::SurfClient::new(&on.rt)),
        rt: on.rt,
        block_on: on.block_on,
    }
}

/// surf as somebody else may have set it up, so that all passes through its types.
#[cfg(feature = "surf")]
fn own_surf(on: runtimes::On) -> Setup {
    let engine = untethered::http::Engine::new(&on.rt);
    let surf = surf::Client::with_http_client(engine).with(AddHeader);
    Setup {
        client: Box::new(untethered::http::SurfClient::from(surf)),
        rt: on.rt,
        block_on: on.block_on,
    }
}

#[cfg(feature = "surf")]
struct AddHeader;

#[cfg(feature = "surf")]
#[async_trait::async_trait]
impl surf::middleware::Middleware for AddHeader {
    async fn handle(
        &self,
        mut request: surf::Request,
        client: surf::Client,
        next: surf::middleware::Next<'_>,
    ) -> surf::Result<surf::Response> {
        request.insert_header("x-middleware", "was here");
        next.run(request, client).await
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

#[cfg(all(feature = "surf", feature = "threads"))]
for_each_conformance_test!(mount!(
    surf_on_threads,
    crate::surf(crate::runtimes::threads())
));
#[cfg(all(feature = "surf", feature = "smol"))]
for_each_conformance_test!(mount!(surf_on_smol, crate::surf(crate::runtimes::smol())));
#[cfg(all(feature = "surf", feature = "async-std"))]
for_each_conformance_test!(mount!(
    surf_on_async_std,
    crate::surf(crate::runtimes::async_std())
));
#[cfg(all(feature = "surf", feature = "tokio"))]
for_each_conformance_test!(mount!(surf_on_tokio, crate::surf(crate::runtimes::tokio())));

#[cfg(all(feature = "surf", feature = "threads"))]
for_each_conformance_test!(mount!(
    own_surf_on_threads,
    crate::own_surf(crate::runtimes::threads())
));
