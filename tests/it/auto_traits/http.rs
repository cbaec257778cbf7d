use std::marker::PhantomPinned;
use std::rc::Rc;

#[test]
fn of_http() {
    use untethered::http::{
        Body, Capabilities, Chunks, Deadline, Engine, EngineBuilder, ErrorKind, HttpError, Phases,
    };
    check! {
        Body: true false true;
        Capabilities: true true true;
        Chunks: true false true;
        Deadline: true true true;
        Engine: true true true;
        EngineBuilder: true true true;
        ErrorKind: true true true;
        HttpError: true true true;
        Phases: true true true;
    }
}

#[test]
fn of_the_fan_out() {
    use untethered::http::{
        FailFast, FailedFetch, FanOut, FetchAll, FetchAllFuture, FetchError, FetchRequest,
        FetchResults, FetchStream, Fetched, Hedge, Progress, Redirected, StatusCheck, Tally,
        Timeouts,
    };
    check! {
        FanOut: true true true;
        FetchRequest: true false true;
        Fetched: true true true;
        Redirected: true true true;
        FetchError: true true true;
        FetchResults<u8>: true true true;
        FetchAll<'static, PhantomPinned>: true false true;
        FetchAllFuture<'static, PhantomPinned>: true false true;
        FetchStream<'static, PhantomPinned>: true false true;
        FailFast<'static, PhantomPinned>: true false true;
        FailedFetch<u8>: true true true;
        Hedge: true true true;
        Progress: true true true;
        Tally: true true true;
        StatusCheck: true true true;
        Timeouts: true true true;
    }
}

#[test]
fn of_pace_and_retries() {
    use untethered::http::{self, Adaptive, Attempt, ClientFn, ExchangePhase, Retry, TimeoutPhase};
    check! {
        Adaptive: true true true;
        Attempt: true true true;
        ClientFn<u8>: true true true;
        ClientFn<Rc<u8>>: false false true;
        ExchangePhase: true true true;
        Retry: true true true;
        TimeoutPhase: true true true;
        http::Stats: true true true;
    }
}

#[cfg(feature = "surf")]
#[test]
fn of_surf() {
    check! { untethered::http::SurfClient: true true true; }
}

#[cfg(feature = "reqwest")]
#[test]
fn of_reqwest() {
    check! { untethered::http::ReqwestClient: true true true; }
}

#[cfg(feature = "hyper-tokio")]
#[test]
fn of_hyper() {
    check! { untethered::http::HyperClient: true true true; }
}

#[cfg(feature = "isahc")]
#[test]
fn of_isahc() {
    check! { untethered::http::IsahcClient: true true true; }
}

#[cfg(feature = "tower")]
#[test]
fn of_tower() {
    use untethered::http::{ClientService, Engine, TowerClient};
    check! {
        ClientService<Engine>: true true true;
        TowerClient<u8>: true true true;
        TowerClient<Rc<u8>>: false false true;
    }
}

#[cfg(feature = "cookies")]
#[test]
fn of_cookies() {
    check! { untethered::http::CookieJar: true true true; }
}
