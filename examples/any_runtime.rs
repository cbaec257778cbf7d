//! One library, and programs on whatever runtime: the program says which, in one line.
//!
//! ```text
//! cargo run --example any_runtime --no-default-features --features smol
//! cargo run --example any_runtime --features tokio,smol,async-std
//! ```

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

const DELAYS: [u64; 3] = [10_000, 1, 1];

/// The `main` of an application on tokio.
#[cfg(feature = "tokio")]
#[tokio::main]
async fn on_tokio() -> Option<String> {
    let rt = untethered::runtime::tokio().expect("this is inside of tokio");
    mirrors::quickest(&rt, DELAYS).await
}

/// The same on smol.
#[cfg(feature = "smol")]
fn on_smol() -> Option<String> {
    let rt = untethered::runtime::smol();
    smol::block_on(mirrors::quickest(&rt, DELAYS))
}

/// The same on async-std.
#[cfg(feature = "async-std")]
fn on_async_std() -> Option<String> {
    let rt = untethered::runtime::async_std();
    async_std::task::block_on(mirrors::quickest(&rt, DELAYS))
}

/// The same without a runtime.
#[cfg(feature = "threads")]
fn on_threads() -> Option<String> {
    let rt = untethered::runtime::threads(2);
    rt.block_on(mirrors::quickest(&rt, DELAYS))
}

/// The same in a test of the library, on virtual time.
fn in_a_test() -> Option<String> {
    let sim = untethered::sim::Sim::new();
    sim.block_on(mirrors::quickest(&sim.runtime(), DELAYS))
}

/// A program has one of them.
type Main = fn() -> Option<String>;

fn main() {
    let mains: &[(&str, Main)] = &[
        #[cfg(feature = "tokio")]
        ("tokio", on_tokio),
        #[cfg(feature = "smol")]
        ("smol", on_smol),
        #[cfg(feature = "async-std")]
        ("async-std", on_async_std),
        #[cfg(feature = "threads")]
        ("threads", on_threads),
        ("a test", in_a_test),
    ];
    for (name, main) in mains {
        let quickest = main();
        println!("{name}: {}", quickest.as_deref().unwrap_or("nobody"));
        assert!(quickest.is_some_and(|mirror| mirror != "mirror 0"));
    }
}
