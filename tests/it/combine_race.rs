use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::{Future, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use untethered::combine::{Empty, OneOf2, OneOf3, quorum, race, race_ok};
use untethered::sim::{Order, Sim, drop_at_every_poll, explore_orders, yield_now};
use untethered::sync::Event;
use untethered::{CancellationToken, Runtime};

use crate::polled::now;
use crate::support::{Drops, Log, Wakes, on_clone, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// Futures that are done when they are told to, and count their polls.
#[derive(Clone)]
struct Gates(Rc<RefCell<Vec<State>>>);

#[derive(Default)]
struct State {
    open: bool,
    polls: usize,
    waker: Option<Waker>,
}

impl Gates {
    fn new(len: usize) -> Self {
        let states = (0..len).map(|_| State::default());
        Self(Rc::new(RefCell::new(states.collect())))
    }

    fn futures(&self) -> Vec<Gate> {
        let len = self.0.borrow().len();
        (0..len)
            .map(|index| Gate {
                gates: self.clone(),
                index,
            })
            .collect()
    }

    fn open(&self, index: usize) {
        let waker = {
            let state = &mut self.0.borrow_mut()[index];
            state.open = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many polls there were since the last call.
    fn polls(&self) -> usize {
        let mut states = self.0.borrow_mut();
        states
            .iter_mut()
            .map(|state| std::mem::take(&mut state.polls))
            .sum()
    }
}

struct Gate {
    gates: Gates,
    index: usize,
}

impl Future for Gate {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let state = &mut self.gates.0.borrow_mut()[self.index];
        state.polls += 1;
        if state.open {
            return Poll::Ready(self.index);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

// C6
#[test]
fn every_form_of_entrants_gives_index_and_output() {
    let sim = Sim::new();
    sim.block_on(async {
        assert_eq!(race([boxed(pending()), boxed(ready(7))]).await, (1, 7));
        assert_eq!(race([ready(7)]).await, (0, 7));
        let mut eight = [(); 8].map(|()| boxed(pending()));
        eight[7] = boxed(ready(8));
        assert_eq!(race(eight).await, (7, 8));
        let mut nine = [(); 9].map(|()| boxed(pending()));
        nine[8] = boxed(ready(9));
        assert_eq!(race(nine).await, (8, 9));
        let mut most = [(); 32].map(|()| boxed(pending()));
        most[31] = boxed(ready(32));
        assert_eq!(race(most).await, (31, 32));
        assert_eq!(race(vec![ready(1), ready(2)]).await, Ok((0, 1)));
        let iterator = (0..100).map(|n| async move { if n < 70 { pending().await } else { n } });
        assert_eq!(race(iterator).await, Ok((70, 70)));
        let nobody: Result<_, Empty> = race(Vec::<std::future::Ready<()>>::new()).await;
        assert_eq!(
            nobody.unwrap_err().to_string(),
            "there was no future to wait for"
        );
    });
}

fn boxed<F: Future + 'static>(future: F) -> Pin<Box<dyn Future<Output = F::Output>>> {
    Box::pin(future)
}

#[test]
fn places_of_a_tuple_may_differ_in_type() {
    let sim = Sim::new();
    sim.block_on(async {
        let won = race((pending::<u8>(), ready("text"))).await;
        assert_eq!((won, won.index()), (OneOf2::B("text"), 1));
        let won = race((pending::<u8>(), async { 'x' }, pending::<String>())).await;
        assert_eq!(won, OneOf3::B('x'));
        let same = race((async { 1 }, ready(2), pending())).await;
        assert_eq!((same.index(), same.into_inner()), (0, 1));
    });
}

// F2
#[test]
fn losers_and_the_winner_are_dropped_before_the_output_is_seen() {
    let sim = Sim::new();
    let log = Log::default();
    let entrant = |name: &'static str, wins: bool| {
        let dropped = log.on_drop(name);
        async move {
            let _dropped = dropped;
            yield_now().await;
            if !wins {
                pending::<()>().await;
            }
        }
    };
    sim.block_on(async {
        // Awaited by reference: what is kept of the race holds nothing any more.
        let mut array = pin!(race([
            entrant("0", false),
            entrant("1", true),
            entrant("2", false)
        ]));
        array.as_mut().await;
        assert_eq!(log.take(), ["1", "0", "2"]);
        let mut tuple = pin!(race((entrant("0", false), entrant("1", true))));
        tuple.as_mut().await;
        assert_eq!(log.take(), ["1", "0"]);
        let mut vector = pin!(race(vec![entrant("0", true), entrant("1", true)]));
        vector.as_mut().await.unwrap();
        assert_eq!(log.take(), ["0", "1"]);
        // Those that never began go as well.
        let mut early = pin!(race(vec![boxed(ready(())), boxed(entrant("never", false))]));
        early.as_mut().await.unwrap();
        assert_eq!(log.take(), ["never"]);
        let mut many = pin!(race((0..40).map(|index| entrant("x", index == 35))));
        many.as_mut().await.unwrap();
        assert_eq!(log.take().len(), 40);
    });
}

// C5
#[test]
fn ties_go_to_input_order_at_any_size() {
    for len in [2, 5, 16, 17, 32, 33, 100, 1000, 3000] {
        for later in [1, len / 2, len - 1] {
            let gates = Gates::new(len);
            let (wakes, waker) = Wakes::new();
            let mut cx = Context::from_waker(&waker);
            let mut race = pin!(race(gates.futures()));
            assert!(race.as_mut().poll(&mut cx).is_pending());
            assert_eq!(gates.polls(), len);
            // The later one is woken first.
            gates.open(later);
            gates.open(later / 2);
            assert!(wakes.count() > 0);
            let first = later / 2;
            assert_eq!(race.as_mut().poll(&mut cx), Poll::Ready(Ok((first, first))));
        }
    }
}

// C5
#[test]
fn each_of_many_can_win_and_few_are_polled_for_it() {
    for len in [33, 64, 500, 1025] {
        for index in (0..len).step_by(7) {
            let gates = Gates::new(len);
            let (wakes, waker) = Wakes::new();
            let mut cx = Context::from_waker(&waker);
            let mut race = pin!(race(gates.futures()));
            assert!(race.as_mut().poll(&mut cx).is_pending());
            gates.polls();
            assert!(race.as_mut().poll(&mut cx).is_pending());
            assert_eq!(gates.polls(), 0, "nobody was woken");
            gates.open(index);
            assert_eq!(wakes.count(), 1);
            assert_eq!(race.as_mut().poll(&mut cx), Poll::Ready(Ok((index, index))));
            assert!(gates.polls() <= 4);
        }
    }
}

#[test]
fn entrants_that_always_ask_to_be_polled_again_keep_the_turn_from_nobody() {
    for busy in [8, 20, 40, 63] {
        // So many that not all are polled whenever one is woken.
        let entrants = (0..64).map(|index| async move {
            if index < busy {
                loop {
                    yield_now().await;
                }
            }
            index
        });
        let mut cx = Context::from_waker(Waker::noop());
        let mut race = pin!(race(entrants));
        let mut polls = std::iter::repeat_with(|| race.as_mut().poll(&mut cx)).take(64);
        let won = polls.find(Poll::is_ready);
        assert_eq!(won, Some(Poll::Ready(Ok((busy, busy)))));
    }
}

#[test]
fn entrants_that_ask_to_be_polled_again_are_in_a_later_poll() {
    for busy in [4, 8, 20, 64] {
        let entrants = (0..64).map(|index| async move {
            for _ in 0..3 {
                yield_now().await;
            }
            if index >= busy {
                pending::<()>().await;
            }
            index
        });
        let mut cx = Context::from_waker(Waker::noop());
        let mut race = pin!(race(entrants));
        let mut polls = std::iter::repeat_with(|| race.as_mut().poll(&mut cx)).take(64);
        let won = polls.find(Poll::is_ready);
        assert!(matches!(won, Some(Poll::Ready(Ok(_)))), "{busy} busy");
    }
}

#[test]
fn the_index_is_right_if_the_input_learns_late_how_many_it_has() {
    for lens in [[1, 60], [2, 60], [40, 40], [1, 5]] {
        let len = lens.iter().sum();
        for index in 0..len {
            let gates = Gates::new(len);
            let mut cx = Context::from_waker(Waker::noop());
            let mut futures = gates.futures().into_iter();
            // Says how many are left in the part that it has come to, and no more.
            let parts = lens.map(|len| futures.by_ref().take(len).collect::<Vec<_>>());
            let mut race = pin!(race(parts.into_iter().flatten()));
            assert!(race.as_mut().poll(&mut cx).is_pending());
            gates.open(index);
            assert_eq!(race.as_mut().poll(&mut cx), Poll::Ready(Ok((index, index))));
        }
    }
}

#[test]
fn a_wake_reaches_the_task_that_polled_last() {
    let gates = Gates::new(40);
    let (old, old_waker) = Wakes::new();
    let (new, new_waker) = Wakes::new();
    let mut race = pin!(race(gates.futures()));
    assert!(
        race.as_mut()
            .poll(&mut Context::from_waker(&old_waker))
            .is_pending()
    );
    assert!(
        race.as_mut()
            .poll(&mut Context::from_waker(&new_waker))
            .is_pending()
    );
    gates.open(20);
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn big_futures_race_too() {
    let sim = Sim::new();
    let won = sim.block_on(race((0..50_usize).map(|index| async move {
        let bytes = [index as u8; 4096];
        yield_now().await;
        if index == 40 {
            usize::from(bytes[4095])
        } else {
            pending().await
        }
    })));
    assert_eq!(won, Ok((40, 40)));
}

// C5
#[test]
fn the_earliest_wins_in_any_order_of_wakes() {
    explore_orders(60, |sim| {
        let rt = sim.runtime();
        for len in [3, 20, 90] {
            let start = sim.now();
            let delay = |index: usize| SECOND * ((index * 7 + 3) % 11 + 1) as u32;
            let tasks = (0..len).map(|index| rt.spawn(rt.sleep(delay(index))));
            let first = (0..len).min_by_key(|&index| delay(index)).unwrap();
            let (index, done) = sim.block_on(race(tasks)).unwrap();
            done.unwrap();
            assert_eq!(sim.now() - start, delay(first));
            assert_eq!(delay(index), delay(first));
            sim.run_until_idle();
            assert_eq!((sim.live_tasks(), sim.live_timers()), (0, 0));
        }
    });
}

// C2
#[test]
fn a_race_dropped_at_any_poll_drops_everybody() {
    for len in [2, 8, 20, 50] {
        let polls = drop_at_every_poll(Order::Fifo, |sim| {
            let rt = sim.runtime();
            let drops = Drops::default();
            let entrants: Vec<_> = (0..len)
                .map(|index| {
                    let (rt, dropped) = (rt.clone(), drops.guard());
                    async move {
                        let _dropped = dropped;
                        yield_now().await;
                        rt.sleep(SECOND * (index + 1)).await;
                        rt.sleep(SECOND).await;
                    }
                })
                .collect();
            (race(entrants), move |sim: &Sim| {
                assert_eq!((drops.made(), drops.count()), (len as usize, len as usize));
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls >= 3, "{polls}");
    }
}

/// An entrant that needs `clean_up` to stop.
async fn polite(
    rt: untethered::Runtime,
    token: CancellationToken,
    work: Duration,
    clean_up: Duration,
    log: Log,
    name: &'static str,
) -> &'static str {
    let _dropped = log.on_drop(name);
    if token.run_until_cancelled(rt.sleep(work)).await.is_none() {
        rt.sleep(clean_up).await;
        log.push(format!("{name} clean"));
    }
    name
}

// C8
#[test]
fn within_the_grace_losers_clean_up_and_past_it_they_are_dropped() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let log = Log::default();
    sim.block_on(async {
        let token = CancellationToken::new();
        let enter = |work: u32, clean_up: u32, name| {
            polite(
                rt.clone(),
                token.clone(),
                work * SECOND,
                clean_up * SECOND,
                log.clone(),
                name,
            )
        };
        let entrants = [enter(60, 1, "a"), enter(1, 0, "b"), enter(60, 9, "c")];
        let won = race(entrants).grace(&rt, 3 * SECOND, &token).await;
        assert_eq!(won, (1, "b"));
        // b at 1 second, a clean at 2, c dropped at 4.
        assert_eq!(sim.elapsed(), 4 * SECOND);
        assert_eq!(log.take(), ["b", "a clean", "a", "c"]);
    });
    sim.block_on(async {
        let token = CancellationToken::new();
        let start = sim.now();
        let enter = |work: u32, clean_up: u32, name| {
            polite(
                rt.clone(),
                token.clone(),
                work * SECOND,
                clean_up * SECOND,
                log.clone(),
                name,
            )
        };
        // All clean before the grace is over: the race does not wait for its end.
        let won = race((enter(1, 0, "a"), enter(60, 2, "b")))
            .grace(&rt, 60 * SECOND, &token)
            .await;
        assert_eq!(won, OneOf2::A("a"));
        assert_eq!(sim.now() - start, 3 * SECOND);
        assert_eq!(log.take(), ["a", "b clean", "b"]);
    });
    sim.block_on(async {
        let token = CancellationToken::new();
        let start = sim.now();
        let enter = |work: u32, clean_up: u32, name| {
            polite(
                rt.clone(),
                token.clone(),
                work * SECOND,
                clean_up * SECOND,
                log.clone(),
                name,
            )
        };
        // Without any grace they are asked, polled once and dropped.
        let entrants = vec![enter(1, 0, "a"), enter(60, 0, "b"), enter(60, 1, "c")];
        let won = race(entrants).grace(&rt, Duration::ZERO, &token).await;
        assert_eq!(won, Ok((0, "a")));
        assert_eq!(sim.now() - start, SECOND);
        assert_eq!(log.take(), ["a", "b clean", "b", "c"]);
    });
    assert_eq!(sim.live_timers(), 0);
}

// C8
#[test]
fn wherever_it_stands_the_slowest_loser_is_waited_for() {
    async fn enter(rt: Runtime, token: CancellationToken, work: u32, clean_up: u32) {
        let work = rt.sleep(work * SECOND);
        if token.run_until_cancelled(work).await.is_none() && clean_up > 0 {
            rt.sleep(clean_up * SECOND).await;
        }
    }

    let sim = Sim::new();
    let rt = sim.runtime();
    for len in [3, 5, 8, 20, 40] {
        for (winner, slow) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (0, len - 1)] {
            for form in 0..3 {
                let token = CancellationToken::new();
                // All others are clean as soon as they are asked.
                let entrants = (0..len).map(|index| {
                    let work = if index == winner { 1 } else { 60 };
                    let clean_up = if index == slow { 2 } else { 0 };
                    enter(rt.clone(), token.clone(), work, clean_up)
                });
                let mut entrants = entrants.collect::<Vec<_>>();
                let grace = 10 * SECOND;
                let start = sim.now();
                sim.block_on(async {
                    match (form, len) {
                        (0, _) => {
                            let won = race(entrants).grace(&rt, grace, &token).await;
                            assert_eq!(won, Ok((winner, ())));
                        }
                        (1, 3) => {
                            let mut next = || entrants.remove(0);
                            let three = (next(), next(), next());
                            let won = race(three).grace(&rt, grace, &token).await;
                            assert_eq!(won.index(), winner);
                        }
                        (2, 3) => {
                            let three: [_; 3] = entrants.try_into().ok().unwrap();
                            let won = race(three).grace(&rt, grace, &token).await;
                            assert_eq!(won, (winner, ()));
                        }
                        (2, 20) => {
                            let twenty: [_; 20] = entrants.try_into().ok().unwrap();
                            let won = race(twenty).grace(&rt, grace, &token).await;
                            assert_eq!(won, (winner, ()));
                        }
                        _ => return,
                    }
                    let took = sim.now() - start;
                    assert_eq!(took, 3 * SECOND, "{form}: {slow} after {winner} of {len}");
                });
            }
        }
    }
}

// C8
#[test]
fn losers_that_were_never_polled_are_asked_too() {
    for len in [2, 20, 40, 400] {
        let sim = Sim::new();
        let rt = sim.runtime();
        let token = CancellationToken::new();
        let clean = Cell::new(0);
        let entrants = (0..len).map(|index| {
            let (rt, token, clean) = (&rt, &token, &clean);
            async move {
                if index > 0 {
                    token.cancelled().await;
                    rt.sleep(SECOND).await;
                    clean.set(clean.get() + 1);
                }
            }
        });
        // The first is ready at once.
        let won = sim.block_on(race(entrants).grace(&rt, 60 * SECOND, &token));
        assert_eq!(won, Ok((0, ())));
        assert_eq!((clean.get(), sim.elapsed()), (len - 1, SECOND));
    }
}

// C2
#[test]
fn a_grace_dropped_at_any_poll_leaves_nothing() {
    let polls = drop_at_every_poll(Order::Fifo, |sim| {
        let rt = sim.runtime();
        let log = Log::default();
        let token = CancellationToken::new();
        let entrants: Vec<_> = (1..=40)
            .map(|index| {
                polite(
                    rt.clone(),
                    token.clone(),
                    index * SECOND,
                    SECOND,
                    log.clone(),
                    "dropped",
                )
            })
            .collect();
        let race = race(entrants).grace(&rt, 2 * SECOND, &token);
        (race, move |sim: &Sim| {
            let dropped = log
                .take()
                .into_iter()
                .filter(|event| event == "dropped")
                .count();
            // An entrant that was never polled had not begun to log.
            assert!(dropped == 40 || dropped == 0);
            assert_eq!(sim.live_timers(), 0);
        })
    });
    assert!(polls >= 3, "{polls}");
}

// C4
#[test]
fn a_panic_of_one_drops_the_others() {
    let sim = Sim::new();
    let drops = Drops::default();
    let text = panic_text(|| {
        sim.block_on(race((0..40).map(|index| {
            let dropped = drops.guard();
            async move {
                let _dropped = dropped;
                yield_now().await;
                assert_ne!(index, 20, "number twenty");
                pending::<()>().await;
            }
        })))
    });
    assert!(text.contains("number twenty"), "{text}");
    assert_eq!(drops.count(), 40);
}

#[test]
fn a_race_that_is_over_says_so() {
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut race = pin!(race([ready(1), ready(2)]));
    assert!(race.as_mut().poll(&mut cx).is_ready());
    let text = panic_text(|| race.as_mut().poll(&mut cx));
    assert_eq!(text, "a race was polled after it was over");
    // So does one that a panic has ended: it does not wait for nobody.
    for len in [2, 40] {
        let mut failing = pin!(untethered::combine::race((0..len).map(
            |index| async move {
                assert_ne!(index, 1, "number one");
                pending::<()>().await;
            }
        )));
        panic_text(|| failing.as_mut().poll(&mut cx));
        let text = panic_text(|| failing.as_mut().poll(&mut cx));
        assert_eq!(text, "a race was polled after it was over");
    }
}

/// A future that answers after so many seconds.
async fn answer(
    rt: untethered::Runtime,
    seconds: u32,
    answer: Result<u32, u32>,
) -> Result<u32, u32> {
    rt.sleep(SECOND * seconds).await;
    answer
}

#[test]
fn race_ok_gives_the_first_success_and_the_failures_before_it() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let entrants = [
        answer(rt.clone(), 3, Err(30)),
        answer(rt.clone(), 9, Ok(90)),
        answer(rt.clone(), 5, Ok(50)),
        answer(rt.clone(), 1, Err(10)),
        answer(rt.clone(), 7, Err(70)),
    ];
    let won = sim.block_on(race_ok(entrants)).unwrap();
    assert_eq!((won.index, won.value), (2, 50));
    assert_eq!(won.failures, [(3, 10), (0, 30)]);
    assert_eq!((sim.elapsed(), sim.live_timers()), (5 * SECOND, 0));
}

// C6
#[test]
fn race_ok_without_a_success_gives_every_error() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let failures = sim
        .block_on(race_ok(
            (0..40).map(|index| answer(rt.clone(), 40 - index, Err(index))),
        ))
        .unwrap_err();
    let expected: Vec<_> = (0..40).rev().map(|index| (index as usize, index)).collect();
    assert_eq!(failures.errors(), expected);
    assert!(!failures.is_intolerable());
    assert_eq!(failures.to_string(), "all 40 futures failed, future 0 last");

    let nobody = sim.block_on(race_ok(Vec::<std::future::Ready<Result<(), u8>>>::new()));
    let nobody = nobody.unwrap_err();
    assert!(nobody.is_empty());
    assert_eq!(nobody.to_string(), "there was no future to wait for");
}

#[test]
fn race_ok_ends_at_an_error_that_is_not_tolerated() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let entrants = vec![
        answer(rt.clone(), 1, Err(10)),
        answer(rt.clone(), 2, Err(99)),
        answer(rt.clone(), 3, Ok(30)),
    ];
    let failures = sim
        .block_on(race_ok(entrants).tolerate(|error| *error < 50))
        .unwrap_err();
    assert!(failures.is_intolerable());
    assert_eq!(failures.errors(), [(0, 10), (1, 99)]);
    assert_eq!(sim.elapsed(), 2 * SECOND);
    assert_eq!(failures.into_errors().len(), 2);
}

// F2
#[test]
fn race_ok_and_quorum_have_dropped_the_others_when_they_return() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let drops = Drops::default();
    let entrant = |seconds: u32, result: Result<u32, u32>| {
        let (dropped, answer) = (drops.guard(), answer(rt.clone(), seconds, result));
        async move {
            let _dropped = dropped;
            answer.await
        }
    };
    sim.block_on(async {
        let mut race = pin!(race_ok([
            entrant(1, Ok(1)),
            entrant(9, Ok(2)),
            entrant(9, Err(3))
        ]));
        race.as_mut().await.unwrap();
        assert_eq!((drops.made(), drops.count()), (3, 3));
        let mut votes = pin!(quorum(
            1,
            vec![entrant(1, Err(1)), entrant(2, Ok(2)), entrant(9, Ok(3))]
        ));
        votes.as_mut().await.unwrap();
        assert_eq!((drops.made(), drops.count()), (6, 6));
        let mut votes = pin!(quorum(2, (entrant(1, Err(1)), entrant(9, Ok(2)))));
        votes.as_mut().await.unwrap_err();
        assert_eq!((drops.made(), drops.count()), (8, 8));
    });
}

// C6
#[test]
fn a_quorum_ends_as_soon_as_its_outcome_is_certain() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let entrants = |results: [Result<u32, u32>; 5]| {
        let mut seconds = 0;
        results.map(|result| {
            seconds += 1;
            answer(rt.clone(), seconds, result)
        })
    };
    sim.block_on(async {
        let start = rt.now();
        let won = quorum(2, entrants([Ok(1), Err(2), Ok(3), Ok(4), Ok(5)]))
            .await
            .unwrap();
        assert_eq!(won.successes, [(0, 1), (2, 3)]);
        assert_eq!(won.failures, [(1, 2)]);
        assert_eq!(rt.now() - start, 3 * SECOND);

        let start = rt.now();
        // Three of five: certain to fail at the third failure, though one could still succeed.
        let error = quorum(3, entrants([Err(1), Ok(2), Err(3), Err(4), Ok(5)]))
            .await
            .unwrap_err();
        assert_eq!(error.successes(), [(1, 2)]);
        assert_eq!(error.failures(), [(0, 1), (2, 3), (3, 4)]);
        assert_eq!(rt.now() - start, 4 * SECOND);
        assert!(!error.is_intolerable());

        let start = rt.now();
        let error = quorum(6, entrants([Ok(1); 5])).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "6 successes were needed of fewer futures"
        );
        assert_eq!(rt.now(), start, "known without waiting");

        let error = quorum(2, entrants([Ok(1), Err(99), Ok(3), Ok(4), Ok(5)]))
            .tolerate(|error| *error < 50)
            .await
            .unwrap_err();
        assert!(error.is_intolerable());
        assert_eq!(error.into_parts(), (vec![(0, 1)], vec![(1, 99)]));
    });
    assert_eq!(sim.live_timers(), 0);
}

// C2
#[test]
fn race_ok_and_quorum_dropped_at_any_poll_drop_everybody() {
    for needed in [1, 3] {
        let polls = drop_at_every_poll(Order::Lifo, |sim| {
            let rt = sim.runtime();
            let drops = Drops::default();
            let entrants: Vec<_> = (0..50)
                .map(|index| {
                    let (rt, dropped) = (rt.clone(), drops.guard());
                    async move {
                        let _dropped = dropped;
                        answer(rt, index + 1, if index < 4 { Err(0) } else { Ok(index) }).await
                    }
                })
                .collect();
            let future = async move {
                if needed == 1 {
                    race_ok(entrants).await.unwrap();
                } else {
                    quorum(needed, entrants).await.unwrap();
                }
            };
            (future, move |sim: &Sim| {
                assert_eq!((drops.made(), drops.count()), (50, 50));
                assert_eq!(sim.live_timers(), 0);
            })
        });
        assert!(polls >= 5, "{polls}");
    }
}

// C8
#[test]
fn race_ok_gives_its_losers_their_grace() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let token = CancellationToken::new();
    let clean = Rc::new(Cell::new(0));
    let entrants: Vec<_> = (0..3)
        .map(|index| {
            let (rt, token, clean) = (rt.clone(), token.clone(), clean.clone());
            async move {
                if index == 1 {
                    return Ok::<_, ()>(index);
                }
                token.cancelled().await;
                rt.sleep(SECOND).await;
                clean.set(clean.get() + 1);
                Ok(index)
            }
        })
        .collect();
    let won = sim
        .block_on(race_ok(entrants).grace(&rt, 5 * SECOND, &token))
        .unwrap();
    assert_eq!((won.index, won.value, clean.get()), (1, 1, 2));
    assert_eq!(sim.elapsed(), SECOND);
}

#[test]
#[should_panic(expected = "a quorum of nought")]
fn a_quorum_of_nought_is_refused() {
    drop(quorum(0, [ready(Ok::<(), ()>(()))]));
}

#[test]
fn pinned_references_race_and_go_on_afterwards() {
    let sim = Sim::new();
    let rt = sim.runtime();
    sim.block_on(async {
        let mut slow = pin!(async {
            rt.sleep(3 * SECOND).await;
            "slow"
        });
        let quick = rt.sleep(SECOND);
        assert_eq!(race((slow.as_mut(), quick)).await, OneOf2::B(()));
        assert_eq!(slow.await, "slow");
    });
    assert_eq!(sim.elapsed(), 3 * SECOND);
}

// G22
#[test]
fn a_waker_may_wake_an_entrant_when_it_is_cloned() {
    let entrants: Vec<Event> = (0..100).map(|_| Event::new()).collect();
    let mut race = Box::pin(race(entrants.iter().map(|event| event.wait())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(race.as_mut().poll(&mut cx).is_pending());
    let wakes_it = entrants[50].clone();
    let (_, waker) = Wakes::new();
    let waker = on_clone(waker, move || wakes_it.set());
    let polled = race.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Ok((50, ())))));
}

#[test]
fn a_quorum_gives_its_losers_their_grace() {
    let sim = Sim::new();
    let rt = sim.runtime();
    let token = CancellationToken::new();
    let log = Log::default();
    let entrants = (1..=3).map(|number| {
        let (rt, token, log) = (rt.clone(), token.child_token(), log.clone());
        async move {
            let work = token.run_until_cancelled(rt.sleep(SECOND * number));
            if work.await.is_none() {
                rt.sleep(SECOND).await;
                log.push(format!("{number} is clean"));
            }
            Ok::<_, ()>(number)
        }
    });
    let won = sim.block_on(quorum(2, entrants).grace(&rt, 5 * SECOND, &token));
    assert_eq!(won.unwrap().successes, [(0, 1), (1, 2)]);
    assert_eq!(
        (log.take(), sim.elapsed()),
        (vec!["3 is clean".into()], 3 * SECOND)
    );
}

#[test]
fn an_error_of_many_has_the_last_as_its_source() {
    let parse = |text: &'static str| ready(text.parse::<u8>());
    let source = |error: &dyn Error| error.source().map(ToString::to_string);
    let none = now(race_ok(["x", ""].map(parse))).unwrap_err();
    let last = Some("cannot parse integer from empty string".to_owned());
    assert_eq!(source(&none), last);
    let few = now(quorum(2, ["1", "x", ""].map(parse))).unwrap_err();
    assert_eq!(source(&few), last);
    assert_eq!(
        few.to_string(),
        "1 of the 2 successes needed came, 2 futures failed"
    );
    let bad = |_: &std::num::ParseIntError| false;
    let hit = now(quorum(1, ["x", "1"].map(parse)).tolerate(bad)).unwrap_err();
    assert!(hit.is_intolerable());
    assert_eq!(hit.to_string(), "future 0 failed");
    let nobody = now(race_ok(Vec::<Ready<Result<(), std::fmt::Error>>>::new())).unwrap_err();
    assert_eq!((nobody.is_empty(), source(&nobody)), (true, None));
}
