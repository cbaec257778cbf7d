//! Which public types may move between threads, be shared and be moved when pinned. A change here
//! is a change of the API.

use std::future::Ready;
use std::marker::{PhantomData, PhantomPinned};
use std::rc::Rc;

use untethered::context::{
    ContextError, ContextGroup, ExitStack, Exited, HandOver, HandOverError, Scoped, Stage,
    TaskLocal,
};
use untethered::run::{self, Run, RunError};
use untethered::runtime::{BoxFuture, Runtime, Unobserved};
use untethered::signal::{self, SecondSignal, ShutdownSignals, Signal, Source};
use untethered::sim::{
    Deadlock, Explore, Explored, Failure, Faults, MayDrop, Order, OutsideWork, ParseScheduleError,
    Schedule, Sim, SimRef, YieldNow,
};
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
        struct Probe<T>(std::marker::PhantomData<T>);
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

#[cfg(feature = "conformance")]
mod conformance;
mod groups;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "workers")]
mod workers;

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
        Unobserved: true false true;
    }
}

#[cfg(feature = "tokio")]
#[test]
fn of_a_missing_runtime() {
    check! { untethered::runtime::NoRuntime: true true true; }
}

#[test]
fn of_time() {
    use untethered::time::{
        Backoff, Elapsed, Interval, InvalidJitter, InvalidPeriod, MissedTicks, MoveOnAfter,
        NextTick, Overlap, Sleep, SleepOrStop, Stuck, Tick, TickFailure, Timeout, Timer,
        TimerBuilder,
    };
    check! {
        Sleep: true false false;
        Backoff: true true true;
        Timeout<Ready<u8>>: true false false;
        Timeout<Ready<Rc<u8>>>: false false false;
        MoveOnAfter<Ready<u8>>: true false false;
        Elapsed: true true true;
        SleepOrStop<'static>: true false false;
        Interval: true false true;
        NextTick<'static>: true false true;
        MissedTicks: true true true;
        InvalidJitter: true true true;
        InvalidPeriod: true true true;
        Timer: true true true;
        TimerBuilder: true true true;
        Overlap: true true true;
        Tick: true true true;
        TickFailure<u8>: true false true;
        Stuck: true true true;
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
        Stage: true true true;
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
        SecondSignal: true true true;
        signal::Builder: true true true;
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
        SimRef: true true true;
        OutsideWork: true true true;
        MayDrop<Ready<u8>>: true true true;
        MayDrop<PhantomPinned>: true true false;
        MayDrop<Rc<()>>: false false true;
        Explore<fn(&Sim)>: true true true;
        Explored: true true true;
        Failure: true true true;
        Faults: true true true;
        Schedule: true true true;
        ParseScheduleError: true true true;
    }
    #[cfg(feature = "http")]
    check! {
        untethered::sim::Network: true true true;
        untethered::sim::Reply: true true true;
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

#[test]
fn of_combinators() {
    use untethered::combine::{
        AsCompleted, Empty, Entrants, Failures, Future2, Future3, Gather, GatherUntil, Hedge,
        IntoRace, OneOf2, OneOf8, Quorate, Quorum, QuorumError, Race, RaceOk, Success, TryGather,
        TryGatherUntil, Until, Wait, WaitSet,
    };
    type Of<F> = Entrants<std::vec::IntoIter<F>>;
    type Good = Ready<Result<u8, u8>>;
    type Bad = Ready<Result<Rc<u8>, u8>>;
    type Pinned = std::future::Pending<PhantomPinned>;
    type PinnedResult = std::future::Pending<Result<PhantomPinned, u8>>;
    // The kinds of entrants have no names outside: a race is named by what it is made of.
    fn race<K, E: IntoRace<K>>(_: fn() -> E) -> Probe<Race<E::Racers>> {
        Probe(PhantomData)
    }
    struct Probe<T>(PhantomData<T>);
    impl<T: Send> Probe<T> {
        fn is_send(&self) {}
    }
    impl<T: Unpin> Probe<T> {
        fn is_unpin(&self) {}
    }
    let tuple = race(|| (std::future::ready(1), std::future::ready('a')));
    let (array, vector) = (
        race(|| [1; 20].map(std::future::ready)),
        race(|| vec![std::future::ready(1)]),
    );
    tuple.is_send();
    array.is_send();
    vector.is_send();
    tuple.is_unpin();
    array.is_unpin();
    vector.is_unpin();
    check! {
        AsCompleted<Of<Ready<u8>>>: true true true;
        AsCompleted<Of<Ready<Rc<u8>>>>: false false true;
        AsCompleted<Of<Pinned>>: true true true;
        Gather<Of<Ready<u8>>>: true true true;
        Gather<Of<Ready<Rc<u8>>>>: false false true;
        TryGather<Of<Good>>: true true true;
        TryGather<Of<Bad>>: false false true;
        RaceOk<Good>: true false true;
        RaceOk<Bad>: false false true;
        RaceOk<PinnedResult>: true false true;
        Quorum<Good>: true false true;
        Quorum<Bad>: false false true;
        Hedge<Of<Bad>>: false false false;
        WaitSet<Ready<u8>>: true true true;
        WaitSet<Ready<Rc<u8>>>: false false true;
        WaitSet<Pinned>: true true false;
        Empty: true true true;
        Failures<u8>: true true true;
        Success<u8, u8>: true true true;
        Quorate<u8, u8>: true true true;
        QuorumError<u8, Rc<u8>>: false false true;
        OneOf2<u8, Rc<u8>>: false false true;
        Future2<Ready<u8>, Pinned>: true true true;
        Future2<Ready<u8>, PhantomPinned>: true true false;
        Until<Rc<u8>>: true true true;
        OneOf8<u8, u8, u8, u8, u8, u8, u8, Rc<u8>>: false false true;
        Future3<Ready<u8>, Ready<u8>, Rc<u8>>: false false true;
        GatherUntil<Of<Ready<u8>>>: true false false;
        TryGatherUntil<Of<Good>>: true false false;
        Hedge<Of<Good>>: true false false;
        Wait<'static, Ready<u8>>: true false false;
    }
}

#[test]
fn of_adaptors() {
    use untethered::stream::{
        Batches, Blocking, Chunks, Concurrently, Equal, EqualOrError, Every, FilterMap, Filtered,
        First, FromIter, Inflate, Inflated, IsNone, Kept, MapBlocking, Mapped, MappedBlocking,
        Merge, MergeAll, PollUntil, Progress, TryFromIter, TryFromStream, TryInflate, TryInflated,
        WithProgress, Zip,
    };
    type S = futures_lite::stream::Pending<u8>;
    type Local = futures_lite::stream::Pending<Rc<u8>>;
    type F = fn() -> u8;
    check! {
        Batches<S>: true false true;
        Batches<Local>: false false true;
        Chunks<std::vec::IntoIter<u8>>: true true true;
        Concurrently<S>: true true true;
        FilterMap<FromIter<std::vec::IntoIter<Ready<Option<u8>>>>>: true true true;
        Filtered<S, F>: true true true;
        Kept<u8, Ready<bool>>: true true true;
        Kept<Rc<u8>, PhantomPinned>: false false false;
        Blocking<u8>: true true true;
        MappedBlocking<S, F>: true true true;
        First<S>: true true true;
        First<PhantomPinned>: true true false;
        Inflate<S, F>: true true true;
        TryInflate<S, F>: true true true;
        TryInflate<PhantomPinned, F>: true true false;
        Inflated<u8, Ready<u8>>: true true true;
        TryInflated<Rc<u8>, Ready<u8>>: false false true;
        MapBlocking<S, F>: true true true;
        Mapped<S, F>: true true true;
        Merge<S, Local>: false false true;
        Merge<S, PhantomPinned>: true true false;
        MergeAll<S>: true true true;
        MergeAll<Local>: false false true;
        PollUntil<F, Ready<Rc<u8>>, u8>: false false true;
        PollUntil<F, PhantomPinned, u8>: true true false;
        Progress: true true true;
        TryFromIter<PhantomPinned>: true true true;
        TryFromStream<PhantomPinned>: true true false;
        WithProgress<S, F>: true true true;
        Zip<S, S>: true true true;
        Zip<S, Local>: false false true;
        Kept<u8, Ready<bool>>: true true true;
        Every: true true true;
        Equal<u8>: true true true;
        Equal<Rc<u8>>: false false true;
        EqualOrError<u8>: true true true;
        IsNone: true true true;
    }
}
