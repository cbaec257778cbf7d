//! What the compiler says to common mistakes.
//!
//! Each file beside this one has one mistake. Its first lines, which begin with `//~`, are what the
//! compiler has to say to it, among other things: words of ours, or of its own that it has kept for
//! long. With `--cfg mended` the mistake is gone, and the file compiles: whatever else were wrong
//! would pass for the mistake.
//!
//! Those in `core/` are compiled against the crate without any feature.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

macro_rules! features {
    ($($name:literal)*) => { [$(($name, cfg!(feature = $name))),*] };
}

/// Each feature, and whether this test was built with it.
const FEATURES: [(&str, bool); 23] = features![
    "default" "tokio" "smol" "async-std" "threads" "signal" "workers" "http" "tls" "surf" "memo"
    "reqwest" "hyper-tokio" "isahc" "tower" "conformance" "tracing" "serde" "indicatif" "decode"
    "zstd" "cookies" "sim"
];

/// The crate as cargo has built it.
struct Library(PathBuf);

impl Library {
    /// The one that this test is linked to. Cargo has built it, and only tells where it is.
    fn of_this_test() -> Self {
        let on = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
        let on: Vec<_> = on.collect();
        let mut cargo = cargo("test");
        cargo.args(["--no-run", "--test", "compile_fail"]);
        cargo.args(["--no-default-features", "--features", &on.join(",")]);
        // .../debug/deps/compile_fail-0123456789abcdef
        let test = env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).and_then(Path::file_name).unwrap();
        if profile != "debug" {
            cargo.arg("--profile").arg(profile);
        }
        Self::told_by(cargo)
    }

    fn without_features() -> Self {
        let mut cargo = cargo("check");
        cargo.args(["--lib", "--no-default-features"]);
        Self::told_by(cargo)
    }

    fn told_by(mut cargo: Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = cargo.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{cargo:?} failed:\n{stderr}");
        let mut files = Vec::new();
        for line in String::from_utf8(stdout).unwrap().lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            if message["reason"] == "compiler-artifact"
                && message["target"]["name"] == "untethered"
                && message["target"]["kind"][0] == "lib"
                && message["profile"]["test"] == false
            {
                let names = message["filenames"].as_array().unwrap().iter();
                files.extend(names.map(|name| PathBuf::from(name.as_str().unwrap())));
            }
        }
        let metadata = files
            .into_iter()
            .find(|file| file.extension().unwrap() == "rmeta");
        Self(metadata.expect("cargo tells where the crate is"))
    }

    /// Whether `snippet` compiles, and what the compiler says.
    fn compile(&self, snippet: &Path, mended: bool) -> (bool, String) {
        let mut library = OsString::from("untethered=");
        library.push(&self.0);
        let mut dependencies = OsString::from("dependency=");
        dependencies.push(self.0.parent().unwrap());
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc
            .args(["--edition", "2024", "--crate-type", "lib"])
            .args(["--emit", "metadata", "--out-dir"])
            .arg(env!("CARGO_TARGET_TMPDIR"))
            .arg("--extern")
            .arg(library)
            .arg("-L")
            .arg(dependencies)
            .arg(snippet)
            .current_dir(ROOT);
        if mended {
            rustc.args(["--cfg", "mended"]);
        }
        let output = rustc.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said.into_owned())
    }
}

/// Cargo as it was called for this test: without what it has set for the test itself, which build
/// scripts would take for a change.
fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text == "CARGO"
            || text == "OUT_DIR"
            || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_"]
                .iter()
                .any(|of_the_test| text.starts_with(of_the_test))
        {
            cargo.env_remove(&name);
        }
    }
    cargo
        .arg(command)
        .args(["--locked", "--offline", "--message-format", "json"])
        .current_dir(ROOT);
    cargo
}

/// The snippets in `folder`, sorted.
fn snippets(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("tests/compile_fail").join(folder);
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file() && path.file_name().unwrap() != "main.rs")
        .collect();
    files.sort();
    files
}

/// What is missing in what is said to `snippet`.
fn complaints(snippet: &Path, broken: &Library, mended: &Library) -> Vec<String> {
    let text = fs::read_to_string(snippet).unwrap();
    let head = text.lines().map_while(|line| line.strip_prefix("//~ "));
    let expected: Vec<_> = head.collect();
    assert!(!expected.is_empty(), "{snippet:?} expects nothing");
    let mut complaints = Vec::new();

    let (compiles, said) = broken.compile(snippet, false);
    if compiles {
        complaints.push(format!("{} compiles", snippet.display()));
    }
    for words in expected {
        if !said.contains(words) {
            complaints.push(format!("not said: {words}\n{said}"));
        }
    }
    let (compiles, said) = mended.compile(snippet, true);
    if !compiles {
        complaints.push(format!("does not compile when mended:\n{said}"));
    }
    complaints
}

#[test]
fn mistakes_are_explained() {
    let library = Library::of_this_test();
    let snippets = snippets("");
    assert!(snippets.len() > 10, "only {} were found", snippets.len());
    let complaints: Vec<_> = snippets
        .iter()
        .flat_map(|snippet| complaints(snippet, &library, &library))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_feature_of_what_is_missing_is_named() {
    let library = Library::of_this_test();
    let core = Library::without_features();
    let snippets = snippets("core");
    assert!(snippets.len() > 1, "only {} were found", snippets.len());
    let complaints: Vec<_> = snippets
        .iter()
        .flat_map(|snippet| complaints(snippet, &core, &library))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn no_feature_is_forgotten() {
    let text = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let (_, features) = text.split_once("\n[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let names = features.lines().filter_map(|line| line.split_once(" = "));
    let named: Vec<_> = names.map(|(name, _)| name).collect();
    let known: Vec<_> = FEATURES.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, known);
}
