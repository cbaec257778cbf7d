//! The one door to runtimes, kept shut everywhere else; and the tree as `ARCHITECTURE.md` draws it.

use std::fs;
use std::path::{Path, PathBuf};

const RUNTIMES: [&str; 4] = ["tokio", "smol", "async_std", "async-std"];

/// All Rust files below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

// U1
#[test]
fn the_compiler_refuses_unsafe_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(root).unwrap();
    assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"));
}

// U2
#[test]
fn only_the_runtime_module_names_a_runtime() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut named = Vec::new();
    let mut lines = 0;
    for file in rust_files(&src) {
        if file.starts_with(src.join("runtime")) {
            continue;
        }
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            lines += 1;
            // What a comment says binds nobody.
            let code = line.split("//").next().unwrap_or_default();
            // A client's name, as a feature, is none of a runtime's.
            let code = code.replace("\"hyper-tokio\"", "");
            if RUNTIMES.iter().any(|runtime| code.contains(runtime)) {
                named.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(lines > 1000, "this test looked at {lines} lines only");
    assert!(
        named.is_empty(),
        "a runtime is named outside src/runtime:\n{}",
        named.join("\n")
    );
}

#[test]
fn the_compiler_can_name_the_feature_of_a_missing_constructor() {
    // Anything else of that name, be it private, is what it would complain about instead.
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/runtime/mod.rs");
    let text = fs::read_to_string(runtime).unwrap();
    for name in ["tokio", "smol", "async_std", "threads"] {
        assert!(text.contains(&format!("\nmod {name};")), "{name} has moved");
        assert!(
            !text.contains(&format!(" as {name};")),
            "something stands in for {name}: give it another name"
        );
    }
}

/// What `cell` has between backquotes, if it is a path: `scope/`, `src/lib.rs`.
fn paths(cell: &str) -> impl Iterator<Item = &str> {
    let code = cell.split('`').skip(1).step_by(2);
    code.filter(|code| code.ends_with('/') || code.ends_with(".rs") || code.ends_with(".md"))
}

#[test]
fn the_tree_is_as_drawn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, tree) = text.split_once("\n## The tree\n").unwrap();
    let (tree, _) = tree.split_once("\n## ").unwrap();
    let mut missing = Vec::new();
    let mut named = 0;
    for row in tree.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        let homes = || paths(cells[1]).map(|path| root.join(path));
        let folders = homes().filter(|home| home.is_dir());
        let files: Vec<_> = folders.flat_map(|home| rust_files(&home)).collect();
        let inside = |path: &str| {
            let mut ends = files.iter().flat_map(|file| file.ancestors());
            ends.any(|end| end.ends_with(path))
        };
        for path in paths(cells[1]).chain(paths(cells[2])) {
            named += 1;
            if !root.join(path).exists() && !inside(path) {
                missing.push(format!("{path}, in the row of{}", cells[1]));
            }
        }
    }
    assert!(named > 60, "this test looked at {named} paths only");
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what is not there:\n{}",
        missing.join("\n")
    );
}
