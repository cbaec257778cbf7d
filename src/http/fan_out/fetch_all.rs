use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::run::Run;
use super::{FetchError, FetchResults, Fetched};

/// Many requests, not yet begun. From [`FanOut::fetch_all`](super::FanOut::fetch_all).
///
/// Await it for all results in the order of the input, take the [`stream`](Self::stream) for each
/// as it completes, or [`fail_fast`](Self::fail_fast).
#[must_use = "nothing is fetched until it is awaited or its stream is polled"]
pub struct FetchAll<'a, K> {
    run: Run<'a, K>,
}

impl<'a, K> FetchAll<'a, K> {
    pub(super) fn new(run: Run<'a, K>) -> Self {
        Self { run }
    }

    /// The results as they complete.
    pub fn stream(self) -> FetchStream<'a, K> {
        FetchStream { run: self.run }
    }

    /// Ends with the first failure instead of going on with the others.
    ///
    /// Awaiting it gives the answers in the order of the input, or a [`FailedFetch`]; requests
    /// that are under way by then are dropped before it is returned. A status is a failure only
    /// where a [`StatusCheck`](super::StatusCheck) says so.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] futures_lite::future::block_on(async {
    /// use untethered::http::{Body, FanOut, Request, Response, client_fn};
    /// # let rt = untethered::runtime::threads(1);
    ///
    /// let client = client_fn(async |_: Request<Body>| Ok(Response::new(Body::empty())));
    /// let fan_out = FanOut::new(&rt, client);
    /// let urls = ["http://a.test/", "ftp://b.test/", "http://c.test/"];
    /// let failed = fan_out.fetch_all(urls).fail_fast().await.unwrap_err();
    /// assert_eq!(*failed.key(), "ftp://b.test/");
    /// # });
    /// ```
    pub fn fail_fast(self) -> FailFast<'a, K> {
        FailFast {
            run: Some(self.run),
            rows: Rows::new(),
        }
    }
}

impl<'a, K> IntoFuture for FetchAll<'a, K> {
    type Output = FetchResults<K>;
    type IntoFuture = FetchAllFuture<'a, K>;

    fn into_future(self) -> FetchAllFuture<'a, K> {
        FetchAllFuture {
            run: self.run,
            rows: Rows::new(),
        }
    }
}

impl<K> fmt::Debug for FetchAll<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchAll").finish_non_exhaustive()
    }
}

/// Keys and results as they complete. From [`FetchAll::stream`].
///
/// Holds the requests under way and some of the input; the rest of the input is taken when there
/// is room. Requests make progress while the stream is polled: whoever waits for something slow
/// between two results lets them wait too, and their limits of time go on. Dropping it drops what
/// is under way, and closes its connections.
///
/// # Cancel safety
///
/// A result that was not given yet stays for the next poll.
#[must_use = "streams do nothing unless polled"]
pub struct FetchStream<'a, K> {
    run: Run<'a, K>,
}

impl<K> FetchStream<'_, K> {
    /// The next result; `None` once all have been given.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait loses no result, and nothing is begun again.
    pub async fn next(&mut self) -> Option<(K, Result<Fetched, FetchError>)> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<K> Stream for FetchStream<'_, K> {
    type Item = (K, Result<Fetched, FetchError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let row = ready!(self.run.as_mut().poll_next(cx));
        Poll::Ready(row.map(|(_, key, result)| (key, result)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.run.size_hint()
    }
}

impl<K> fmt::Debug for FetchStream<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchStream").finish_non_exhaustive()
    }
}

/// The future of [`FetchAll`].
///
/// # Cancel safety
///
/// Dropping it drops all requests under way, closes their connections, and loses the results so
/// far: take [`stream`](FetchAll::stream), or stop by a [token](super::FanOut::cancel_on), to keep
/// them.
#[must_use = "futures do nothing unless awaited"]
pub struct FetchAllFuture<'a, K> {
    run: Run<'a, K>,
    rows: Rows<K, Result<Fetched, FetchError>>,
}

// Nothing in it is ever pinned in place.
impl<K> Unpin for FetchAllFuture<'_, K> {}

impl<K> Future for FetchAllFuture<'_, K> {
    type Output = FetchResults<K>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<FetchResults<K>> {
        while let Some((place, key, result)) = ready!(self.run.as_mut().poll_next(cx)) {
            self.rows.put(place, key, result);
        }
        Poll::Ready(FetchResults::new(self.rows.take()))
    }
}

impl<K> fmt::Debug for FetchAllFuture<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchAllFuture").finish_non_exhaustive()
    }
}

/// The future of [`FetchAll::fail_fast`].
///
/// # Cancel safety
///
/// Dropping it drops all requests under way, closes their connections, and loses the results so
/// far.
#[must_use = "futures do nothing unless awaited"]
pub struct FailFast<'a, K> {
    /// `None` once it is over.
    run: Option<Run<'a, K>>,
    rows: Rows<K, Fetched>,
}

// Nothing in it is ever pinned in place.
impl<K> Unpin for FailFast<'_, K> {}

impl<K> Future for FailFast<'_, K> {
    type Output = Result<Vec<(K, Fetched)>, FailedFetch<K>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let run = this.run.as_mut().expect("polled after it was ready");
        let result = loop {
            match ready!(run.as_mut().poll_next(cx)) {
                Some((place, key, Ok(fetched))) => this.rows.put(place, key, fetched),
                Some((_, key, Err(error))) => break Err(FailedFetch { key, error }),
                None => break Ok(this.rows.take()),
            }
        };
        this.run = None;
        Poll::Ready(result)
    }
}

impl<K> fmt::Debug for FailFast<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailFast").finish_non_exhaustive()
    }
}

/// The failure that ended a [`FetchAll::fail_fast`].
pub struct FailedFetch<K> {
    key: K,
    error: FetchError,
}

impl<K> FailedFetch<K> {
    /// The key of the request that failed.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Why it failed.
    pub fn error(&self) -> &FetchError {
        &self.error
    }

    /// Key and error.
    pub fn into_parts(self) -> (K, FetchError) {
        (self.key, self.error)
    }
}

impl<K> fmt::Display for FailedFetch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<K> fmt::Debug for FailedFetch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedFetch")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<K> Error for FailedFetch<K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Results that come in any order, to be given in the order of the input.
struct Rows<K, T>(Vec<Option<(K, T)>>);

impl<K, T> Rows<K, T> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn put(&mut self, place: usize, key: K, result: T) {
        if place >= self.0.len() {
            self.0.resize_with(place + 1, || None);
        }
        self.0[place] = Some((key, result));
    }

    fn take(&mut self) -> Vec<(K, T)> {
        std::mem::take(&mut self.0).into_iter().flatten().collect()
    }
}
