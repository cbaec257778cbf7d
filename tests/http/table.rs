//! `docs/http-conformance.md` says what the suite knows.

use std::fmt::Write;
use std::path::Path;

use untethered::http::conformance::Conformance;

use crate::deviations::{self, Deviation};

const FILE: &str = "docs/http-conformance.md";
const REWRITE: &str = "UNTETHERED_REWRITE_TABLE";

const CLIENTS: &[(&str, &[Deviation])] = &[
    ("Engine", deviations::ENGINE),
    ("SurfClient", deviations::SURF),
    ("HyperClient", deviations::HYPER),
    ("ReqwestClient", deviations::REQWEST),
    ("IsahcClient", deviations::ISAHC),
    ("TowerClient", deviations::TOWER),
    ("client_fn", deviations::CLOSURE),
];

/// Each client passes each case of the suite, or is tested for its deviation: so the table holds
/// if it says the same as the lists of both.
#[test]
fn the_table_in_the_docs_says_what_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, table()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table(),
        "{FILE} is not what the tests say; {REWRITE}=1 writes it anew"
    );
}

fn table() -> String {
    let mut text = format!(
        "<!-- Written by the tests: `{REWRITE}=1 cargo test --features conformance --test http table` -->\n\n\
         # What each HTTP client does\n\n\
         One line for each case of `http::conformance`, which runs against every client under every runtime.\n\
         A number is a note below: the client does something else, and the case asks for that instead, or for nothing.\n\
         `TowerClient` and `client_fn` are around an `Engine` here: they do what is inside them.\n\n\
         | Case |"
    );
    for (client, _) in CLIENTS {
        write!(text, " `{client}` |").unwrap();
    }
    text += "\n|---|";
    text += &"---|".repeat(CLIENTS.len());
    text.push('\n');
    let mut notes = Vec::new();
    for case in Conformance::cases() {
        write!(text, "| {} |", case.replace('_', " ")).unwrap();
        for (_, deviations) in CLIENTS {
            match deviations.iter().find(|deviation| deviation.case == case) {
                None => text += " yes |",
                Some(Deviation { instead, .. }) => {
                    let number = notes.iter().position(|note| note == instead);
                    let number = number.unwrap_or_else(|| {
                        notes.push(*instead);
                        notes.len() - 1
                    });
                    write!(text, " {} |", number + 1).unwrap();
                }
            }
        }
        text.push('\n');
    }
    text.push('\n');
    for (number, note) in notes.iter().enumerate() {
        writeln!(text, "{}. {note}", number + 1).unwrap();
    }
    text
}
