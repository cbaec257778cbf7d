//! A program that stops in order on Ctrl-C: no new requests, those under way are finished, then
//! what was opened is closed. A second Ctrl-C ends it at once.
//!
//! ```text
//! cargo run --example run
//! ```

use std::process::ExitCode;
use std::time::Duration;

use untethered::group::OnCancel;
use untethered::run::{Context, Run};
use untethered::runtime;
use untethered::signal::{SecondSignal, ShutdownSignals};
use untethered::time::sleep_or_stop;

fn main() -> ExitCode {
    let rt = runtime::threads(2);
    let settings = ShutdownSignals::builder().on_second(SecondSignal::Exit);
    let signals = match settings.listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("can not listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    match rt.block_on(Run::on(&rt).signals(signals).main_with(serve)) {
        Ok(requests) => {
            println!("stopped in order after {requests} requests");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// Takes a request every so often, until it is asked to stop.
async fn serve(cx: Context) -> u32 {
    println!("serving for three seconds: press Ctrl-C");
    // Left to the end: it is asked to stop after `serve` has returned, and given a second.
    let statistics = cx.group().task("statistics");
    let statistics = statistics.on_cancel(OnCancel::Grace(Duration::from_secs(1)));
    statistics.spawn_with(|task| async move {
        task.token().cancelled().await;
        println!("statistics written");
    });

    let mut requests = Vec::new();
    let between = Duration::from_millis(100);
    while requests.len() < 30 && !sleep_or_stop(cx.runtime(), between, cx.token()).await {
        let rt = cx.runtime().clone();
        requests.push(cx.spawn(async move { rt.sleep(Duration::from_secs(1)).await }));
    }
    if let Some(reason) = cx.token().reason() {
        println!("{reason}: no new requests");
    }
    let mut finished = 0;
    for request in requests {
        if request.await.is_ok() {
            finished += 1;
        }
    }
    finished
}
