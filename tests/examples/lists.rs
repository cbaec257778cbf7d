//! What `Cargo.toml`, `examples/README.md` and the folder say of the examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which features these tests were built with.
macro_rules! features {
    ($($feature:literal)*) => {
        const FEATURES: &[(&str, bool)] = &[$(($feature, cfg!(feature = $feature))),*];
    };
}

features! {
    "tokio" "smol" "async-std" "threads" "signal" "workers" "http" "tls" "surf" "memo" "reqwest"
    "hyper-tokio" "isahc" "tower" "conformance" "tracing" "serde" "indicatif" "decode" "zstd"
    "cookies" "sim"
}

/// Features that examples have without asking: the default, and what tests and examples turn on.
const ALWAYS: [&str; 5] = ["threads", "memo", "serde", "signal", "sim"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn is_on(feature: &str) -> bool {
    let known = FEATURES.iter().find(|(name, _)| *name == feature);
    known.unwrap_or_else(|| panic!("{feature} is no feature")).1
}

/// The examples of the folder, with the file that has their `main`.
fn files() -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let main = path.join("main.rs");
        if main.exists() {
            files.push((name, main));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((name, path));
        }
    }
    assert!(
        files.len() > 15,
        "this looked at {} examples only",
        files.len()
    );
    files
}

pub(crate) fn examples() -> BTreeSet<String> {
    files().into_iter().map(|(name, _)| name).collect()
}

/// The features that `Cargo.toml` asks for.
pub(crate) fn needs(example: &str) -> Vec<String> {
    let manifest = read("Cargo.toml");
    let mut sections = manifest.split("[[example]]\n").skip(1);
    let section = sections.find(|section| section.starts_with(&format!("name = \"{example}\"\n")));
    let Some(section) = section else {
        return Vec::new();
    };
    let line = section.lines().nth(1).unwrap();
    let list = line.strip_prefix("required-features = [").unwrap();
    let list = list.strip_suffix(']').unwrap();
    list.split(", ")
        .map(|feature| feature.trim_matches('"').to_owned())
        .collect()
}

/// The rows of `examples/README.md`: name, file and command.
fn rows() -> Vec<(String, String, String)> {
    let text = read("examples/README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| [`"));
    rows.map(|row| {
        let (name, rest) = row.split_once("`](").unwrap();
        let (file, rest) = rest.split_once(") |").unwrap();
        let (_, command) = rest.split_once("| `").unwrap();
        let command = command.strip_suffix("` |").unwrap();
        (name.to_owned(), file.to_owned(), command.to_owned())
    })
    .collect()
}

#[test]
fn every_example_is_listed_once() {
    let mut listed: Vec<_> = rows().into_iter().map(|(name, ..)| name).collect();
    listed.sort_unstable();
    let there: Vec<_> = examples().into_iter().collect();
    assert_eq!(listed, there, "examples/README.md, and the folder");
}

#[test]
fn a_row_leads_to_its_file_and_has_its_command() {
    for (name, file, command) in rows() {
        let text = read(Path::new("examples").join(&file));
        assert!(files().contains(&(name.clone(), root().join("examples").join(&file))));
        assert!(
            text.contains(&format!("//! {command}\n")),
            "{file} does not say `{command}`"
        );
        let words: Vec<_> = command.split(' ').collect();
        assert!(
            words.windows(2).any(|pair| pair == ["--example", &name]),
            "{command}"
        );
        let given = words.windows(2).find(|pair| pair[0] == "--features");
        let given: Vec<_> = given.map_or(Vec::new(), |pair| pair[1].split(',').collect());
        for feature in needs(&name) {
            let comes = given.contains(&&*feature) || ALWAYS.contains(&&*feature);
            assert!(comes, "{name} needs {feature}, `{command}` does not say so");
        }
    }
}

#[test]
fn what_cargo_asks_for_is_there() {
    let manifest = read("Cargo.toml");
    let sections = manifest.split("[[example]]\nname = \"").skip(1);
    let there = examples();
    for section in sections {
        let (name, _) = section.split_once('"').unwrap();
        assert!(there.contains(name), "{name} of Cargo.toml is no example");
    }
    let (_, features) = manifest.split_once("[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let features = features.lines().filter_map(|line| line.split_once(" = "));
    let features: BTreeSet<_> = features
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
        .collect();
    let known: BTreeSet<_> = FEATURES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, features, "the list of this file, and Cargo.toml");
}
