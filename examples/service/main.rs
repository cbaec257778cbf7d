//! An HTTP service of four worker processes that reloads and stops without a failed request, and
//! starts a worker that crashed again.
//!
//! ```text
//! cargo run --release --example service --features workers
//! cargo run --release --example service --features workers -- serve 127.0.0.1:8080
//! ```
//!
//! The second is the service alone: reload it with SIGHUP, stop it with Ctrl-C or SIGTERM, crash a
//! worker with `/crash`. The first starts the second and shows that: one crash, five reloads and a
//! stop, the last two while requests are under way, and a count of those that failed.

#[cfg(unix)]
mod clients;
#[cfg(unix)]
mod service;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    const FAILED: u8 = 1;
    const BAD_USAGE: u8 = 2;

    let refuse = |error: &str, status: u8| {
        eprintln!("service: {error}");
        ExitCode::from(status)
    };
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|text| text.to_str()).collect();
    let done = match &arguments[..] {
        [] => clients::demonstrate().map(|()| ExitCode::SUCCESS),
        [Some("serve"), Some(address)] => service::run(address).map(ExitCode::from),
        _ => return refuse("usage: service [serve ADDRESS]", BAD_USAGE),
    };
    done.unwrap_or_else(|error| refuse(&error.to_string(), FAILED))
}

#[cfg(not(unix))]
fn main() {
    println!("worker processes need Unix");
}
