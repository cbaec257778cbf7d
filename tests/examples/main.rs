//! The examples: that the list of them is whole, that each runs, and that the whole programs do what
//! they say with bad input and with signals.

mod program;

#[cfg(all(feature = "http", feature = "threads"))]
mod crawler;
mod lists;
#[cfg(all(unix, feature = "workers"))]
mod service;
#[cfg(feature = "threads")]
mod worker_pool;

use self::program::Program;

/// Status 2, one sentence, and nothing else.
#[cfg(feature = "threads")]
fn refused(example: &str, args: &[&str], says: &str) {
    let done = Program::new(example, args).end();
    assert_eq!(done.code, Some(2), "{args:?}: {}", done.stderr);
    assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    assert_eq!(done.stdout, "", "{args:?}");
}

#[test]
fn each_example_runs_to_its_end() {
    let mut ran = 0;
    for example in lists::examples() {
        if lists::needs(&example)
            .iter()
            .all(|feature| lists::is_on(feature))
        {
            let done = Program::new(&example, &[]).end();
            let said = format!("{}\n{}", done.stdout, done.stderr);
            assert_eq!(done.code, Some(0), "{example}:\n{said}");
            ran += 1;
        }
    }
    // Those that need no feature at all.
    assert!(ran >= 4, "{ran} examples only");
}
