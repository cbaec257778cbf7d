//! The runtimes to choose from, as far as they were compiled in.

use std::future::Future;

use untethered::Runtime;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Threads,
    Tokio,
    Smol,
    AsyncStd,
}

impl Kind {
    /// The runtime of that name; an error names the feature it needs.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let (kind, compiled_in) = match name {
            "threads" => (Self::Threads, cfg!(feature = "threads")),
            "tokio" => (Self::Tokio, cfg!(feature = "tokio")),
            "smol" => (Self::Smol, cfg!(feature = "smol")),
            "async-std" => (Self::AsyncStd, cfg!(feature = "async-std")),
            _ => {
                return Err(format!(
                    "{name:?} is none of threads, tokio, smol and async-std"
                ));
            }
        };
        if compiled_in {
            Ok(kind)
        } else {
            Err(format!(
                "{name} was not compiled in: run it with --features surf,{name}"
            ))
        }
    }

    /// Runs `main` on the runtime.
    pub(crate) fn run<T, Fut>(self, main: impl FnOnce(Runtime) -> Fut) -> Result<T, String>
    where
        Fut: Future<Output = T>,
    {
        match self {
            #[cfg(feature = "threads")]
            Self::Threads => {
                let rt = untethered::runtime::threads(2);
                Ok(futures_lite::future::block_on(main(rt)))
            }
            #[cfg(feature = "smol")]
            Self::Smol => {
                let rt = untethered::runtime::smol();
                Ok(smol::block_on(main(rt)))
            }
            #[cfg(feature = "async-std")]
            Self::AsyncStd => {
                let rt = untethered::runtime::async_std();
                Ok(async_std::task::block_on(main(rt)))
            }
            #[cfg(feature = "tokio")]
            Self::Tokio => {
                let tokio = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
                let output = tokio.block_on(async {
                    let rt = untethered::runtime::tokio().map_err(|error| error.to_string())?;
                    Ok(main(rt).await)
                });
                // A thread may still wait for standard input.
                tokio.shutdown_background();
                output
            }
            #[allow(unreachable_patterns, reason = "unless all features are on")]
            other => Err(format!("{other:?} was not compiled in")),
        }
    }
}
