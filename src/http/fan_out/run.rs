//! A fan-out under way: from the input to results with their places.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::dedupe::Dedupe;
use super::exchange::Job;
use super::places::Places;
use super::progress::Meter;
use super::session::Session;
use super::timer::Timer;
use super::{FetchError, Fetched, IntoFetch};
use crate::runtime::Sleep;
use crate::stream::{concurrent, from_stream};
use crate::task::CancelledOwned;

/// Place in the input, key, result.
pub(super) type Row<K> = (usize, K, Result<Fetched, FetchError>);

/// The results of a fan-out as they complete. Nothing is taken from the input before the first
/// poll.
pub(super) type Run<'a, K> = Pin<Box<dyn Stream<Item = Row<K>> + Send + 'a>>;

/// Runs what comes from `input`.
pub(super) fn run<'a, S, K>(session: Arc<Session>, input: S) -> Run<'a, K>
where
    S: Stream<Item: IntoFetch<Key = K>> + Send + 'a,
    K: Send + 'a,
{
    let shared = Arc::new(Shared {
        timer: Timer::new(session.options.rt.clone()),
        dedupe: session.options.dedupe.then(Dedupe::new),
        session,
        length: OnceLock::new(),
    });
    let options = &shared.session.options;
    let (least, most) = input.size_hint();
    let begin = {
        let shared = shared.clone();
        let places = Places::new();
        move |place, item: S::Item| {
            let (key, request) = item.into_fetch();
            let job = Job::new(request);
            let shared = shared.clone();
            places.put(|| fetch(shared, place, key, job))
        }
    };
    let tokens = [&options.close, &options.cancel];
    let closed = tokens.map(|token| token.clone().map(|token| token.cancelled_owned()));
    let requests = Requests {
        input,
        length: 0,
        begin,
        closed,
        shared: shared.clone(),
    };
    let sleep = options.rt.sleep(Duration::MAX);
    let window = shared.session.window();
    Box::pin(Running {
        rows: concurrent(from_stream(requests)).limit_nonzero(window),
        expected: Some(least).filter(|_| most == Some(least)),
        meter: None,
        stage: Stage::Unstarted,
        sleep,
        shared,
    })
}

async fn fetch<K>(
    shared: Arc<Shared>,
    place: usize,
    key: K,
    job: Result<Box<Job>, FetchError>,
) -> Row<K> {
    let Shared { session, timer, .. } = &*shared;
    let result = match (job, &shared.dedupe) {
        (Ok(job), None) => job.run(session, timer).await,
        (Ok(job), Some(dedupe)) => {
            // Boxed, so that it adds nothing to the others.
            let (result, is_shared) = Box::pin(dedupe.run(job, session, timer)).await;
            if is_shared {
                session.count_shared(&result);
                return (place, key, result);
            }
            result
        }
        (Err(error), _) => Err(error),
    };
    session.count(&result);
    (place, key, result)
}

struct Shared {
    session: Arc<Session>,
    timer: Timer,
    /// `None` if each request is sent.
    dedupe: Option<Dedupe>,
    /// How long the input was, once it has ended.
    length: OnceLock<usize>,
}

pin_project! {
    struct Running<S> {
        #[pin]
        rows: S,
        // How long the input said it was at the start.
        expected: Option<usize>,
        meter: Option<Meter>,
        stage: Stage,
        #[pin]
        sleep: Sleep,
        shared: Arc<Shared>,
    }
}

#[derive(PartialEq)]
enum Stage {
    Unstarted,
    Started,
    Ended,
}

impl<S: Stream<Item = Row<K>>, K> Stream for Running<S> {
    type Item = Row<K>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Row<K>>> {
        let this = self.project();
        let Session { options, .. } = &*this.shared.session;
        match this.stage {
            Stage::Started => {}
            Stage::Unstarted => {
                *this.stage = Stage::Started;
                let progress = options.progress.as_ref();
                *this.meter = progress.and_then(|it| Meter::new(it, options.rt.now()));
            }
            Stage::Ended => return Poll::Ready(None),
        }
        match this.rows.poll_next(cx) {
            Poll::Pending => {
                this.shared.timer.poll(this.sleep, cx);
                Poll::Pending
            }
            Poll::Ready(Some(row)) => {
                if let Some(meter) = this.meter {
                    let bytes = row.2.as_ref().ok().map(Fetched::body_len);
                    let length = this.shared.length.get().copied();
                    meter.count(bytes, length.or(*this.expected), options.rt.now());
                }
                Poll::Ready(Some(row))
            }
            Poll::Ready(None) => {
                *this.stage = Stage::Ended;
                if let Some(mut meter) = this.meter.take() {
                    meter.finish();
                }
                Poll::Ready(None)
            }
        }
    }
}

pin_project! {
    /// The input as futures, each of which fetches one request.
    struct Requests<S, M> {
        #[pin]
        input: S,
        length: usize,
        begin: M,
        closed: [Option<CancelledOwned>; 2],
        shared: Arc<Shared>,
    }
}

impl<S, M, F> Stream for Requests<S, M>
where
    S: Stream,
    M: FnMut(usize, S::Item) -> F,
{
    type Item = F;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F>> {
        let this = self.project();
        if this.shared.length.get().is_some() {
            return Poll::Ready(None);
        }
        let mut is_closed = false;
        for closed in this.closed.iter_mut().flatten() {
            is_closed |= Pin::new(closed).poll(cx).is_ready();
        }
        // Input that is known to end is taken to its end, so that each key gets its result.
        let goes_on = !is_closed || this.input.size_hint().1.is_some();
        let item = if goes_on {
            match this.input.poll_next(cx) {
                Poll::Pending if is_closed => None,
                polled => ready!(polled),
            }
        } else {
            None
        };
        let Some(item) = item else {
            this.shared.length.set(*this.length).ok();
            return Poll::Ready(None);
        };
        let place = *this.length;
        *this.length += 1;
        Poll::Ready(Some((this.begin)(place, item)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.input.size_hint()
    }
}

/// An iterator as a stream.
pub(super) struct Iter<I>(pub(super) I);

impl<I> Unpin for Iter<I> {}

impl<I: Iterator> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
