//! How to start, drive and end each runtime.

use std::future::Future;

use untethered::Runtime;

pub(crate) trait Host: 'static {
    /// How many tasks it runs at the same moment.
    const WORKERS: usize;
    /// Whether time and threads are real.
    const REAL: bool = true;
    /// Whether its handle can run a future from outside.
    const BLOCKS: bool = true;

    fn start() -> Self;
    fn runtime(&self) -> Runtime;
    /// Runs `future` on this thread, and the tasks if nothing else runs them.
    fn block_on<F: Future>(&self, future: F) -> F::Output;
}

/// A host that can be shut down, and that no other test shares.
pub(crate) trait Ends: Host {
    /// Whether tasks run without anyone in `block_on`.
    const SELF_DRIVEN: bool;
    /// Whether a sleep stays pending from then on.
    const TIMERS_END: bool;
    /// Whether a task that holds a handle keeps the runtime from ending.
    const HANDLE_KEEPS: bool = false;

    /// Shuts down without waiting. Gives the handle back if there can be one after that.
    fn end(self, rt: Runtime) -> Option<Runtime>;
}

#[cfg(feature = "tokio")]
pub(crate) use self::on_tokio::{
    CurrentThread as TokioCurrentThread, MultiThread as TokioMultiThread,
};

#[cfg(feature = "tokio")]
mod on_tokio {
    use tokio::runtime::Builder;

    use super::*;

    pub(crate) struct CurrentThread(tokio::runtime::Runtime);

    impl Host for CurrentThread {
        const WORKERS: usize = 1;
        const BLOCKS: bool = false;

        fn start() -> Self {
            Self(Builder::new_current_thread().enable_time().build().unwrap())
        }

        fn runtime(&self) -> Runtime {
            self.0.handle().clone().try_into().unwrap()
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            self.0.block_on(future)
        }
    }

    impl Ends for CurrentThread {
        const SELF_DRIVEN: bool = false;
        const TIMERS_END: bool = true;

        fn end(self, rt: Runtime) -> Option<Runtime> {
            self.0.shutdown_background();
            Some(rt)
        }
    }

    pub(crate) struct MultiThread(tokio::runtime::Runtime);

    impl Host for MultiThread {
        const WORKERS: usize = 2;

        fn start() -> Self {
            let mut builder = Builder::new_multi_thread();
            Self(builder.worker_threads(2).enable_time().build().unwrap())
        }

        fn runtime(&self) -> Runtime {
            // The other way to one.
            let _inside = self.0.enter();
            untethered::runtime::tokio().unwrap()
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            self.0.block_on(future)
        }
    }

    impl Ends for MultiThread {
        const SELF_DRIVEN: bool = true;
        const TIMERS_END: bool = true;

        fn end(self, rt: Runtime) -> Option<Runtime> {
            self.0.shutdown_background();
            Some(rt)
        }
    }
}

#[cfg(feature = "smol")]
pub(crate) use self::on_smol::{Executor as SmolExecutor, Global as SmolGlobal};

#[cfg(feature = "smol")]
mod on_smol {
    use std::sync::Arc;

    use super::*;

    pub(crate) struct Global;

    impl Host for Global {
        const WORKERS: usize = 1;

        fn start() -> Self {
            Self
        }

        fn runtime(&self) -> Runtime {
            untethered::runtime::smol()
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            smol::block_on(future)
        }
    }

    pub(crate) struct Executor(Arc<smol::Executor<'static>>);

    impl Host for Executor {
        // The adapter can not know; it says what the machine has.
        const WORKERS: usize = 0;

        fn start() -> Self {
            Self(Arc::new(smol::Executor::new()))
        }

        fn runtime(&self) -> Runtime {
            untethered::runtime::executor(&self.0)
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            smol::block_on(self.0.run(future))
        }
    }

    impl Ends for Executor {
        const SELF_DRIVEN: bool = false;
        const TIMERS_END: bool = false;

        fn end(self, rt: Runtime) -> Option<Runtime> {
            drop(self);
            Some(rt)
        }
    }
}

#[cfg(feature = "async-std")]
pub(crate) use self::on_async_std::AsyncStd;

#[cfg(feature = "async-std")]
mod on_async_std {
    use super::*;

    pub(crate) struct AsyncStd;

    impl Host for AsyncStd {
        const WORKERS: usize = 0;

        fn start() -> Self {
            Self
        }

        fn runtime(&self) -> Runtime {
            untethered::runtime::async_std()
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            async_std::task::block_on(future)
        }
    }
}

#[cfg(feature = "threads")]
pub(crate) use self::on_threads::Threads;

#[cfg(feature = "threads")]
mod on_threads {
    use super::*;

    pub(crate) struct Threads(Runtime);

    impl Host for Threads {
        const WORKERS: usize = 2;

        fn start() -> Self {
            Self(untethered::runtime::threads(2))
        }

        fn runtime(&self) -> Runtime {
            self.0.clone()
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            futures_lite::future::block_on(future)
        }
    }

    impl Ends for Threads {
        const SELF_DRIVEN: bool = true;
        const TIMERS_END: bool = false;
        const HANDLE_KEEPS: bool = true;

        fn end(self, rt: Runtime) -> Option<Runtime> {
            drop(rt);
            None
        }
    }
}

#[cfg(feature = "sim")]
pub(crate) use untethered::sim::Sim;

#[cfg(feature = "sim")]
impl Host for Sim {
    const WORKERS: usize = 1;
    const REAL: bool = false;

    fn start() -> Self {
        Self::new()
    }

    fn runtime(&self) -> Runtime {
        Self::runtime(self)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        Self::block_on(self, future)
    }
}

#[cfg(feature = "sim")]
impl Ends for Sim {
    const SELF_DRIVEN: bool = false;
    const TIMERS_END: bool = true;

    fn end(self, rt: Runtime) -> Option<Runtime> {
        drop(self);
        Some(rt)
    }
}
