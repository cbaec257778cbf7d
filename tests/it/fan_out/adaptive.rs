use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use untethered::http::{Adaptive, ErrorKind, FanOut};
use untethered::sim::Sim;

use super::server::Server;
use super::{MS, SECOND};

fn urls(n: usize) -> impl Iterator<Item = String> + Send {
    (0..n).map(|n| format!("http://h/{n}"))
}

fn fan_out(sim: &Sim, server: &Server, limit: Adaptive) -> FanOut {
    FanOut::new(&sim.runtime(), server.clone()).adaptive(limit)
}

/// Counts whoever is being served.
#[derive(Clone, Default)]
struct Load(Arc<AtomicUsize>);

impl Load {
    fn enter(&self) -> (usize, Leave) {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        (before + 1, Leave(self.clone()))
    }
}

struct Leave(Load);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves ten at once in 100 ms each, and refuses more.
fn takes_ten(sim: &Sim, refusal: u16) -> Server {
    let load = Load::default();
    Server::new(sim, move |call| {
        let (load, leave) = load.enter();
        async move {
            let _leave = leave;
            if load > 10 {
                return call.answer_with(refusal, &[], "");
            }
            call.sleep(MS * 100).await;
            call.answer("ok")
        }
    })
}

#[test]
fn it_finds_what_a_host_can_take() {
    for refusal in [429, 503] {
        let sim = Sim::new();
        let server = takes_ten(&sim, refusal);
        let fan_out = fan_out(&sim, &server, Adaptive::up_to(100));
        let results = sim.block_on(fan_out.fetch_all(urls(1000)).into_future());
        let good = results
            .iter()
            .filter(|(_, it)| it.as_ref().unwrap().status() == 200);
        let good = good.count();
        assert!(good >= 900, "{good} of 1000 were served");
        // At its best it would be 10 s, one by one 100 s.
        assert!(sim.elapsed() < SECOND * 16, "{:?}", sim.elapsed());
        assert!(server.seen().peak <= 12, "{}", server.seen().peak);
    }
}

#[test]
fn answers_that_become_slow_are_too_much_too() {
    let sim = Sim::new();
    let load = Load::default();
    // As if ten could be worked on at once, and the others waited in the host's own queue.
    let server = Server::new(&sim, move |call| {
        let (load, leave) = load.enter();
        async move {
            call.sleep(MS * 100 * u32::try_from(load.div_ceil(10)).unwrap())
                .await;
            drop(leave);
            call.answer("ok")
        }
    });
    let fan_out = fan_out(&sim, &server, Adaptive::up_to(100));
    sim.block_on(fan_out.fetch_all(urls(4000)).into_future());
    let peak = server.seen().peak;
    assert!((10..=45).contains(&peak), "{peak}");
}

#[test]
fn a_host_at_ease_gets_the_most_and_a_dead_one_the_least() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let limit = Adaptive::up_to(20).start_at(1);
    sim.block_on(
        fan_out(&sim, &server, limit)
            .fetch_all(urls(500))
            .into_future(),
    );
    assert_eq!(server.seen().peak, 20);

    let dead = Server::new(&sim, |call| async move {
        call.sleep(SECOND).await;
        Err(ErrorKind::Connect.into())
    });
    let limit = Adaptive::up_to(20).at_least(2).start_at(16);
    sim.block_on(
        fan_out(&sim, &dead, limit)
            .fetch_all(urls(30))
            .into_future(),
    );
    // 16, 8, 4 and 2: those of a round shrink it once.
    let starts = dead.starts();
    let in_second = |at| {
        let second = SECOND * at;
        starts.iter().filter(|start| **start == second).count()
    };
    assert_eq!([0, 1, 2, 3].map(in_second), [16, 8, 4, 2]);
}

#[test]
fn a_host_that_has_become_slower_for_good_is_at_ease_again() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let turn = sim.now() + SECOND * 20;
    let server = Server::new(&sim, move |call| {
        let delay = if rt.now() < turn { MS * 50 } else { SECOND };
        async move {
            call.sleep(delay).await;
            call.answer("ok")
        }
    });
    let limit = Adaptive::up_to(16);
    sim.block_on(
        fan_out(&sim, &server, limit)
            .fetch_all(urls(8000))
            .into_future(),
    );
    // In its last seconds it is asked as much as before.
    let end = sim.elapsed();
    let late = server
        .starts()
        .iter()
        .filter(|at| **at + SECOND * 4 > end)
        .count();
    assert!(late >= 32, "{late}");
}

#[test]
fn each_host_has_its_own_and_no_limit_is_passed() {
    let sim = Sim::new();
    let server = Server::slow(&sim, SECOND);
    let fan_out = fan_out(&sim, &server, Adaptive::up_to(100).start_at(50))
        .per_host(3)
        .concurrency(5);
    let urls = (0..60).map(|n| format!("http://h{}/{n}", n % 2));
    sim.block_on(fan_out.fetch_all(urls).into_future());
    let seen = server.seen();
    assert_eq!((seen.peak, seen.host_peak()), (5, 3));
}

#[test]
#[should_panic(expected = "give one or more")]
fn nought_is_refused() {
    let _ = Adaptive::up_to(0);
}
