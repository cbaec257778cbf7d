use std::fs;
use std::path::PathBuf;

use crate::program::{Program, rows};
use crate::server::Server;

/// A folder for bodies inside one that must stay as it is.
fn folder(name: &str) -> (PathBuf, PathBuf) {
    let outer = std::env::temp_dir().join(format!("fetch-all-{name}-{}", std::process::id()));
    let inner = outer.join("bodies");
    fs::create_dir_all(&inner).unwrap();
    (outer, inner)
}

#[test]
fn no_key_leads_out_of_the_folder() {
    let server = Server::echo();
    let (outer, inner) = folder("keys");
    let long = "k".repeat(500);
    let keys = [
        "../../evil",
        "/etc/evil",
        "..",
        ".",
        "a/../../b",
        "C:\\evil",
        "nul\0evil",
        "\u{fc}",
        &long,
        "-rf",
        "",
        "same",
        "same",
    ];
    let lines = keys
        .map(|key| format!("{key}\t{}/body\n", server.base))
        .concat();
    let args = ["--input", "-", "--bodies", inner.to_str().unwrap()];
    let done = Program::new(&args).feed(&lines);
    assert_eq!(done.status, 0, "{}{}", done.stdout, done.stderr);
    let rows = rows(&done.stdout);
    assert_eq!(rows.len(), keys.len());
    for row in &rows {
        let file = inner.join(row["file"].as_str().unwrap());
        assert_eq!(file.parent().unwrap(), inner);
        assert_eq!(fs::read_to_string(file).unwrap(), "/body");
    }
    assert_eq!(fs::read_dir(&inner).unwrap().count(), keys.len());
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 1);
    fs::remove_dir_all(outer).unwrap();
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder() {
    let server = Server::echo();
    let (outer, inner) = folder("link");
    let target = outer.join("target");
    fs::write(&target, "untouched").unwrap();
    std::os::unix::fs::symlink(&target, inner.join("000001-key")).unwrap();
    let args = ["--input", "-", "--bodies", inner.to_str().unwrap()];
    let done = Program::new(&args).feed(&format!("key\t{}/body\n", server.base));
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert_eq!(rows(&done.stdout)[0]["file"], "000001-key");
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert_eq!(
        fs::read_to_string(inner.join("000001-key")).unwrap(),
        "/body"
    );
    fs::remove_dir_all(outer).unwrap();
}

#[test]
fn a_body_that_can_not_be_stored_is_an_error_of_its_row() {
    let server = Server::echo();
    let (outer, inner) = folder("full");
    // A folder is where the file should be.
    fs::create_dir_all(inner.join("000001-key").join("x")).unwrap();
    let lines = format!("key\t{}/1\nkey\t{}/2\n", server.base, server.base);
    let args = ["--input", "-", "--bodies", inner.to_str().unwrap()];
    let done = Program::new(&args).feed(&lines);
    assert_eq!(done.status, 1);
    let rows = rows(&done.stdout);
    let bad: Vec<_> = rows
        .iter()
        .filter(|row| row.get("error").is_some())
        .collect();
    assert_eq!((rows.len(), bad.len()), (2, 1));
    assert_eq!(
        (&bad[0]["error"]["kind"], &bad[0]["line"]),
        (&"other".into(), &1.into())
    );
    let message = bad[0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("can not be saved"), "{message}");
    fs::remove_dir_all(outer).unwrap();
}
