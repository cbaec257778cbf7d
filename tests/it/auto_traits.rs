//! Which public types may move between threads, be shared and be moved when pinned. A change here
//! is a change of the API.

use std::future::Ready;
use std::marker::{PhantomData, PhantomPinned};
use std::rc::Rc;

use untethered::runtime::{BoxFuture, Runtime, Sleep, Unobserved};
use untethered::sim::{Deadlock, Order, Sim, YieldNow};
use untethered::stream::{
    Collect, CollectOnRuntime, Concurrent, ConcurrentError, FailFast, FromIter, FromStream,
    OnRuntime,
};
use untethered::sync::{
    Acquire, AcquireOwned, AcquireRate, InvalidRate, Limit, OwnedPermit, Permit, RateLimit,
};
use untethered::task::{
    AbortHandle, BlockingTask, CancellationToken, Cancelled, CancelledOwned, DropGuard, JoinError,
    Reason, RunUntilCancelled, Task,
};

/// Whether a type implements a trait, as a constant.
macro_rules! implements {
    ($type:ty: $trait:ident) => {{
        struct Probe<T>(PhantomData<T>);
        // Found only if the other, which goes first, does not apply.
        #[allow(dead_code, reason = "not used where the trait is implemented")]
        trait Otherwise {
            const ANSWER: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code, reason = "not used where the trait is not implemented")]
        impl<T: $trait> Probe<T> {
            const ANSWER: bool = true;
        }
        Probe::<$type>::ANSWER
    }};
}

macro_rules! check {
    ($($type:ty: $send:literal $sync:literal $unpin:literal;)*) => {$(
        assert_eq!(
            (
                implements!($type: Send),
                implements!($type: Sync),
                implements!($type: Unpin),
            ),
            ($send, $sync, $unpin),
            "Send, Sync, Unpin of {}",
            stringify!($type),
        );
    )*};
}

#[test]
fn the_probe_tells_yes_from_no() {
    check! {
        u8: true true true;
        Rc<u8>: false false true;
        PhantomPinned: true true false;
        std::cell::Cell<u8>: true false true;
    }
}

#[test]
fn of_the_runtime() {
    check! {
        Runtime: true true true;
        Sleep: true false true;
        Unobserved: true false true;
    }
}

#[test]
fn of_tasks() {
    type Cell = std::cell::Cell<u8>;
    check! {
        Task<u8>: true true true;
        Task<Cell>: true true true;
        Task<PhantomPinned>: true true true;
        BlockingTask<u8>: true true true;
        BlockingTask<Cell>: true true true;
        AbortHandle: true true true;
        JoinError: true true true;
    }
}

#[test]
fn of_tokens() {
    check! {
        CancellationToken: true true true;
        Cancelled<'static>: true true true;
        CancelledOwned: true true true;
        DropGuard: true true true;
        Reason: true true true;
        RunUntilCancelled<'static, Ready<u8>>: true true true;
        RunUntilCancelled<'static, Ready<Rc<u8>>>: false false true;
        RunUntilCancelled<'static, PhantomPinned>: true true false;
    }
}

#[test]
fn of_streams() {
    type Jobs<F> = FromIter<std::vec::IntoIter<F>>;
    type Pinned = std::future::Pending<PhantomPinned>;
    check! {
        Concurrent<Jobs<Ready<u8>>>: true true true;
        Concurrent<Jobs<Ready<Rc<u8>>>>: false false true;
        Concurrent<Jobs<BoxFuture<'static, u8>>>: true false true;
        Concurrent<Jobs<Pinned>>: true true true;
        Concurrent<Jobs<Ready<Result<u8, u8>>>, FailFast>: true true true;
        Concurrent<FromStream<futures_lite::stream::Pending<Ready<u8>>>>: true true true;
        Collect<Jobs<Ready<u8>>>: true true true;
        OnRuntime<Jobs<Ready<u8>>>: true true true;
        CollectOnRuntime<Jobs<Pinned>>: true true true;
        ConcurrentError<u8, u8>: true true true;
    }
}

#[test]
fn of_the_simulation() {
    check! {
        Sim: true true true;
        Order: true true true;
        Deadlock: true true true;
        YieldNow: true true true;
    }
}

#[test]
fn of_limits() {
    check! {
        Limit: true true true;
        Acquire<'static>: true true true;
        AcquireOwned: true true true;
        Permit<'static>: true true true;
        OwnedPermit: true true true;
        RateLimit: true true true;
        AcquireRate<'static>: true false true;
        InvalidRate: true true true;
    }
}

#[cfg(feature = "http")]
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

#[cfg(feature = "http")]
#[test]
fn of_the_fan_out() {
    use untethered::http::{
        FailFast, FailedFetch, FanOut, FetchAll, FetchAllFuture, FetchError, FetchRequest,
        FetchResults, FetchStream, Fetched, Progress, Redirected, StatusCheck, Tally, Timeouts,
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
        Progress: true true true;
        Tally: true true true;
        StatusCheck: true true true;
        Timeouts: true true true;
    }
}
