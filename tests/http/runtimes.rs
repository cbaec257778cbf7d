//! The runtimes the suite is mounted on.

use std::future::Future;
use std::pin::Pin;

use untethered::{Runtime, runtime};

/// A runtime, and how a program on it runs a future.
pub(crate) struct On {
    pub(crate) rt: Runtime,
    pub(crate) block_on: BlockOn,
}

/// Runs a future to its end.
pub(crate) type BlockOn = Box<dyn Fn(Pin<Box<dyn Future<Output = ()> + '_>>) + Send + Sync>;

#[cfg(feature = "threads")]
pub(crate) fn threads() -> On {
    On {
        rt: runtime::threads(2),
        block_on: Box::new(|future| futures_lite::future::block_on(future)),
    }
}

#[cfg(feature = "smol")]
pub(crate) fn smol() -> On {
    On {
        rt: runtime::smol(),
        block_on: Box::new(|future| futures_lite::future::block_on(future)),
    }
}

#[cfg(feature = "async-std")]
pub(crate) fn async_std() -> On {
    On {
        rt: runtime::async_std(),
        block_on: Box::new(|future| futures_lite::future::block_on(future)),
    }
}

/// Without sockets.
#[cfg(feature = "tokio")]
pub(crate) fn tokio() -> On {
    on_tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(2))
}

#[cfg(feature = "tokio")]
pub(crate) fn tokio_current_thread() -> On {
    on_tokio(tokio::runtime::Builder::new_current_thread().enable_all())
}

/// With sockets, which the engine takes where it finds them and other clients can not do without.
#[cfg(feature = "tokio")]
pub(crate) fn tokio_with_sockets() -> On {
    on_tokio(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all(),
    )
}

#[cfg(feature = "tokio")]
fn on_tokio(builder: &mut tokio::runtime::Builder) -> On {
    let runtime = builder.enable_time().build().unwrap();
    On {
        rt: runtime.block_on(async { runtime::tokio().unwrap() }),
        block_on: Box::new(move |future| runtime.block_on(future)),
    }
}
