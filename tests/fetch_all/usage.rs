use std::fs;

use crate::program::{Program, runtimes};
use crate::server::Server;

/// Exit status 2, a word that helps, and nothing sent or written.
fn refused(args: &[&str], says: &str) {
    let server = Server::echo();
    let done = Program::new(args).feed(&server.base);
    assert_eq!(done.status, 2, "{args:?}: {}", done.stderr);
    assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    assert!(!done.stderr.contains("canary"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    assert!(!server.was_asked());
}

#[test]
fn bad_options_are_refused() {
    for (option, value, says) in [
        ("--concurrency", "0", "one or more"),
        ("--concurrency", "-1", "not a number"),
        ("--concurrency", "many", "not a number"),
        ("--concurrency", "99999999999999999999", "not a number"),
        ("--per-host", "0", "one or more"),
        ("--timeout", "0", "more than nought"),
        ("--timeout", "-1", "not a time"),
        ("--timeout", "NaN", "not a time"),
        ("--timeout", "1e300", "not a time"),
        ("--timeout", "soon", "not a number of seconds"),
        ("--connect-timeout", "0", "more than nought"),
        ("--rate", "100", "not a rate"),
        ("--rate", "0/1s", "nought"),
        ("--rate", "5/0s", "nought"),
        ("--rate", "5/1", "not a rate"),
        ("--rate", "5/1x", "not a rate"),
        ("--rate", "x/1s", "not a rate"),
        ("--rate", "/", "not a rate"),
        ("--header", "canary", "colon"),
        ("--header", "bad name: canary", "name of a header"),
        ("--header", ": canary", "name of a header"),
        ("--header", "x: line\nbreak canary", "can not be sent"),
        ("--max-body", "-1", "not a number"),
        ("--adaptive", "0", "one or more"),
        ("--retries", "-1", "not a number"),
        ("--retries", "twice", "not a number"),
        ("--hedge", "0", "more than nought"),
        ("--hedge", "soon", "not a number of seconds"),
        ("--hedge", "p0", "none of p1 to p99"),
        ("--hedge", "p100", "none of p1 to p99"),
        ("--hedge", "p", "not a number"),
        ("--runtime", "twisted", "none of threads"),
        ("--client", "curl", "neither surf nor engine"),
        ("--input", "/no/such/file", "/no/such/file"),
        ("--input", "/", "directory"),
        ("--output", "/no/such/folder/file", "/no/such/folder/file"),
        ("--output", "/", "/: "),
        ("--bodies", "/dev/null/x", "/dev/null/x"),
        ("--input", "", "--input: must not be empty"),
        ("--output", "", "--output: must not be empty"),
        ("--bodies", "", "--bodies: must not be empty"),
        ("--no-such-option", "x", "no option --no-such-option"),
    ] {
        let input = ["--input", "-"];
        let args: Vec<_> = if option == "--input" {
            vec![option, value]
        } else {
            input.into_iter().chain([option, value]).collect()
        };
        refused(&args, says);
    }
    refused(&["stray"], "stray");
    refused(&["-x"], "-x");
    refused(&["--input"], "--input");
}

#[test]
fn a_runtime_that_is_not_there_names_its_feature() {
    for runtime in runtimes().1 {
        refused(
            &["--runtime", runtime],
            &format!("--features surf,{runtime}"),
        );
        if runtime == "threads" {
            refused(&[], "--features surf,threads");
        }
    }
}

#[test]
fn the_input_is_not_replaced_by_the_output() {
    let path = std::env::temp_dir().join(format!("fetch-all-same-{}", std::process::id()));
    fs::write(&path, "http://127.0.0.1:1/\n").unwrap();
    let file = path.file_name().unwrap();
    let detour = path.with_file_name(".").join(file);
    let (input, output) = (path.to_str().unwrap(), detour.to_str().unwrap());
    refused(&["--input", input, "--output", output], "replace the input");
    assert_eq!(fs::read_to_string(&path).unwrap(), "http://127.0.0.1:1/\n");
    fs::remove_file(path).unwrap();
}

#[test]
fn nobody_needs_to_read_standard_error() {
    let server = Server::echo();
    let (status, stdout) = Program::new(&["--input", "-"]).feed_unheard(&server.base);
    assert_eq!((status, stdout.lines().count()), (0, 1));
    let (status, stdout) = Program::new(&["--input", "-"]).feed_unheard("no url");
    assert_eq!((status, stdout.lines().count()), (1, 1));
}

#[test]
fn good_options_are_taken() {
    let server = Server::echo();
    let done = Program::new(&[
        "--input",
        "-",
        "--concurrency",
        "50",
        "--per-host",
        "8",
        "--timeout",
        "10",
        "--connect-timeout",
        "2.5",
        "--rate",
        "100/1s",
        "--header",
        "Authorization: Bearer x",
        "--header",
        "X-Empty:",
        "--retries",
        "2",
        "--adaptive",
        "16",
        "--max-body",
        "1048576",
        "--output",
        "-",
        "--client",
        "engine",
    ])
    .feed(&server.base);
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 1);
    for rate in ["5/250ms", "60/1m", "7/s", "1/0.01s"] {
        let done = Program::new(&["--input", "-", "--rate", rate]).feed(&server.base);
        assert_eq!(done.status, 0, "{rate}: {}", done.stderr);
    }
}

#[test]
fn help_says_what_there_is() {
    let done = Program::new(&["--help"]).run();
    assert_eq!(done.status, 0);
    assert_eq!(Program::new(&["-h"]).run().stdout, done.stdout);
    for option in ["--input", "--bodies", "--runtime", "exit status"] {
        assert!(done.stdout.contains(option));
    }
}

#[test]
fn with_an_output_nothing_goes_to_standard_output() {
    let server = Server::echo();
    let folder = std::env::temp_dir().join(format!("fetch-all-output-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("results.jsonl");
    let args = ["--input", "-", "--output", path.to_str().unwrap()];
    let done = Program::new(&args).feed(&format!("{}/1\n{}/2\n", server.base, server.base));
    assert_eq!((done.status, &*done.stdout), (0, ""));
    assert_eq!(crate::rows(&fs::read_to_string(&path).unwrap()).len(), 2);
    fs::remove_dir_all(folder).unwrap();
}
