//! One library, and programs on whatever runtime: the program says which, in one line.
//!
//! ```text
//! cargo run --example any_runtime --no-default-features --features smol
//! cargo run --example any_runtime --features tokio,smol,async-std
//! ```

use untethered::Runtime;

/// The library. It names no runtime, and turns no feature on.
mod mirrors {
    use std::time::Duration;

    use untethered::Runtime;
    use untethered::combine::{Success, hedge};

    /// Asks one mirror after the other, the next one as soon as the last one is slow, and gives the
    /// name of the first that answers.
    pub(super) async fn quickest(rt: &Runtime, delays: [u64; 3]) -> Option<String> {
        let ask = |(mirror, delay): (usize, u64)| {
            let rt = rt.clone();
            async move {
                rt.sleep(Duration::from_millis(delay)).await;
                Ok::<_, ()>(format!("mirror {mirror}"))
            }
        };
        let asked = delays.into_iter().enumerate().map(ask);
        let first = hedge(rt, Duration::from_millis(10), asked).await;
        first.ok().map(|Success { value, .. }| value)
    }
}

/// What each program has one line of.
fn runtimes() -> Vec<(&'static str, Runtime)> {
    vec![
        #[cfg(feature = "tokio")]
        ("tokio", {
            // A program under `#[tokio::main]` says `runtime::tokio()?`.
            let host = tokio::runtime::Runtime::new().expect("the system gives threads");
            let host = Box::leak(Box::new(host)); // for as long as the program lives
            Runtime::try_from(host.handle().clone()).expect("its timers are on")
        }),
        #[cfg(feature = "smol")]
        ("smol", untethered::runtime::smol()),
        #[cfg(feature = "async-std")]
        ("async-std", untethered::runtime::async_std()),
        #[cfg(feature = "threads")]
        ("threads", untethered::runtime::threads(2)),
    ]
}

fn main() {
    for (name, rt) in runtimes() {
        let quickest = rt.block_on(mirrors::quickest(&rt, [10_000, 1, 1]));
        println!("{name}: {}", quickest.as_deref().unwrap_or("nobody"));
        assert!(quickest.is_some_and(|mirror| mirror != "mirror 0"));
    }
}
