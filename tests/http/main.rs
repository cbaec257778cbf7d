//! The HTTP clients against a server that misbehaves.
#![cfg(feature = "http")]

#[cfg(any(feature = "hyper-tokio", feature = "isahc", feature = "reqwest"))]
mod clients;
mod conformance;
mod deviations;
mod engine;
mod runtimes;
mod server;
mod table;
#[cfg(all(feature = "tls", feature = "threads"))]
mod tls;
#[cfg(feature = "tower")]
mod tower;

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
        deviations: deviations::ENGINE,
    }
}

#[cfg(feature = "surf")]
fn surf(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::SurfClient::new(&on.rt)),
        rt: on.rt,
        block_on: on.block_on,
        deviations: deviations::SURF,
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
        deviations: deviations::SURF,
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

#[cfg(feature = "reqwest")]
fn reqwest(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::ReqwestClient::new(&on.rt).unwrap()),
        rt: on.rt,
        block_on: on.block_on,
        deviations: deviations::REQWEST,
    }
}

#[cfg(feature = "hyper-tokio")]
fn hyper(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::HyperClient::new(&on.rt)),
        rt: on.rt,
        block_on: on.block_on,
        deviations: deviations::HYPER,
    }
}

#[cfg(feature = "isahc")]
fn isahc(on: runtimes::On) -> Setup {
    Setup {
        client: Box::new(untethered::http::IsahcClient::new(&on.rt).unwrap()),
        rt: on.rt,
        block_on: on.block_on,
        deviations: deviations::ISAHC,
    }
}

/// Through tower and back.
#[cfg(feature = "tower")]
fn tower(on: runtimes::On) -> Setup {
    use untethered::http::{Client, ClientService, Engine, TowerClient};

    let engine = Engine::new(&on.rt);
    let capabilities = engine.capabilities();
    let service = ClientService::new(engine);
    Setup {
        client: Box::new(TowerClient::new(service).with_capabilities(capabilities)),
        rt: on.rt,
        block_on: on.block_on,
        deviations: deviations::TOWER,
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

#[cfg(all(feature = "reqwest", feature = "threads"))]
for_each_conformance_test!(mount!(
    reqwest_on_threads,
    crate::reqwest(crate::runtimes::threads())
));

#[cfg(all(feature = "reqwest", feature = "smol"))]
for_each_conformance_test!(mount!(
    reqwest_on_smol,
    crate::reqwest(crate::runtimes::smol())
));

#[cfg(all(feature = "reqwest", feature = "async-std"))]
for_each_conformance_test!(mount!(
    reqwest_on_async_std,
    crate::reqwest(crate::runtimes::async_std())
));

#[cfg(all(feature = "reqwest", feature = "tokio"))]
for_each_conformance_test!(mount!(
    reqwest_on_tokio,
    crate::reqwest(crate::runtimes::tokio_with_sockets())
));

#[cfg(all(feature = "hyper-tokio", feature = "threads"))]
for_each_conformance_test!(mount!(
    hyper_on_threads,
    crate::hyper(crate::runtimes::threads())
));

#[cfg(all(feature = "hyper-tokio", feature = "smol"))]
for_each_conformance_test!(mount!(hyper_on_smol, crate::hyper(crate::runtimes::smol())));

#[cfg(all(feature = "hyper-tokio", feature = "async-std"))]
for_each_conformance_test!(mount!(
    hyper_on_async_std,
    crate::hyper(crate::runtimes::async_std())
));

#[cfg(all(feature = "hyper-tokio", feature = "tokio"))]
for_each_conformance_test!(mount!(
    hyper_on_tokio,
    crate::hyper(crate::runtimes::tokio_with_sockets())
));

#[cfg(all(feature = "tower", feature = "threads"))]
for_each_conformance_test!(mount!(
    tower_on_threads,
    crate::tower(crate::runtimes::threads())
));

#[cfg(all(feature = "isahc", feature = "threads"))]
for_each_conformance_test!(mount!(
    isahc_on_threads,
    crate::isahc(crate::runtimes::threads())
));

#[cfg(all(feature = "isahc", feature = "smol"))]
for_each_conformance_test!(mount!(isahc_on_smol, crate::isahc(crate::runtimes::smol())));

#[cfg(all(feature = "isahc", feature = "async-std"))]
for_each_conformance_test!(mount!(
    isahc_on_async_std,
    crate::isahc(crate::runtimes::async_std())
));

#[cfg(all(feature = "isahc", feature = "tokio"))]
for_each_conformance_test!(mount!(
    isahc_on_tokio,
    crate::isahc(crate::runtimes::tokio())
));
