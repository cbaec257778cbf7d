//! Ten things that people write with `select!`, and what to write here.
//!
//! A `select!` drops the branches that lose, polls them in an order that has to be known, and
//! leaves it to its user which futures may be dropped half-way. Each pattern below goes wrong
//! because of one of these; the call beside it does not. (The code of `select!` is for reading;
//! what replaces it is tested.)
//!
//! # 1. The first of two
//!
//! ```text
//! select! { a = first() => .., b = second() => .. }
//! ```
//!
//! Both are dropped before the arm runs only if they are written inside of it. [`race`] drops
//! them before the output is seen, and ties go to the one that was named first.
//!
//! ```
//! use untethered::combine::{OneOf2, race};
//!
//! # futures_lite::future::block_on(async {
//! # async fn first() -> u8 { 1 }
//! # async fn second() -> &'static str { std::future::pending().await }
//! match race((first(), second())).await {
//!     OneOf2::A(number) => assert_eq!(number, 1),
//!     OneOf2::B(text) => println!("{text}"),
//! }
//! # });
//! ```
//!
//! # 2. A time limit
//!
//! ```text
//! select! { out = work() => Ok(out), _ = sleep(limit) => Err(TimedOut) }
//! ```
//!
//! When both are ready, a `select!` that takes its branches at random throws the result away every
//! other time. With [`timeout`](crate::time::timeout) what is ready wins, and the error says which
//! limit it was.
//!
//! ```
//! # use std::time::Duration;
//! # use untethered::sim::Sim;
//! use untethered::time::timeout;
//!
//! # let sim = Sim::new();
//! # let rt = sim.runtime();
//! # sim.block_on(async {
//! # async fn work() -> u8 { 7 }
//! assert_eq!(timeout(&rt, Duration::ZERO, work()).await.unwrap(), 7);
//! # });
//! ```
//!
//! # 3. A look at the clock that must not lose the work
//!
//! ```text
//! loop { select! { out = &mut work => break out, _ = sleep(tick) => log("still at it") } }
//! ```
//!
//! Right, as long as `work` is pinned outside of the loop: written inline it starts anew each
//! time. A [`Timeout`](crate::time::Timeout) keeps it.
//!
//! ```
//! # use std::pin::pin;
//! # use std::time::Duration;
//! # use untethered::sim::Sim;
//! use untethered::time::timeout;
//!
//! # let sim = Sim::new();
//! # let rt = sim.runtime();
//! # sim.block_on(async {
//! # let tick = Duration::from_secs(1);
//! # let mut looks = 0;
//! let mut work = pin!(timeout(&rt, tick, rt.sleep(3 * tick)));
//! while work.as_mut().await.is_err() {
//!     looks += 1; // still at it
//!     work.as_mut().reset(tick);
//! }
//! assert_eq!(looks, 2);
//! # });
//! ```
//!
//! # 4. A request to stop
//!
//! ```text
//! select! { out = work() => Some(out), _ = token.cancelled() => None }
//! ```
//!
//! A result that came together with the request is lost at random. Here it is not.
//!
//! ```
//! use untethered::CancellationToken;
//!
//! # futures_lite::future::block_on(async {
//! # async fn work() -> u8 { 7 }
//! let token = CancellationToken::new();
//! token.cancel("shutdown");
//! assert_eq!(token.run_until_cancelled(work()).await, Some(7));
//! # });
//! ```
//!
//! # 5. Something every so often, until told to stop
//!
//! ```text
//! loop { select! { _ = sleep(period) => renew().await, _ = token.cancelled() => break } }
//! ```
//!
//! It drifts by what `renew` takes, and `renew` does not see the token. For a loop of one's own
//! there is [`sleep_or_stop`](crate::time::sleep_or_stop), where the request wins; a
//! [`Timer`](crate::time::Timer) keeps to its schedule and stops what it has started.
//!
//! ```
//! # use std::time::Duration;
//! # use untethered::sim::Sim;
//! use untethered::CancellationToken;
//! use untethered::time::sleep_or_stop;
//!
//! # let sim = Sim::new();
//! # let rt = sim.runtime();
//! # let token = CancellationToken::new();
//! # let period = Duration::from_secs(1);
//! # let mut renewed = 0;
//! # sim.block_on(async {
//! while !sleep_or_stop(&rt, period, &token).await {
//!     renewed += 1;
//! #   if renewed == 3 { token.cancel("done") }
//! }
//! # });
//! # assert_eq!(renewed, 3);
//! ```
//!
//! # 6. Messages of two streams
//!
//! ```text
//! loop { select! { Some(m) = a.next() => .., Some(m) = b.next() => .., else => break } }
//! ```
//!
//! With `biased` the first stream starves the second, and a `next()` that reads in steps loses
//! what it has read. [`merge`](crate::stream::merge) takes turns and loses nothing.
//!
//! ```
//! use futures_lite::{StreamExt, stream};
//! use untethered::stream::merge;
//!
//! # futures_lite::future::block_on(async {
//! let mut messages = merge(stream::iter(["a"; 2]), stream::iter(["b"; 2]));
//! let mut seen = String::new();
//! while let Some(message) = messages.next().await {
//!     seen += message;
//! }
//! assert_eq!(seen, "abab");
//! # });
//! ```
//!
//! # 7. The first server that answers well
//!
//! ```text
//! select! { Ok(x) = ask(a) => x, Ok(x) = ask(b) => x, else => return Err(..) }
//! ```
//!
//! The errors are gone, and the number of servers is written into the program.
//! [`race_ok`](super::race_ok) keeps every error with its index.
//!
//! ```
//! use untethered::combine::race_ok;
//!
//! # futures_lite::future::block_on(async {
//! # async fn ask(server: u8) -> Result<u8, &'static str> { if server < 2 { Err("down") } else { Ok(server) } }
//! let won = race_ok((0..5).map(ask)).await.unwrap();
//! assert_eq!((won.value, won.failures.len()), (2, 2));
//! # });
//! ```
//!
//! # 8. A second attempt if the first is slow
//!
//! ```text
//! let first = ask(a); pin!(first);
//! select! { x = &mut first => return x, _ = sleep(delay) => {} }
//! select! { x = first => x, x = ask(b) => x }
//! ```
//!
//! A first attempt that fails at once still waits for the delay, and under load every request
//! doubles. [`hedge`](super::hedge) goes on after a failure and bounds what is extra.
//!
//! ```
//! # use std::time::Duration;
//! # use untethered::sim::Sim;
//! use untethered::combine::hedge;
//!
//! # let sim = Sim::new();
//! # let rt = sim.runtime();
//! # sim.block_on(async {
//! # async fn ask(server: u8) -> Result<u8, &'static str> { if server < 1 { Err("down") } else { Ok(server) } }
//! let delay = Duration::from_millis(50);
//! let won = hedge(&rt, delay, (0..2).map(ask)).await.unwrap();
//! assert_eq!(won.value, 1);
//! # });
//! # assert!(sim.elapsed().is_zero());
//! ```
//!
//! # 9. Whatever is done by a certain time
//!
//! ```text
//! loop { select! { Some(x) = set.next() => out.push(x), _ = &mut sleep => break } }
//! ```
//!
//! The order of the input is gone, and what is ready at that very moment may be lost.
//! [`gather`](super::gather) with a deadline keeps both.
//!
//! ```
//! # use std::time::Duration;
//! # use untethered::sim::Sim;
//! use untethered::combine::gather;
//!
//! # let sim = Sim::new();
//! # let rt = sim.runtime();
//! # sim.block_on(async {
//! let jobs = [1, 60, 10].map(|seconds| rt.sleep(Duration::from_secs(seconds)));
//! let done = gather(jobs).timeout(&rt, Duration::from_secs(10)).await;
//! assert_eq!(done, [Some(()), None, Some(())]);
//! # });
//! ```
//!
//! # 10. A limited number of jobs, taken from a stream
//!
//! ```text
//! loop { select! {
//!     Some(job) = jobs.next(), if running.len() < limit => running.push(job.run()),
//!     Some(out) = running.next() => handle(out).await,
//!     else => break,
//! } }
//! ```
//!
//! While `handle` waits, nothing that runs goes on: servers time out.
//! [`concurrently`](crate::stream::StreamConcurrently::concurrently) with `for_each` has the
//! handling done inside.
//!
//! ```
//! # use std::cell::Cell;
//! # use futures_lite::stream;
//! use untethered::stream::StreamConcurrently;
//!
//! # futures_lite::future::block_on(async {
//! # let jobs = stream::iter(1..=4);
//! # let sum = Cell::new(0);
//! # async fn run(job: u32) -> u32 { job }
//! # let handle = async |out| sum.set(sum.get() + out);
//! jobs.concurrently().limit(2).for_each(async |job| handle(run(job).await).await).await;
//! # assert_eq!(sum.get(), 10);
//! # });
//! ```
//!
//! # What is left to `select!`
//!
//! Arms that share a `&mut` of the same state. [`race`] with an enum of what came, and the state
//! touched after it, does the same in two steps.
//!
//! [`race`]: super::race
