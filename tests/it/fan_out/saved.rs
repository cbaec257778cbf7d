use std::error::Error;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::{fs, io};

use untethered::http::{ErrorKind, FanOut, FetchRequest, Retry, StatusCheck, Timeouts};
use untethered::sim::{Order, Sim, drop_at_every_poll};
use untethered::time::Backoff;

use super::server::Server;
use super::{MS, SECOND};

/// A folder that is gone when its test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fan-out-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn saving(url: &str, path: &Path) -> FetchRequest {
    FetchRequest::get(url).save_to(path)
}

/// Gives `one two three`, in three pieces a second apart.
fn dripping(sim: &Sim) -> Server {
    Server::new(sim, |call| async move {
        call.drip(
            200,
            &[],
            [(SECOND, "one "), (SECOND, "two "), (SECOND, "three")],
        )
    })
}

#[test]
fn a_body_goes_to_its_file_once_it_is_complete() {
    let folder = Folder::new("complete");
    let path = folder.path("file");
    fs::write(&path, "what was there").unwrap();
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), dripping(&sim));
    let fetched = sim
        .block_on(fan_out.fetch(saving("http://h/", &path)))
        .unwrap();
    assert_eq!((fetched.body().len(), fetched.body_len()), (0, 13));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two three");
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn many_bodies_go_to_their_files() {
    let folder = Folder::new("many");
    let sim = Sim::new();
    let server = Server::new(&sim, |call| async move {
        let body: &'static str = if call.path == "/1" { "first" } else { "other" };
        call.answer(body)
    });
    let requests = (0..20).map(|n| {
        let request = saving(&format!("http://h/{n}"), &folder.path(&n.to_string()));
        (n, request)
    });
    let fan_out = FanOut::new(&sim.runtime(), server);
    let results = sim.block_on(fan_out.fetch_all(requests).into_future());
    assert!(
        results
            .iter()
            .all(|(_, it)| it.as_ref().unwrap().body_len() == 5)
    );
    assert_eq!(fs::read_to_string(folder.path("1")).unwrap(), "first");
    assert_eq!(folder.names().len(), 20);
}

#[test]
fn what_fails_leaves_no_file() {
    let folder = Folder::new("fails");
    let path = folder.path("file");
    fs::write(&path, "what was there").unwrap();
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), dripping(&sim));
    for (fan_out, kind) in [
        (fan_out.clone().max_body(12), ErrorKind::BodyTooLarge),
        (
            fan_out.clone().timeout(Timeouts::total(MS * 2500)),
            ErrorKind::Timeout(untethered::http::TimeoutPhase::Total),
        ),
    ] {
        let error = sim
            .block_on(fan_out.fetch(saving("http://h/", &path)))
            .unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.maybe_sent());
        assert_eq!(fs::read_to_string(&path).unwrap(), "what was there");
        assert_eq!(folder.names(), ["file"]);
    }
    let fetched = sim.block_on(fan_out.max_body(13).fetch(saving("http://h/", &path)));
    assert_eq!(fetched.unwrap().body_len(), 13);
}

#[test]
fn a_file_that_can_not_be_written_says_why() {
    let folder = Folder::new("why");
    fs::create_dir(folder.path("folder")).unwrap();
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), dripping(&sim)).retry(Retry::default());
    for (path, kind) in [
        (folder.path("none/file"), io::ErrorKind::NotFound),
        (folder.path("folder"), io::ErrorKind::IsADirectory),
    ] {
        let error = sim
            .block_on(fan_out.fetch(saving("http://h/", &path)))
            .unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Other, 1));
        assert!(error.to_string().contains("can not be saved"), "{error}");
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), kind);
    }
    assert_eq!(folder.names(), ["folder"]);
}

#[test]
fn a_refused_status_is_not_saved_and_a_retry_begins_anew() {
    let folder = Folder::new("refused");
    let path = folder.path("file");
    let sim = Sim::new();
    let server = Server::new(
        &sim,
        |call| async move { call.answer_with(503, &[], "busy") },
    );
    let retry = Retry::default().backoff(Backoff::new(SECOND).seed(1));
    let strict = FanOut::new(&sim.runtime(), server)
        .status_check(StatusCheck::errors())
        .retry(retry.clone());
    let error = sim
        .block_on(strict.fetch(saving("http://h/", &path)))
        .unwrap_err();
    assert_eq!(
        (error.attempts(), error.response().unwrap().body().as_ref()),
        (3, &b"busy"[..])
    );
    assert!(folder.names().is_empty());

    // The first attempt is cut off by the limit, the second is not.
    let rt = sim.runtime();
    let begun = rt.now();
    let server = Server::new(&sim, move |call| {
        let delay = if rt.now() == begun { SECOND * 9 } else { MS };
        async move { call.drip(200, &[], [(MS, "one "), (delay, "two")]) }
    });
    let fan_out = FanOut::new(&sim.runtime(), server)
        .timeout(Timeouts::total(SECOND * 5))
        .retry(retry);
    let fetched = sim
        .block_on(fan_out.fetch(saving("http://h/", &path)))
        .unwrap();
    assert_eq!((fetched.attempts(), fetched.body_len()), (2, 7));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
}

#[cfg(unix)]
#[test]
fn a_link_is_replaced_and_not_followed() {
    let folder = Folder::new("link");
    let (path, target) = (folder.path("file"), folder.path("target"));
    fs::write(&target, "untouched").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let sim = Sim::new();
    let fan_out = FanOut::new(&sim.runtime(), dripping(&sim));
    sim.block_on(fan_out.fetch(saving("http://h/", &path)))
        .unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two three");
}

// H5
#[test]
fn a_save_dropped_at_any_poll_leaves_no_part_of_a_file() {
    let folder = Folder::new("dropped");
    let path = folder.path("file");
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        fs::remove_file(&path).ok();
        let fan_out = FanOut::new(&sim.runtime(), dripping(sim));
        let request = saving("http://h/", &path);
        let future = async move { fan_out.fetch(request).await.map(drop) };
        let names = || folder.names();
        (future, move |_| {
            let names = names();
            assert!(names.is_empty() || names == ["file"], "{names:?}");
        })
    });
    assert!(polls > 3, "{polls}");
}
