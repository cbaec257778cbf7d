//! A bug found, shrunk, replayed and mended, from its code to its last test.
//!
//! # The code
//!
//! A cache for one value. The first who asks loads it; who comes meanwhile waits for that load
//! instead of starting one more. It is in production, its tests pass, and every few days a
//! process stops answering until it is started again.
//!
//! ```
//! # use std::future::{Future, poll_fn};
//! # use std::sync::{Arc, Mutex};
//! # use std::task::{Poll, Waker};
//! #[derive(Default)]
//! struct Cache {
//!     state: Mutex<State>,
//! }
//!
//! #[derive(Default)]
//! struct State {
//!     value: Option<u32>,
//!     loading: bool,
//!     waiting: Vec<Waker>,
//! }
//!
//! impl Cache {
//!     async fn get(&self, load: impl Future<Output = u32>) -> u32 {
//!         let found = poll_fn(|cx| {
//!             let mut state = self.state.lock().unwrap();
//!             if state.value.is_some() {
//!                 Poll::Ready(state.value)
//!             } else if state.loading {
//!                 state.waiting.push(cx.waker().clone());
//!                 Poll::Pending
//!             } else {
//!                 state.loading = true; // it is on us
//!                 Poll::Ready(None)
//!             }
//!         });
//!         if let Some(value) = found.await {
//!             return value;
//!         }
//!         let value = load.await;
//!         let mut state = self.state.lock().unwrap();
//!         state.value = Some(value);
//!         state.loading = false;
//!         let waiting = std::mem::take(&mut state.waiting);
//!         drop(state);
//!         waiting.into_iter().for_each(Waker::wake);
//!         value
//!     }
//! }
//!
//! // The test that passes.
//! use std::time::Duration;
//! use untethered::sim::Sim;
//!
//! fn two_requests(sim: &Sim) {
//!     let rt = sim.runtime();
//!     let cache = Arc::new(Cache::default());
//!     let request = || {
//!         let (cache, rt) = (cache.clone(), rt.clone());
//!         async move {
//!             let load = async {
//!                 rt.sleep(Duration::from_secs(1)).await; // asks a database, say
//!                 7
//!             };
//!             cache.get(load).await
//!         }
//!     };
//!     let (first, second) = (rt.spawn(request()), rt.spawn(request()));
//!     sim.block_on(async {
//!         assert_eq!(first.await.unwrap(), 7);
//!         assert_eq!(second.await.unwrap(), 7);
//!     });
//! }
//!
//! two_requests(&Sim::new());
//! ```
//!
//! # Exploring
//!
//! It passes in every order, too: `explore(two_requests).run()` panics nowhere. What the test
//! leaves out is that a client may hang up. Its request is a future, and the server drops it. So
//! the scenario says that this may happen to the first request, by [`Sim::may_drop`], and what
//! must hold whether or not it does:
//!
//! ```
//! # use std::future::{Future, poll_fn};
//! # use std::panic::{AssertUnwindSafe, catch_unwind};
//! # use std::sync::{Arc, Mutex};
//! # use std::task::{Poll, Waker};
//! # use std::time::Duration;
//! # #[derive(Default)]
//! # struct Cache {
//! #     state: Mutex<State>,
//! # }
//! # #[derive(Default)]
//! # struct State {
//! #     value: Option<u32>,
//! #     loading: bool,
//! #     waiting: Vec<Waker>,
//! # }
//! # impl Cache {
//! #     async fn get(&self, load: impl Future<Output = u32>) -> u32 {
//! #         let found = poll_fn(|cx| {
//! #             let mut state = self.state.lock().unwrap();
//! #             if state.value.is_some() {
//! #                 Poll::Ready(state.value)
//! #             } else if state.loading {
//! #                 state.waiting.push(cx.waker().clone());
//! #                 Poll::Pending
//! #             } else {
//! #                 state.loading = true;
//! #                 Poll::Ready(None)
//! #             }
//! #         });
//! #         if let Some(value) = found.await {
//! #             return value;
//! #         }
//! #         let value = load.await;
//! #         let mut state = self.state.lock().unwrap();
//! #         state.value = Some(value);
//! #         state.loading = false;
//! #         let waiting = std::mem::take(&mut state.waiting);
//! #         drop(state);
//! #         waiting.into_iter().for_each(Waker::wake);
//! #         value
//! #     }
//! # }
//! use untethered::sim::{Sim, explore};
//!
//! fn a_client_hangs_up(sim: &Sim) {
//!     let rt = sim.runtime();
//!     let cache = Arc::new(Cache::default());
//!     # let request = || {
//!     #     let (cache, rt) = (cache.clone(), rt.clone());
//!     #     async move {
//!     #         let load = async {
//!     #             rt.sleep(Duration::from_secs(1)).await;
//!     #             7
//!     #         };
//!     #         cache.get(load).await
//!     #     }
//!     # };
//!     // let request = .. as above
//!     let first = rt.spawn(sim.may_drop(request()));
//!     let second = rt.spawn(request());
//!     sim.block_on(async {
//!         assert!(matches!(first.await.unwrap(), Some(7) | None));
//!         assert_eq!(second.await.unwrap(), 7);
//!     });
//! }
//!
//! let failure = explore(a_client_hangs_up).try_run().unwrap_err();
//! assert!(failure.message().starts_with("deadlock at 0ns: nothing is ready"));
//! assert_eq!(failure.schedule().to_string(), "3:drop0");
//! # let shown = failure.to_string();
//! # for line in [
//! #     "  main, started at ",
//! #     ", polled 2 times, waits for a wake-up that no timer gives",
//! #     "  task 1, spawned at ",
//! #     "by a schedule with 1 entry, shrunk from",
//! #     "  3:drop0: the future that may be dropped at ",
//! #     "to see it again, put `.replay(\"3:drop0\")` in the place of `.run()`",
//! # ] {
//! #     assert!(shown.contains(line), "{line} in {shown}");
//! # }
//!
//! // It comes back as often as one likes, in a debugger as well.
//! let replayed = catch_unwind(AssertUnwindSafe(|| explore(a_client_hangs_up).replay("3:drop0")));
//! assert!(replayed.is_err());
//! ```
//!
//! # Reading the failure
//!
//! In a test one writes `explore(a_client_hangs_up).run()`, which panics with this:
//!
//! ```text
//! deadlock at 0ns: nothing is ready
//!   task 1, spawned at tests/cache.rs:57:19, polled once, waits for a wake-up that no timer gives
//!   main, started at tests/cache.rs:58:9, polled 2 times, waits for a wake-up that no timer gives
//!   panicked at tests/cache.rs:58:9: deadlock at 0ns: nothing is ready
//! in run 5, by a schedule with 1 entry, shrunk from 2 in 13 runs
//!   3:drop0: the future that may be dropped at tests/cache.rs:56:26 is
//! to see it again, put `.replay("3:drop0")` in the place of `.run()`
//! ```
//!
//! One thing has to happen: the first request is dropped, at the fourth decision of the run
//! (two spawns and one poll came before it). Then nothing is under way, no timer is armed, and the
//! second request waits for somebody to wake it. The drop came after the first request had set
//! `loading`, and nobody else ever clears it.
//!
//! # Mending it
//!
//! Whoever loads holds a guard, and its destructor clears the flag and wakes who waits, so that
//! one of them loads. The same scenario, in all schedules that differ from FIFO at most
//! three times and in a thousand random ones:
//!
//! ```
//! # use std::future::{Future, poll_fn};
//! # use std::sync::{Arc, Mutex};
//! # use std::task::{Poll, Waker};
//! # use std::time::Duration;
//! # #[derive(Default)]
//! # struct Cache {
//! #     state: Mutex<State>,
//! # }
//! # #[derive(Default)]
//! # struct State {
//! #     value: Option<u32>,
//! #     loading: bool,
//! #     waiting: Vec<Waker>,
//! # }
//! struct Loading<'a>(&'a Cache);
//!
//! impl Drop for Loading<'_> {
//!     fn drop(&mut self) {
//!         let mut state = self.0.state.lock().unwrap();
//!         state.loading = false;
//!         let waiting = std::mem::take(&mut state.waiting);
//!         drop(state);
//!         waiting.into_iter().for_each(Waker::wake);
//!     }
//! }
//!
//! impl Cache {
//!     async fn get(&self, load: impl Future<Output = u32>) -> u32 {
//! #         let found = poll_fn(|cx| {
//! #             let mut state = self.state.lock().unwrap();
//! #             if state.value.is_some() {
//! #                 Poll::Ready(state.value)
//! #             } else if state.loading {
//! #                 state.waiting.push(cx.waker().clone());
//! #                 Poll::Pending
//! #             } else {
//! #                 state.loading = true;
//! #                 Poll::Ready(None)
//! #             }
//! #         });
//!         // let found = .. as before
//!         if let Some(value) = found.await {
//!             return value;
//!         }
//!         let _loading = Loading(self);
//!         let value = load.await;
//!         self.state.lock().unwrap().value = Some(value);
//!         value
//!     }
//! }
//! # use untethered::sim::{Faults, Sim, explore};
//! # fn a_client_hangs_up(sim: &Sim) {
//! #     let rt = sim.runtime();
//! #     let cache = Arc::new(Cache::default());
//! #     let request = || {
//! #         let (cache, rt) = (cache.clone(), rt.clone());
//! #         async move {
//! #             let load = async {
//! #                 rt.sleep(Duration::from_secs(1)).await;
//! #                 7
//! #             };
//! #             cache.get(load).await
//! #         }
//! #     };
//! #     let first = rt.spawn(sim.may_drop(request()));
//! #     let second = rt.spawn(request());
//! #     sim.block_on(async {
//! #         assert!(matches!(first.await.unwrap(), Some(7) | None));
//! #         assert_eq!(second.await.unwrap(), 7);
//! #     });
//! # }
//!
//! explore(a_client_hangs_up).replay("3:drop0"); // what had failed
//! let explored = explore(a_client_hangs_up)
//!     .exhaustive(3)
//!     .seeds(1_000)
//!     .faults(Faults::none().spurious_wakes().delayed_wakes())
//!     .run();
//! assert_eq!(explored.exhausted(), 3);
//! ```
//!
//! The `replay` stays in the test suite. (`sync::Once` and `memo::Memo` are such a cache, without
//! that bug.)
//!
//! # Scenarios that find something
//!
//! * **Short.** Two or three tasks, a handful of awaits, one thing that must hold. A bug that
//!   needs five tasks most often shows with two, and the number of schedules grows with every
//!   await.
//! * **Check at the end, and in the middle.** What was put in is what came out, what is left, and
//!   what came back. A step that comes after a loss may hide it.
//! * **Mark what may be dropped.** Everything a `select!`, a timeout or a disconnect may drop goes
//!   into a [`Sim::may_drop`].
//! * **Say what a fault may do.** With [`Faults::refused_spawns`](super::Faults::refused_spawns) a
//!   task may end cancelled; with [`Faults::clock_jumps`](super::Faults::clock_jumps) a timeout may
//!   pass, and with [`Faults::delayed_wakes`](super::Faults::delayed_wakes) too: a task that is put
//!   off until time has moved may find the deadline of a drain over. A scenario that unwraps these
//!   fails, and rightly so.
//! * **Nothing from outside.** No clock, no thread, no random number but what the scenario seeds
//!   itself: a run must come out the same each time. A [`Failure`](super::Failure) says so when it
//!   does not. Of this crate [`Backoff`](crate::time::Backoff) draws its seed unless it is given
//!   one.
//! * **Make everything inside.** Limits, queues, counters, pools: one that is made outside of the
//!   scenario brings what one run did into the next, and then it is not the schedule that decides
//!   which run fails. A [`Failure`](super::Failure) says so when a schedule fails that has passed.
//! * **Count what matters.** The scenario is an `FnMut`: let it count how often the queue was full
//!   or the request was dropped, and assert that this is more than nought.
//!
//! # Which schedules
//!
//! [`exhaustive`](super::Explore::exhaustive) is thorough and near to FIFO, random seeds are far
//! from it and thin. Do both: `exhaustive(2)` and a few hundred seeds take a second for a short
//! scenario. A pull request runs that, a nightly job more seeds.
//!
//! [`Sim::may_drop`]: super::Sim::may_drop
