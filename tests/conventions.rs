//! Sections that the documentation of a public function must have.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below `folder`.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A documented public function: the line it begins at, its documentation and its head.
struct Function {
    line: usize,
    docs: String,
    head: String,
}

fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut docs = String::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc);
            docs.push('\n');
        } else if line.starts_with("pub fn ") || line.starts_with("pub async fn ") {
            let head = lines[at..].iter().take_while(|line| !line.ends_with('}'));
            let head: Vec<&str> = head.copied().collect();
            let head = head.join(" ");
            found.push(Function {
                line: at + 1,
                docs: std::mem::take(&mut docs),
                head: head.split('{').next().unwrap_or_default().to_owned(),
            });
        } else if line.is_empty() || line.ends_with(['{', '}', ';']) {
            docs.clear();
        }
    }
    found.retain(|function| !function.docs.is_empty());
    found
}

#[test]
fn public_functions_say_how_they_end() {
    let mut files = Vec::new();
    rust_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let mut missing = Vec::new();
    let mut seen = 0;
    for file in files {
        for function in functions(&fs::read_to_string(&file).unwrap()) {
            seen += 1;
            // What is said of another function holds for this one.
            if function.docs.contains("As [") {
                continue;
            }
            let output = function.head.split("->").last().unwrap_or_default().trim();
            let fails = output.starts_with("Result<") || output.starts_with("io::Result<");
            let needed = [
                (function.head.starts_with("pub async"), "# Cancel safety"),
                (function.head.contains("->") && fails, "# Errors"),
            ];
            for (needed, section) in needed {
                if needed && !function.docs.contains(section) {
                    missing.push(format!("{}:{}: {section}", file.display(), function.line));
                }
            }
        }
    }
    assert!(seen > 500, "this test looked at {seen} functions only");
    assert!(
        missing.is_empty(),
        "sections that are missing:\n{}",
        missing.join("\n")
    );
}
