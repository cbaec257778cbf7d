use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use untethered::http::{FanOut, Progress, Tally};
use untethered::sim::Sim;

use super::SECOND;
use super::server::Server;

fn recorded() -> (Progress, Arc<Mutex<Vec<Tally>>>) {
    let tallies = Arc::new(Mutex::new(Vec::new()));
    let record = tallies.clone();
    let progress = Progress::new(move |tally| record.lock().unwrap().push(tally.clone()));
    (progress, tallies)
}

#[test]
fn each_result_is_counted_before_it_is_handed_out() {
    let sim = Sim::new();
    let (progress, tallies) = recorded();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server)
        .concurrency(2)
        .progress(progress);
    let mut stream = fan_out
        .fetch_all(["http://h/", "http://h/", "ftp://h/", "http://h/"])
        .stream();
    sim.block_on(async {
        let mut done = 0;
        while stream.next().await.is_some() {
            done += 1;
            assert_eq!(tallies.lock().unwrap().len(), done);
        }
    });
    let tallies = tallies.lock().unwrap();
    let last = tallies.last().unwrap();
    assert_eq!((last.done(), last.failed(), last.bytes()), (4, 1, 6));
    assert_eq!(last.elapsed(), SECOND * 2);
    assert_eq!(last.rate(), 2.0);
    assert!(tallies.iter().all(|tally| tally.total() == Some(4)));
    let lines: Vec<_> = tallies.iter().map(Tally::to_string).collect();
    assert_eq!(
        lines,
        [
            "Progress: 1/4",
            "Progress: 2/4",
            "Progress: 3/4",
            "Progress: 4/4"
        ]
    );
}

#[test]
fn the_total_is_unknown_until_the_input_has_ended() {
    let sim = Sim::new();
    let (progress, tallies) = recorded();
    let server = Server::slow(&sim, SECOND);
    let fan_out = FanOut::new(&sim.runtime(), server)
        .concurrency(2)
        .progress(progress);
    let urls = (0..5).map(|_| "http://h/").filter(|_| true);
    sim.block_on(fan_out.fetch_all(urls).into_future());
    let lines: Vec<_> = tallies
        .lock()
        .unwrap()
        .iter()
        .map(Tally::to_string)
        .collect();
    assert_eq!(lines[..3], ["Progress: 1", "Progress: 2", "Progress: 3"]);
    assert_eq!(lines[4], "Progress: 5/5");
}

#[test]
fn a_rate_without_time_is_nought() {
    let sim = Sim::new();
    let (progress, tallies) = recorded();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim)).progress(progress);
    sim.block_on(fan_out.fetch_all(["http://h/"]).into_future());
    assert_eq!(tallies.lock().unwrap()[0].rate(), 0.0);
}

#[test]
fn standard_error_is_left_alone_unless_it_is_a_terminal() {
    // The process test of the example looks at what is written; here it is only run.
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), Server::prompt(&sim)).progress(Progress::stderr());
    let results = sim.block_on(fan_out.fetch_all(["http://h/"]).into_future());
    assert_eq!(results.len(), 1);
}

#[cfg(feature = "indicatif")]
#[test]
fn a_bar_goes_with_the_results_and_ends_with_the_input() {
    use indicatif::ProgressBar;

    let sim = Sim::new();
    let server = Server::prompt(&sim);
    let urls = ["http://a/1", "no URL", "http://a/3"];
    let bar = ProgressBar::hidden();
    let fan_out = FanOut::new(&sim.runtime(), server).progress(Progress::bar(bar.clone()));
    let mut results = fan_out.fetch_all(urls).stream();
    let (_, first) = sim.block_on(results.next()).unwrap();
    first.unwrap();
    assert_eq!((bar.position(), bar.length()), (1, Some(3)));
    assert!(!bar.is_finished());
    sim.block_on(async { while results.next().await.is_some() {} });
    assert_eq!((bar.position(), bar.length()), (3, Some(3)));
    assert_eq!(bar.message(), "1 failed");
    assert!(bar.is_finished());

    // Input that does not know its length, and results that are dropped.
    let bar = ProgressBar::no_length();
    let fan_out = fan_out.progress(Progress::bar(bar.clone()));
    let endless = (0_u32..).map(|n| format!("http://a/{n}"));
    let mut results = fan_out.fetch_all(endless).stream();
    sim.block_on(async {
        for _ in 0..5 {
            let (_, result) = results.next().await.unwrap();
            result.unwrap();
        }
    });
    assert_eq!((bar.position(), bar.length()), (5, None));
    drop(results);
    assert_eq!(bar.position(), 5);
    assert!(bar.is_finished());
}
