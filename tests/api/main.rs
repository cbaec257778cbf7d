//! Tests over the public API as a whole: nothing in it may be forgotten.

mod drops;
mod public;
mod rules;
mod snapshot;
mod tree;

use std::fs;
use std::path::Path;

use crate::public::Api;
use crate::tree::Tree;

/// Rewrites the snapshot when it is set: `UNTETHERED_REWRITE_API=1 cargo test --test api`.
const REWRITE: &str = "UNTETHERED_REWRITE_API";

// U3
#[test]
fn the_api_is_the_one_written_down() {
    let tree = Tree::of_this_crate();
    let now = snapshot::text(&Api::of(&tree));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/public-api.txt");
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    let differs = now
        .lines()
        .zip(written.lines())
        .position(|(now, written)| now != written);
    let differs =
        differs.or((now != written).then(|| now.lines().count().min(written.lines().count())));
    if let Some(at) = differs {
        panic!(
            "the public API is not docs/public-api.txt any more, from line {}:\n now: {}\nthen: {}\n\
             If that is meant: {REWRITE}=1 cargo test --test api",
            at + 1,
            now.lines().nth(at).unwrap_or("nothing"),
            written.lines().nth(at).unwrap_or("nothing"),
        );
    }
}

/// What `rule` finds in the API, one a line.
#[track_caller]
fn nothing_found(rule: impl FnOnce(&Api<'_>) -> Vec<String>, sentence: &str) {
    let tree = Tree::of_this_crate();
    let api = Api::of(&tree);
    assert!(
        api.items.len() > 200,
        "this looked at {} items only",
        api.items.len()
    );
    let found = rule(&api);
    assert!(found.is_empty(), "{sentence}:\n{}", found.join("\n"));
}

#[test]
fn every_item_has_an_example_or_is_in_one() {
    nothing_found(
        rules::without_example,
        "no example shows these, and no function that one shows",
    );
}

#[test]
fn whatever_waits_says_what_a_drop_does() {
    nothing_found(
        rules::without_cancel_safety,
        "these wait and have no \"# Cancel safety\"",
    );
}

#[test]
fn whatever_fails_says_how() {
    nothing_found(
        rules::without_errors,
        "these can fail and have no \"# Errors\"",
    );
}

#[test]
fn must_use_has_a_reason() {
    nothing_found(
        rules::must_use_without_reason,
        "`#[must_use]` without a reason",
    );
}

#[test]
fn nobody_forgets_to_await() {
    nothing_found(
        rules::without_must_use,
        "these do nothing unless polled, and are not `#[must_use]`",
    );
}

// U3
#[test]
fn the_auto_traits_of_every_type_are_stated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/auto_traits");
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    nothing_found(
        |api| rules::without_auto_traits(api, &files),
        "tests/it/auto_traits has no row for these",
    );
}

#[test]
fn every_future_is_dropped_at_every_poll() {
    nothing_found(
        drops::differences,
        "rows of tests/it/every_future and futures of the API differ",
    );
}
