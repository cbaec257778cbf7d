use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{Request, Response};

use super::{Delay, Hedge};
use crate::http::fan_out::exchange::begin;
use crate::http::fan_out::redirect::Hop;
use crate::http::fan_out::retry::Attempt;
use crate::http::fan_out::slots::Slots;
use crate::http::fan_out::watch::Watch;
use crate::http::{Body, HttpError};
use crate::primitives::Mutex;

/// The hedges of a session.
pub(in crate::http::fan_out) struct Hedging {
    hedge: Hedge,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    begun: usize,
    hedged: usize,
    /// Only where a percentile is asked for.
    hosts: HashMap<Box<str>, Times>,
}

/// How long the last answers of a host took.
#[derive(Default)]
struct Times {
    last: Vec<Duration>,
    next: usize,
}

const LAST: usize = 64;
const ENOUGH: usize = 20;

/// With more hosts all are forgotten, and looked at again.
const MOST_HOSTS: usize = 1024;

impl Hedging {
    pub(in crate::http::fan_out) fn new(hedge: Hedge) -> Self {
        Self {
            hedge,
            seen: Mutex::default(),
        }
    }

    /// Sends `request`, which `watch` has begun, and waits for the head of the answer. From then on
    /// one exchange is left, for which the slots of the request stand.
    pub(in crate::http::fan_out) async fn send(
        &self,
        watch: &mut Watch<'_>,
        hop: &mut Hop,
        request: Request<Body>,
    ) -> Result<Response<Body>, HttpError> {
        let session = watch.session;
        let rt = &session.options.rt;
        let began = rt.now();
        let result = match self.begin(hop, began) {
            None => watch.until(session.client.send(request)).await?,
            Some(at) => self.send_twice(watch, hop, request, at).await,
        };
        if result.is_ok() {
            self.answered(hop.host(), rt.now().saturating_duration_since(began));
        }
        result
    }

    async fn send_twice(
        &self,
        watch: &mut Watch<'_>,
        hop: &mut Hop,
        request: Request<Body>,
        at: Instant,
    ) -> Result<Response<Body>, HttpError> {
        let session = watch.session;
        let client = &session.client;
        let since = |began: Instant| session.options.rt.now().saturating_duration_since(began);
        let beside = watch.beside();
        let (result, other) = {
            let began = session.options.rt.now();
            let mut first = pin!(async {
                let answer = watch.until(client.send(request)).await??;
                Ok::<_, HttpError>((answer, None))
            });
            let ready = pin!(self.ready(beside, hop, at));
            let (mut beside, request, _slots) = match either(first.as_mut(), ready).await {
                Either::First(result) => return result.map(|(answer, _)| answer),
                Either::Second(ready) => ready,
            };
            session.counters.hedged();
            let began_beside = session.options.rt.now();
            let mut second = pin!(async {
                let answer = beside.until(client.send(request)).await??;
                Ok::<_, HttpError>((answer, Some(beside)))
            });
            match either(first.as_mut(), second.as_mut()).await {
                Either::First(Ok(answer)) => (Ok(answer), Attempt::lost(since(began_beside))),
                Either::Second(Ok(answer)) => (Ok(answer), Attempt::lost(since(began))),
                Either::First(Err(error)) => {
                    let attempt = Attempt::failed(&error, since(began));
                    (second.await.map_err(|last| both(last, &error)), attempt)
                }
                Either::Second(Err(error)) => {
                    let attempt = Attempt::failed(&error, since(began_beside));
                    (first.await.map_err(|last| both(last, &error)), attempt)
                }
            }
        };
        watch.earlier.push(other);
        let (answer, beside) = result?;
        if let Some(beside) = beside {
            watch.take_over(beside);
        }
        Ok(answer)
    }

    /// Waits until a hedge may be sent, and begins it. Where it may not be it waits for ever.
    async fn ready<'a>(
        &self,
        mut beside: Watch<'a>,
        hop: &mut Hop,
        at: Instant,
    ) -> (Watch<'a>, Request<Body>, Slots<'a>) {
        beside.sleep_until(at).await;
        if self.seen.lock().allows(self.hedge) {
            if let Ok(slots) = beside.queue(hop.host(), None).await {
                beside.stop();
                // Others may have been sent while we waited, or nothing is to be any more.
                if beside.refuse_closed().is_ok() && self.spend() {
                    if let Ok(request) = begin(&mut beside, hop) {
                        hop.hedges += 1;
                        return (beside, request, slots);
                    }
                }
            }
        }
        pending().await
    }

    /// A request is begun. Gives when it is to be hedged.
    fn begin(&self, hop: &Hop, now: Instant) -> Option<Instant> {
        let mut seen = self.seen.lock();
        seen.begun += 1;
        if !hop.method.is_idempotent() || !hop.is_repeatable() {
            return None;
        }
        let delay = match self.hedge.delay {
            Delay::After(delay) => delay,
            Delay::Percentile(percentile) => seen.hosts.get(hop.host())?.percentile(percentile)?,
        };
        // Beyond what the clock can say is never.
        now.checked_add(delay)
    }

    /// Takes a hedge out of what is allowed, if one is left.
    fn spend(&self) -> bool {
        let mut seen = self.seen.lock();
        let is_allowed = seen.allows(self.hedge);
        seen.hedged += usize::from(is_allowed);
        is_allowed
    }

    fn answered(&self, host: &str, took: Duration) {
        if let Delay::Percentile(_) = self.hedge.delay {
            self.seen.lock().times(host).add(took);
        }
    }
}

impl Seen {
    fn allows(&self, hedge: Hedge) -> bool {
        self.hedged < self.begun.saturating_mul(hedge.percent.get()).div_ceil(100)
    }

    fn times(&mut self, host: &str) -> &mut Times {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= MOST_HOSTS {
                self.hosts.clear();
            }
            self.hosts.insert(host.into(), Times::default());
        }
        self.hosts.get_mut(host).expect("it is there now")
    }
}

impl Times {
    fn add(&mut self, took: Duration) {
        if self.last.len() < LAST {
            self.last.push(took);
        } else {
            self.last[self.next] = took;
            self.next = (self.next + 1) % LAST;
        }
    }

    /// `None` while too few are known.
    fn percentile(&self, percentile: usize) -> Option<Duration> {
        if self.last.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.last.clone();
        let rank = (sorted.len() * percentile).div_ceil(100) - 1;
        Some(*sorted.select_nth_unstable(rank).1)
    }
}

/// The error of both.
fn both(last: HttpError, other: &HttpError) -> HttpError {
    if other.maybe_sent() {
        last.with_maybe_sent()
    } else {
        last
    }
}

enum Either<A, B> {
    First(A),
    Second(B),
}

/// The one that is ready first; of both that are, the first.
async fn either<A: Future, B: Future>(
    mut first: Pin<&mut A>,
    mut second: Pin<&mut B>,
) -> Either<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_that_of_the_last_answers() {
        let mut times = Times::default();
        let ms = Duration::from_millis;
        for number in 1..ENOUGH as u64 {
            times.add(ms(number));
            assert_eq!(times.percentile(50), None);
        }
        times.add(ms(20));
        for (percentile, wanted) in [(1, 1), (5, 1), (6, 2), (50, 10), (95, 19), (99, 20)] {
            assert_eq!(times.percentile(percentile), Some(ms(wanted)));
        }
        for _ in 0..LAST {
            times.add(ms(7));
        }
        assert_eq!(times.percentile(1), Some(ms(7)));
        assert_eq!(times.last.len(), LAST);
    }

    #[test]
    fn what_is_known_of_hosts_has_a_bound() {
        let hedging = Hedging::new(Hedge::percentile(95));
        for host in 0..10_000 {
            hedging.answered(&host.to_string(), Duration::from_secs(1));
        }
        assert!(hedging.seen.lock().hosts.len() <= MOST_HOSTS);
        let hedging = Hedging::new(Hedge::after(Duration::from_secs(1)));
        hedging.answered("host", Duration::from_secs(1));
        assert!(hedging.seen.lock().hosts.is_empty());
    }
}
