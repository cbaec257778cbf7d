//! What the documents say of each other and of `Cargo.toml`. That their code runs is for the doc
//! tests to show.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "COMPARE.md",
    "FROM_PYTHON.md",
    "PROMISES.md",
    "SECURITY.md",
];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text between pairs of backquotes.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The words that Rust would take for names.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// The cells of a row of a table, `\|` being none of its borders.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_matches('|').replace(r"\|", "\u{0}");
    row.split('|')
        .map(|cell| cell.replace('\u{0}', "|"))
        .collect()
}

/// What stands under `heading` in the tables that have it, with the number of the line.
fn rows(text: &str, heading: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut column = None;
    let mut inside = false;
    for (line, row) in (1..).zip(text.lines()) {
        if !row.starts_with('|') {
            inside = false;
            continue;
        }
        let cells = cells(row);
        if !inside {
            inside = true;
            column = cells.iter().position(|cell| cell.trim() == heading);
        } else if let Some(column) = column {
            found.push((line, cells[column].clone()));
        }
    }
    found.retain(|(_, cell)| !cell.starts_with("---"));
    found
}

/// What stands in the blocks of code that are compiled, without the comments.
fn compiled(text: &str) -> String {
    let mut blocks = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            let ignored = line.contains("ignore") || line.contains("compile_fail");
            inside = !inside && line.starts_with("```rust") && !ignored;
        } else if inside && !line.trim_start().starts_with("//") {
            blocks.push_str(line.split(" // ").next().unwrap_or_default());
            blocks.push('\n');
        }
    }
    blocks
}

#[test]
fn names_in_the_tables_are_compiled_beside_them() {
    let mut missing = Vec::new();
    for (document, least) in [("FROM_PYTHON.md", 150), ("COMPARE.md", 80)] {
        let text = read(document);
        let blocks = compiled(&text);
        let known: BTreeSet<&str> = names(&blocks).collect();
        let rows = rows(&text, "untethered");
        assert!(rows.len() >= least, "{document}: {} rows only", rows.len());
        for (line, cells) in rows {
            for name in code(&cells).flat_map(names) {
                if !known.contains(name) {
                    missing.push(format!("{document}:{line}: {name}"));
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "names that no block of the same document compiles:\n{}",
        missing.join("\n")
    );
}

/// The features of `Cargo.toml`, but `default`.
fn features() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("[features]").unwrap();
    let (section, _) = rest.split_once("\n[").unwrap();
    section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name != "default" && !name.starts_with('#'))
        .collect()
}

#[test]
fn tables_list_every_feature() {
    for (document, hint) in [
        ("README.md", "add a row"),
        ("docs/weight.md", "run `bash .ci/weight >docs/weight.md`"),
    ] {
        let text = read(document);
        let listed: Vec<String> = rows(&text, "Feature")
            .iter()
            .flat_map(|(_, feature)| code(feature).map(str::to_owned))
            .collect();
        let told: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(
            told.len(),
            listed.len(),
            "a feature is twice in {document}: {listed:?}"
        );
        assert_eq!(
            told,
            features(),
            "{document} beside Cargo.toml differs: {hint}"
        );
    }
}

#[test]
fn links_lead_to_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = DOCUMENTS.iter().map(|name| root.join(name)).collect();
    for folder in ["docs", "src/guide"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            pages.extend(path.extension().is_some_and(|e| e == "md").then_some(path));
        }
    }
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1);
        for (target, _) in links.filter_map(|link| link.split_once(')')) {
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = file.contains("://") || file.contains("::");
            if !file.is_empty() && !elsewhere && !page.with_file_name(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links to nowhere:\n{}",
        broken.join("\n")
    );
}
