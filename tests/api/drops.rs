//! Every public future, stream and `async fn` is dropped at each of its polls by some test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::public::{Api, Public};
use crate::rules;

/// What needs sockets, processes or threads of its own, with the test that drops it.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "http::Engine::close",
        "a_dropped_close_leaves_what_is_in_use_alone",
    ),
    (
        "http::conformance::Conformance::run",
        "a_run_dropped_at_any_poll_ends_its_case",
    ),
    (
        "http::conformance::Conformance::run_case",
        "a_run_dropped_at_any_poll_ends_its_case",
    ),
    (
        "workers::Child::wait",
        "a_dropped_wait_leaves_the_others_and_no_zombie",
    ),
    (
        "workers::Main::serve",
        "the_workers_may_be_dropped_at_any_poll",
    ),
    (
        "workers::Worker::run_until_stopped",
        "what_a_worker_waits_for_may_be_dropped",
    ),
    (
        "workers::Worker::stopped",
        "what_a_worker_waits_for_may_be_dropped",
    ),
];

/// What no test drops, and what drops nobody though a test says so.
pub(crate) fn differences(api: &Api<'_>) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut dropped: BTreeSet<String> = BTreeSet::new();
    for source in sources(&tests.join("it/every_future")) {
        dropped.extend(rows(&source));
    }
    assert!(dropped.len() > 90, "only {} rows were read", dropped.len());

    let mut found = Vec::new();
    let sources = sources(&tests);
    for (path, test) in ELSEWHERE {
        let head = format!("fn {test}()");
        if !sources.iter().any(|source| source.contains(&head)) {
            found.push(format!("{test}: there is no such test, for {path}"));
        }
        if !dropped.insert((*path).to_owned()) {
            found.push(format!("{path}: it has a row, and a test elsewhere"));
        }
    }
    let waiting = waiting(api);
    for path in waiting.difference(&dropped) {
        found.push(format!("{path}: no test drops it at each poll"));
    }
    let named = named(api);
    for path in dropped.difference(&named) {
        found.push(format!("{path}: a row for what the API has not"));
    }
    found
}

/// The paths of all futures and streams, and of functions that wait.
fn waiting(api: &Api<'_>) -> BTreeSet<String> {
    let types = api
        .items
        .iter()
        .filter(|public| public.implements("Future") || public.implements("Stream"))
        .map(|public| public.path.clone());
    let functions = api.items.iter().flat_map(Public::functions);
    let functions = functions.filter(rules::waits).map(|function| function.path);
    types.chain(functions).collect()
}

/// The paths of all items and functions.
fn named(api: &Api<'_>) -> BTreeSet<String> {
    let functions = api.items.iter().flat_map(Public::functions);
    let items = api.items.iter().map(|public| public.path.clone());
    items
        .chain(functions.map(|function| function.path))
        .collect()
}

/// What the calls of `row`, `row_then` and others like them are about: `"sync::Load, sync::Once"`.
fn rows(source: &str) -> Vec<String> {
    let calls = source
        .split("row(")
        .chain(source.split("row_then("))
        .chain(source.split("row_after("))
        .skip(1);
    let paths = calls.filter_map(|call| {
        let text = call.trim_start().strip_prefix('"')?;
        Some(text.split_once('"')?.0)
    });
    paths
        .flat_map(|paths| paths.split(", ").map(str::to_owned))
        .collect()
}

/// The texts of all files in `folder`.
fn sources(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(fs::read_to_string(path).unwrap());
        }
    }
    files
}
