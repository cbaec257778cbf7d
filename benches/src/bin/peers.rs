//! CPU of whole client processes, ours and those of other languages: many GETs of 1 KiB from a server
//! on loopback.
//!
//! `peers [--requests N] [--concurrency N,N] [--rounds N] [--server nginx|own] [row ...]`: a table
//! `peers run ROW CONCURRENCY REQUESTS URL`: one of our rows, as a process of its own
//! `peers serve`: a server to try them by, which prints its URL
//!
//! What counts is the user and system time of a process from its start to its end. The rows take
//! turns, beginning with another one in each round. Peers that are not installed are left out and
//! named. "start" is what one request alone costs: start and end of the process, in milliseconds.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use untethered::http::{Engine, FanOut, SurfClient};
use untethered::{Runtime, runtime};
use untethered_benches::http::{
    BODY, Load, hyper_util_client, hyper_util_get, our_get, reqwest_get, serve, server_url,
    tokio_runtime,
};
use untethered_benches::{interval, median};

const ENGINE: &str = "engine/tokio-1";
const SURF: &str = "surf/tokio-1";
/// Files that the peers go by.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
/// The most that older versions of curl have under way at once, 7.88 among them.
const CURL_MOST: usize = 300;

/// The clients in this program.
const OURS: &[(&str, fn(Load))] = &[
    (ENGINE, |load| {
        load.on_our_tokio(1, |rt| Engine::new(rt), our_get);
    }),
    ("engine/threads-1", |load| {
        load.on_threads(1, |rt| Engine::new(rt), our_get);
    }),
    (SURF, |load| {
        load.on_our_tokio(1, |rt| SurfClient::new(rt), our_get);
    }),
    ("surf/smol-1", |load| {
        load.on_smol(|rt| SurfClient::new(rt), our_get);
    }),
    ("fan-out, engine/tokio-1", |load| {
        fan_out(load, |rt| FanOut::new(rt, Engine::new(rt)));
    }),
    ("fan-out, surf/tokio-1", |load| {
        fan_out(load, FanOut::surf);
    }),
    ("hyper-util/tokio-1", |load| {
        load.on_tokio(1, hyper_util_client(), hyper_util_get);
    }),
    ("reqwest/tokio-1", |load| {
        load.on_tokio(1, reqwest::Client::new(), reqwest_get);
    }),
];

/// A client of another language.
struct Other {
    name: &'static str,
    /// How to ask for its version.
    version: &'static [&'static str],
    /// What to run for a load.
    command: fn(&Load) -> Command,
    /// Whether it asks for as long as it was told, and not for as many.
    timed: bool,
}

const OTHERS: &[Other] = &[
    Other {
        name: "wrk (floor)",
        version: &["wrk", "-v"],
        command: |load| {
            let connections = format!("-c{}", load.concurrency);
            command(&["wrk", "-t1", &connections, "-d1s", &load.url])
        },
        timed: true,
    },
    Other {
        name: "curl --parallel",
        version: &["curl", "--version"],
        command: |load| {
            let most = load.concurrency.min(CURL_MOST).to_string();
            let urls = format!("{}?[1-{}]", load.url, load.requests);
            let config = format!("{FILES}/curl.conf");
            command(&["curl", "--config", &config, "--parallel-max", &most, &urls])
        },
        timed: false,
    },
    Other {
        name: "Go net/http",
        version: &["go", "version"],
        command: |load| with_load(Command::new(go_client()), load),
        timed: false,
    },
    Other {
        name: "Go net/http, one thread",
        version: &["go", "version"],
        command: |load| {
            let mut command = with_load(Command::new(go_client()), load);
            command.env("GOMAXPROCS", "1");
            command
        },
        timed: false,
    },
    Other {
        name: "aiohttp",
        version: &[
            "python3",
            "-c",
            "import aiohttp, sys; print('aiohttp', aiohttp.__version__, 'on Python', sys.version.split()[0])",
        ],
        command: |load| {
            let client = format!("{FILES}/client_aiohttp.py");
            with_load(command(&["python3", &client]), load)
        },
        timed: false,
    },
];

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("serve") => return serve(),
        Some("run") => return run(&args[1..]),
        _ => {}
    }
    let mut option = |name: &str, default: &str| -> String {
        match args.iter().position(|arg| arg == name) {
            Some(at) => args.drain(at..at + 2).nth(1).unwrap(),
            None => default.to_owned(),
        }
    };
    let requests: usize = option("--requests", "20000").parse().unwrap();
    let rounds: usize = option("--rounds", "5").parse().unwrap();
    assert!(rounds > 0, "--rounds takes a number from 1 on");
    let concurrencies = option("--concurrency", "50,500");
    let installed = version(&["nginx", "-v"]);
    let server = option("--server", if installed.is_ok() { "nginx" } else { "own" });
    let asked = |name: &str| args.is_empty() || args.iter().any(|arg| name.contains(&**arg));

    let server = match server.as_str() {
        "nginx" => {
            println!("server: {}", installed.expect("nginx does not run"));
            Server::nginx()
        }
        "own" => {
            println!("server: own");
            Server::own()
        }
        other => panic!("--server is nginx or own, not {other}"),
    };
    let mut rows: Vec<Row> = OURS
        .iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, _)| Row::Ours(name))
        .collect();
    for other in OTHERS.iter().filter(|other| asked(other.name)) {
        let installed = version(other.version).and_then(|version| {
            if other.version[0] == "go" {
                build_go_client()?;
            }
            Ok(version)
        });
        match installed {
            Ok(version) => {
                println!("{}: {version}", other.name);
                rows.push(Row::Other(other));
            }
            Err(why) => println!("{}: left out, {why}", other.name),
        }
    }

    let load = |concurrency, requests| Load {
        requests,
        concurrency,
        warm_up: false,
        url: server.url.clone(),
    };
    let alone = load(1, 1);
    let starts = in_turns(&rows, rounds, |row| match row {
        // It can not be told to send one.
        Row::Other(other) if other.timed => f64::NAN,
        row => row.cost(&alone),
    });
    for concurrency in concurrencies.split(',') {
        let load = load(concurrency.parse().unwrap(), requests);
        let costs = in_turns(&rows, rounds, |row| row.cost(&load));
        let base = |name| rows.iter().position(|row| row.name() == name);
        let (engine, surf) = (base(ENGINE), base(SURF));
        println!("\nconcurrency {concurrency}, {requests} requests, {rounds} rounds\n");
        println!(
            "| process | CPU s per 1,000 requests | least | it / engine | it / surf | start, ms |"
        );
        println!("|---|---|---|---|---|---|");
        for (index, row) in rows.iter().enumerate() {
            let cost = &costs[index];
            let least = cost.iter().copied().fold(f64::INFINITY, f64::min);
            let beside = |base: Option<usize>| match base {
                Some(base) if base != index => ratio(cost, &costs[base]),
                _ => String::new(),
            };
            let name = match row.name() {
                name if name.starts_with("curl") && load.concurrency > CURL_MOST => {
                    format!("{name}, {CURL_MOST} at once")
                }
                name => name.to_owned(),
            };
            let start = match median(&starts[index]) {
                start if start.is_nan() => String::new(),
                start => format!("{start:.1}"),
            };
            println!(
                "| {name} | {:.4} | {least:.4} | {} | {} | {start} |",
                median(cost),
                beside(engine),
                beside(surf),
            );
        }
    }
}

/// One of our clients, as `peers run` is asked for it.
fn run(args: &[String]) {
    let [name, concurrency, requests, url] = args else {
        panic!("peers run ROW CONCURRENCY REQUESTS URL");
    };
    let Some((_, client)) = OURS.iter().find(|(row, _)| row == name) else {
        let names: Vec<_> = OURS.iter().map(|(row, _)| row).collect();
        panic!("no row {name:?}: there are {names:?}");
    };
    client(Load {
        requests: requests.parse().unwrap(),
        concurrency: concurrency.parse().unwrap(),
        warm_up: false,
        url: url.clone(),
    });
    println!("{requests}");
}

fn fan_out(load: Load, session: impl FnOnce(&Runtime) -> FanOut) {
    tokio_runtime(1).block_on(async {
        let fan_out = session(&runtime::tokio().unwrap()).concurrency(load.concurrency);
        let urls = (0..load.requests).map(|index| (index, load.url.as_str()));
        let mut results = fan_out.fetch_all(urls).stream();
        let mut whole = 0;
        while let Some((_, result)) = results.next().await {
            assert_eq!(result.unwrap().body().len(), BODY);
            whole += 1;
        }
        assert_eq!(whole, load.requests);
    });
}

enum Row {
    Ours(&'static str),
    Other(&'static Other),
}

impl Row {
    fn name(&self) -> &'static str {
        match self {
            Self::Ours(name) => name,
            Self::Other(other) => other.name,
        }
    }

    /// CPU seconds for 1,000 requests, of a process that is run to its end.
    fn cost(&self, load: &Load) -> f64 {
        let mut command = match self {
            Self::Ours(name) => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                let numbers = [load.concurrency, load.requests].map(|n| n.to_string());
                command.args(["run", name]).args(numbers).arg(&load.url);
                command
            }
            Self::Other(other) => (other.command)(load),
        };
        let before = children_seconds();
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        let used = children_seconds() - before;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{} failed: {text}", self.name());
        let done = match self {
            Self::Other(other) if other.timed => wrk_requests(&text),
            // curl says nothing about its transfers, and fails if one of them did.
            Self::Other(other) if other.name.starts_with("curl") => load.requests,
            _ => {
                let whole: usize = text.trim().parse().unwrap();
                assert_eq!(whole, load.requests, "{} lost some", self.name());
                whole
            }
        };
        used * 1000.0 / done as f64
    }
}

/// What each row costs in each round, each round begun with another row; one round before it does not
/// count.
fn in_turns(rows: &[Row], rounds: usize, mut cost: impl FnMut(&Row) -> f64) -> Vec<Vec<f64>> {
    let mut costs = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 0..=rounds {
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            let cost = cost(&rows[index]);
            if round > 0 {
                costs[index].push(cost);
            }
        }
    }
    costs
}

/// The median of the ratios in a round, and its interval.
fn ratio(costs: &[f64], base: &[f64]) -> String {
    let ratios: Vec<f64> = costs.iter().zip(base).map(|(it, base)| it / base).collect();
    let (low, high) = interval(&ratios);
    format!("{:.2} ({low:.2} to {high:.2})", median(&ratios))
}

/// What the children used that have ended.
fn children_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// `N requests in 1.00s`, if nothing else went wrong.
fn wrk_requests(text: &str) -> usize {
    assert!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "wrk: {text}"
    );
    let line = text.lines().find(|line| line.contains(" requests in "));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect(text)
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

fn with_load(mut command: Command, load: &Load) -> Command {
    command
        .arg(&load.url)
        .args([load.requests, load.concurrency].map(|n| n.to_string()));
    command
}

/// The first line that a program says when asked for its version, or why there is none.
fn version(words: &[&str]) -> Result<String, String> {
    let output = command(words)
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("no {} here", words[0]),
            _ => error.to_string(),
        })?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // wrk has shown its version when it says how it is used, and fails.
    if output.status.success() || text.starts_with("wrk ") {
        Ok(text.lines().next().unwrap_or_default().to_owned())
    } else {
        let last = text.lines().last().unwrap_or_default();
        Err(format!("{}: {last}", words[0]))
    }
}

/// Where the client in Go is built: beside this program.
fn go_client() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.with_file_name("peers-go")
}

fn build_go_client() -> Result<(), String> {
    let output = command(&["go", "build", "-o"])
        .arg(go_client())
        .arg(format!("{FILES}/client.go"))
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A server in a process of its own; ends with this.
struct Server {
    process: Child,
    url: String,
    /// What nginx keeps files in.
    folder: Option<PathBuf>,
}

impl Server {
    fn own() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new(program)
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let url = server_url(&mut process);
        Self {
            process,
            url,
            folder: None,
        }
    }

    fn nginx() -> Self {
        let folder = std::env::temp_dir().join(format!("peers-nginx-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // It takes no port of the system's choice: that of a listener that is gone.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let config = fs::read_to_string(Path::new(FILES).join("nginx.conf"))
            .unwrap()
            .replace("PORT", &address.port().to_string())
            .replace("DIR", folder.to_str().unwrap())
            .replace("BODY", &"x".repeat(BODY));
        let path = folder.join("nginx.conf");
        fs::write(&path, config).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&path)
            .args(["-e", "stderr"])
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            url: format!("http://{address}/"),
            folder: Some(folder),
        };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!("nginx ended: {status}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
