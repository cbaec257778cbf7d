//! `PROMISES.md` and the tests name each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// By id: the names of the tests.
type Promises = BTreeMap<String, BTreeSet<String>>;

fn is_id(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|first| first.is_ascii_uppercase())
        && word.len() > 1
        && chars.all(|rest| rest.is_ascii_digit())
}

/// The rows of the tables: `| Q1 | a sentence | `a_test`, `another` |`.
fn promised(text: &str) -> Promises {
    let mut promises = Promises::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, id, _, tests, _] = cells[..] else {
            continue;
        };
        if !is_id(id) {
            continue;
        }
        let tests = tests
            .split(',')
            .map(|test| test.trim().trim_matches('`').to_owned());
        let twice = promises.insert(id.to_owned(), tests.collect());
        assert!(twice.is_none(), "{id} is promised twice");
    }
    promises
}

/// The ids in the comments right above tests: `// Q1 Q2`.
fn carried(source: &str, promises: &mut Promises) {
    let mut ids: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(comment) = line.strip_prefix("// ") {
            ids = comment.split(' ').collect();
            if !ids.iter().all(|word| is_id(word)) {
                ids.clear();
            }
        } else if let Some(rest) = function(line) {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            for id in ids.drain(..) {
                promises
                    .entry(id.to_owned())
                    .or_default()
                    .insert(name.to_owned());
            }
        } else if !line.starts_with("#[") {
            assert!(ids.is_empty(), "ids above what is no test: {line}");
        }
    }
}

/// What follows `fn`, in the line that begins a function of a module.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("pub(super) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_promise_has_its_tests_and_no_test_an_unknown_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promised = promised(&fs::read_to_string(root.join("PROMISES.md")).unwrap());
    let mut carried_by_tests = Promises::new();
    let folders = ["tests", "src/http/conformance"].map(|folder| root.join(folder));
    for file in folders.iter().flat_map(|folder| sources(folder)) {
        carried(&fs::read_to_string(file).unwrap(), &mut carried_by_tests);
    }
    assert!(promised.len() > 10, "the tables were not read");
    for (id, tests) in &promised {
        assert_eq!(
            Some(tests),
            carried_by_tests.get(id),
            "of {id}, in PROMISES.md and in the tests"
        );
    }
    for id in carried_by_tests.keys() {
        assert!(
            promised.contains_key(id),
            "a test names {id}, which PROMISES.md does not"
        );
    }
}

#[test]
fn both_sides_are_read() {
    let rows = "| Id | Promise | Tests |\n|---|---|---|\n| Q1 | It holds. | `a`, `b` |\n";
    let mut tests = Promises::new();
    carried(
        "// Q1\n#[test]\nfn b() {\n}\n// Not an id.\nfn c() {}\n// Q1 Q2\n#[test]\nfn a() {",
        &mut tests,
    );
    assert_eq!(promised(rows)["Q1"], tests["Q1"]);
    assert!(tests["Q2"].contains("a") && tests["Q2"].len() == 1);
}
