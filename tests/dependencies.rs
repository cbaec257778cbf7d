//! What the crate stands on: under which licences, and with which known weaknesses. Needs no network.

use std::fs;
use std::path::Path;
use std::process::Command;

use semver::{Version, VersionReq};
use serde_json::Value;
use spdx::{Expression, ParseMode};

/// Licences that a program under MIT or Apache-2.0 may be linked with, without a word of its own.
const LICENCES: [&str; 9] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
];

struct Package {
    name: String,
    version: Version,
    licence: String,
}

/// All that the crate needs here with all features on, itself included, without what only tests
/// need. It was fetched to build this test, so there is nothing to ask the network for.
fn packages() -> Vec<Package> {
    let version = output(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let metadata = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--locked", "--offline", "--all-features"])
            .args(["--format-version", "1"])
            .args(["--filter-platform", host.expect("rustc names its host")])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();

    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let mut needed = vec![metadata["resolve"]["root"].as_str().unwrap()];
    let mut at = 0;
    while let Some(id) = needed.get(at).copied() {
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        for dependency in node["deps"].as_array().unwrap() {
            let mut kinds = dependency["dep_kinds"].as_array().unwrap().iter();
            let id = dependency["pkg"].as_str().unwrap();
            if kinds.any(|kind| kind["kind"] != "dev") && !needed.contains(&id) {
                needed.push(id);
            }
        }
        at += 1;
    }
    let all = metadata["packages"].as_array().unwrap().iter();
    all.filter(|package| needed.contains(&package["id"].as_str().unwrap()))
        .map(|package| Package {
            name: package["name"].as_str().unwrap().to_owned(),
            version: package["version"].as_str().unwrap().parse().unwrap(),
            licence: package["license"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it built these tests");
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {sentence}");
    String::from_utf8(output.stdout).unwrap()
}

// U4
#[test]
fn every_licence_is_one_that_asks_for_nothing() {
    let packages = packages();
    assert!(packages.len() > 100, "{} packages only", packages.len());
    for package in packages {
        let licence = Expression::parse_mode(&package.licence, ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{} {}: {error}", package.name, package.version));
        let allowed = licence.evaluate(|part| {
            part.license
                .id()
                .is_some_and(|id| LICENCES.contains(&id.name))
        });
        assert!(allowed, "{} is under {}", package.name, package.licence);
    }
}

/// A line of `docs/advisories.txt`: `id | crate | versions | why it stays`.
struct Advisory<'a> {
    id: &'a str,
    name: &'a str,
    versions: VersionReq,
    /// Empty: it must not be in the tree.
    why: &'a str,
}

fn advisories(text: &str) -> Vec<Advisory<'_>> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<_> = line.split('|').map(str::trim).collect();
            let [id, name, versions, why] = parts[..] else {
                panic!("not four parts: {line}");
            };
            let versions = versions
                .parse()
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            Advisory {
                id,
                name,
                versions,
                why,
            }
        })
        .collect()
}

// U4
#[test]
fn known_weaknesses_are_not_here_or_have_their_reason() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/advisories.txt");
    let text = fs::read_to_string(file).unwrap();
    let packages = packages();
    for advisory in advisories(&text) {
        let found = packages.iter().find(|package| {
            package.name == advisory.name && advisory.versions.matches(&package.version)
        });
        match found {
            Some(package) => assert!(
                !advisory.why.is_empty(),
                "{} {} has {}",
                package.name,
                package.version,
                advisory.id
            ),
            None => assert!(
                advisory.why.is_empty(),
                "{} of {} is not here any more: take its reason away",
                advisory.id,
                advisory.name
            ),
        }
    }
}
