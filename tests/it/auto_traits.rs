//! Which public types may move between threads, be shared and be moved when pinned. A change here
//! is a change of the API.

use std::future::Ready;
use std::marker::{PhantomData, PhantomPinned};
use std::rc::Rc;

use untethered::context::{
    ContextError, ContextGroup, ExitStack, Exited, HandOver, HandOverError, Scoped, TaskLocal,
};
use untethered::run::{self, Run, RunError};
use untethered::runtime::{BoxFuture, Runtime, Sleep, Unobserved};
use untethered::signal::{ShutdownSignals, Signal, Source};
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
fn of_contexts() {
    type Local = std::cell::Cell<u8>;
    check! {
        ContextError<u8>: true true true;
        HandOver<u8, Rc<u8>>: true true true;
        HandOver<Rc<u8>, u8>: false false true;
        HandOverError<u8>: true true true;
        ContextGroup<'static, Local, u8>: true false true;
        Exited<u8, u8, u8>: true true true;
        ExitStack<Local>: true false true;
        TaskLocal<Local>: true true true;
        Scoped<Ready<u8>>: true true true;
        Scoped<Ready<Rc<u8>>>: false false true;
        Scoped<PhantomPinned>: true true false;
    }
}

#[test]
fn of_signals_and_mains() {
    check! {
        ShutdownSignals: true true true;
        Source: true true true;
        Signal: true true true;
        Run: true true true;
        RunError: true true true;
        run::Context: true true true;
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

#[test]
fn of_queues() {
    use untethered::queue::{
        Closed, Pop, PopBatch, PopLatest, Push, Queue, QueueSink, QueueStream, Receiver, Sender,
        TryPopError, TryPushError, WaitClosed,
    };
    type Cell = std::cell::Cell<u8>;
    check! {
        // The queue moves items between threads, and shares none.
        Queue<Cell>: true true true;
        Sender<Cell>: true true true;
        Receiver<Cell>: true true true;
        QueueStream<Cell>: true true true;
        QueueSink<Cell>: true true true;
        Push<'static, Cell>: true false true;
        Pop<'static, Cell>: true true true;
        PopLatest<'static, Cell>: true true true;
        PopBatch<'static, Cell>: true true true;
        WaitClosed<'static, Cell>: true true true;
        Queue<Rc<u8>>: false false true;
        Sender<Rc<u8>>: false false true;
        Receiver<Rc<u8>>: false false true;
        Pop<'static, Rc<u8>>: false false true;
        Push<'static, PhantomPinned>: true true true;
        QueueSink<PhantomPinned>: true true true;
        Closed<u8>: true true true;
        TryPushError<u8>: true true true;
        TryPopError: true true true;
    }
}

#[test]
fn of_pools_and_memos() {
    use untethered::memo::{Builder, Load, LoadError, Memo, Stats, TryLoad};
    use untethered::pool::{self, BlockingPool, PoolResource, TrySpawnError};
    type F = fn() -> Ready<u8>;
    type Cell = std::cell::Cell<u8>;
    check! {
        BlockingPool: true true true;
        PoolResource: true true true;
        pool::Builder: true true true;
        TrySpawnError<u8>: true true true;
        Memo<u8, u8>: true true true;
        // A value is shared by all who ask for it.
        Memo<u8, Cell>: false false true;
        Memo<Rc<u8>, u8>: false false true;
        Load<'static, u8, u8, F>: true true true;
        Load<'static, u8, u8, Rc<u8>>: false false true;
        TryLoad<'static, u8, u8, u8, PhantomPinned>: true true true;
        LoadError<u8>: true true true;
        LoadError<Cell>: false false true;
        Builder: true true true;
        Stats: true true true;
    }
}

#[test]
fn of_what_tasks_wait_for() {
    use untethered::sync::{
        AcquireKey, Event, InvalidRate, KeyedRateLimit, Load, Once, Throttle, TryLoad, WaitSet,
    };
    type F = fn() -> Ready<u8>;
    check! {
        Event: true true true;
        WaitSet<'static>: true true true;
        Once<u8>: true true true;
        Once<std::cell::Cell<u8>>: false false true;
        Load<'static, u8, F, Ready<u8>>: true true true;
        Load<'static, u8, F, Rc<u8>>: false false true;
        TryLoad<'static, u8, F, PhantomPinned>: true true false;
        KeyedRateLimit<u8>: true true true;
        KeyedRateLimit<Rc<u8>>: false false true;
        AcquireKey<'static, u8>: true false true;
        Throttle<futures_lite::stream::Empty<u8>>: true false true;
        InvalidRate: true true true;
    }
}
