//! The HTTP clients against a server that misbehaves.

#[cfg(feature = "threads")]
mod canary;
#[cfg(any(feature = "hyper-tokio", feature = "isahc", feature = "reqwest"))]
mod clients;
mod deviations;
mod engine;
mod expect;
#[cfg(feature = "threads")]
#[path = "../it/random.rs"]
mod random;
#[cfg(feature = "threads")]
mod random_faults;
#[cfg(feature = "tracing")]
#[path = "../it/recorder.rs"]
mod recorder;
mod report;
mod runtimes;
mod support;
#[cfg(feature = "surf")]
mod surf_engines;
mod table;
#[cfg(all(feature = "tls", feature = "threads"))]
mod tls;
#[cfg(feature = "tower")]
mod tower;

use std::sync::Arc;

use untethered::Runtime;
use untethered::http::conformance::Conformance;
use untethered::http::{Client, Engine, client_fn};

use crate::deviations::Deviation;
use crate::runtimes::On;

/// Makes a test of each case for a client on a runtime.
macro_rules! mount {
    ($module:ident, $runtime:ident, $client:ident, $deviations:ident) => {
        mod $module {
            untethered::conformance_tests!(|case| crate::check(
                case,
                crate::runtimes::$runtime(),
                crate::$client,
                crate::deviations::$deviations,
            ));
        }
    };
}

fn check(case: &str, on: On, client: fn(&Runtime) -> Box<dyn Client>, deviations: &[Deviation]) {
    let rt = &on.rt;
    let mut conformance = Conformance::new(rt, || client(rt));
    for Deviation { case, instead } in deviations {
        conformance = conformance.deviates(case, *instead);
    }
    (on.block_on)(Box::pin(async {
        conformance.run_case(case).await.assert();
    }));
}

fn engine(rt: &Runtime) -> Box<dyn Client> {
    Box::new(Engine::new(rt))
}

/// Around the engine.
fn closure(rt: &Runtime) -> Box<dyn Client> {
    let engine = Arc::new(Engine::new(rt));
    Box::new(client_fn(move |request| {
        let engine = engine.clone();
        async move { engine.send(request).await }
    }))
}

#[cfg(feature = "surf")]
fn surf(rt: &Runtime) -> Box<dyn Client> {
    Box::new(untethered::http::SurfClient::new(rt))
}

/// surf as somebody else may have set it up, so that all passes through its types.
#[cfg(feature = "surf")]
fn own_surf(rt: &Runtime) -> Box<dyn Client> {
    let surf = surf::Client::with_http_client(Engine::new(rt)).with(AddHeader);
    Box::new(untethered::http::SurfClient::from(surf))
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
fn reqwest(rt: &Runtime) -> Box<dyn Client> {
    Box::new(untethered::http::ReqwestClient::new(rt).unwrap())
}

#[cfg(feature = "hyper-tokio")]
fn hyper(rt: &Runtime) -> Box<dyn Client> {
    Box::new(untethered::http::HyperClient::new(rt))
}

#[cfg(feature = "isahc")]
fn isahc(rt: &Runtime) -> Box<dyn Client> {
    Box::new(untethered::http::IsahcClient::new(rt).unwrap())
}

/// Through tower and back.
#[cfg(feature = "tower")]
fn tower(rt: &Runtime) -> Box<dyn Client> {
    use untethered::http::{ClientService, TowerClient};

    let engine = Engine::new(rt);
    let capabilities = engine.capabilities();
    let service = ClientService::new(engine);
    Box::new(TowerClient::new(service).with_capabilities(capabilities))
}

#[cfg(feature = "threads")]
mount!(engine_on_threads, threads, engine, ENGINE);
#[cfg(feature = "smol")]
mount!(engine_on_smol, smol, engine, ENGINE);
#[cfg(feature = "async-std")]
mount!(engine_on_async_std, async_std, engine, ENGINE);
#[cfg(feature = "tokio")]
mount!(engine_on_tokio, tokio, engine, ENGINE);
#[cfg(feature = "tokio")]
mount!(
    engine_on_tokio_with_sockets,
    tokio_with_sockets,
    engine,
    ENGINE
);
#[cfg(feature = "tokio")]
mount!(
    engine_on_tokio_current_thread,
    tokio_current_thread,
    engine,
    ENGINE
);
#[cfg(feature = "threads")]
mount!(closure_on_threads, threads, closure, CLOSURE);
#[cfg(all(feature = "surf", feature = "threads"))]
mount!(surf_on_threads, threads, surf, SURF);
#[cfg(all(feature = "surf", feature = "smol"))]
mount!(surf_on_smol, smol, surf, SURF);
#[cfg(all(feature = "surf", feature = "async-std"))]
mount!(surf_on_async_std, async_std, surf, SURF);
#[cfg(all(feature = "surf", feature = "tokio"))]
mount!(surf_on_tokio, tokio, surf, SURF);
#[cfg(all(feature = "surf", feature = "threads"))]
mount!(own_surf_on_threads, threads, own_surf, SURF);
#[cfg(all(feature = "reqwest", feature = "threads"))]
mount!(reqwest_on_threads, threads, reqwest, REQWEST);
#[cfg(all(feature = "reqwest", feature = "smol"))]
mount!(reqwest_on_smol, smol, reqwest, REQWEST);
#[cfg(all(feature = "reqwest", feature = "async-std"))]
mount!(reqwest_on_async_std, async_std, reqwest, REQWEST);
#[cfg(all(feature = "reqwest", feature = "tokio"))]
mount!(reqwest_on_tokio, tokio_with_sockets, reqwest, REQWEST);
#[cfg(all(feature = "hyper-tokio", feature = "threads"))]
mount!(hyper_on_threads, threads, hyper, HYPER);
#[cfg(all(feature = "hyper-tokio", feature = "smol"))]
mount!(hyper_on_smol, smol, hyper, HYPER);
#[cfg(all(feature = "hyper-tokio", feature = "async-std"))]
mount!(hyper_on_async_std, async_std, hyper, HYPER);
#[cfg(all(feature = "hyper-tokio", feature = "tokio"))]
mount!(hyper_on_tokio, tokio_with_sockets, hyper, HYPER);
#[cfg(all(feature = "tower", feature = "threads"))]
mount!(tower_on_threads, threads, tower, TOWER);
#[cfg(all(feature = "isahc", feature = "threads"))]
mount!(isahc_on_threads, threads, isahc, ISAHC);
#[cfg(all(feature = "isahc", feature = "smol"))]
mount!(isahc_on_smol, smol, isahc, ISAHC);
#[cfg(all(feature = "isahc", feature = "async-std"))]
mount!(isahc_on_async_std, async_std, isahc, ISAHC);
#[cfg(all(feature = "isahc", feature = "tokio"))]
mount!(isahc_on_tokio, tokio, isahc, ISAHC);
