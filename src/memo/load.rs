use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::run::{Turn, poll_with};
use super::table::{Content, Place};
use super::{Answer, Inner, Memo, RunOf};
use crate::runtime::BoxFuture;
use crate::sync::Key;
use crate::task::{catch, catch_drop, discard};

/// The future of [`Memo::load`].
#[must_use = "futures do nothing unless awaited"]
pub struct Load<'a, K, V, F> {
    asker: Asker<'a, K, V, Infallible, F>,
}

/// The future of [`Memo::try_load`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryLoad<'a, K, V, E, F> {
    asker: Asker<'a, K, V, E, F>,
}

/// Why there is no value. From [`Memo::try_load`].
pub enum LoadError<E> {
    /// The memo is closed.
    Closed,
    /// The load failed, with this for everybody who waits for it.
    Failed(Arc<E>),
}

impl<'a, K, V, F> Load<'a, K, V, F> {
    pub(super) fn new(memo: &'a Memo<K, V>, key: K, load: F) -> Self {
        let asker = Asker::new(memo, key, load);
        Self { asker }
    }
}

impl<'a, K, V, E, F> TryLoad<'a, K, V, E, F> {
    pub(super) fn new(memo: &'a Memo<K, V, E>, key: K, load: F) -> Self {
        let asker = Asker::new(memo, key, load);
        Self { asker }
    }
}

impl<K, V, F, L> Future for Load<'_, K, V, F>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    F: FnOnce() -> L,
    L: Future<Output = V> + Send + 'static,
{
    type Output = Result<Arc<V>, LoadError<Infallible>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let begin = |load: F| -> BoxFuture<'static, _> {
            let future = load();
            Box::pin(async move { Ok(future.await) })
        };
        self.asker.poll(cx, begin)
    }
}

impl<K, V, E, F, L> Future for TryLoad<'_, K, V, E, F>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
    F: FnOnce() -> L,
    L: Future<Output = Result<V, E>> + Send + 'static,
{
    type Output = Result<Arc<V>, LoadError<E>>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.asker.poll(cx, |load| Box::pin(load()))
    }
}

/// One who asks for a key.
struct Asker<'a, K, V, E, F> {
    memo: &'a Inner<K, V, E>,
    /// Until it is shared.
    key: Option<K>,
    shared: Option<Arc<K>>,
    load: Option<F>,
    /// What it waits for.
    wait: Option<Wait<'a, K, V, E>>,
    counted: bool,
}

// It holds no future in itself, and nothing of it is pinned.
impl<K, V, E, F> Unpin for Asker<'_, K, V, E, F> {}

/// A place among those who wait for a run. Left when dropped.
struct Wait<'a, K, V, E> {
    memo: &'a Inner<K, V, E>,
    entry: Place,
    run: Arc<RunOf<V, E>>,
    /// Whether the load is made by its function, which it has no more.
    is_maker: bool,
    place: Option<Key>,
    /// Whether the run has ended: there is nothing to leave.
    over: bool,
}

/// What one who asks is told.
enum Told<'a, K, V, E> {
    Stored(Answer<V, E>),
    /// Somebody loads it.
    Join(Wait<'a, K, V, E>),
    /// It is to load it.
    Begin(Wait<'a, K, V, E>),
    Closed,
}

impl<'a, K, V, E, F> Asker<'a, K, V, E, F> {
    fn new(memo: &'a Memo<K, V, E>, key: K, load: F) -> Self {
        Self {
            memo: &memo.inner,
            key: Some(key),
            shared: None,
            load: Some(load),
            wait: None,
            counted: false,
        }
    }
}

impl<'a, K, V, E, F> Asker<'a, K, V, E, F>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        begin: impl Fn(F) -> BoxFuture<'static, Result<V, E>>,
    ) -> Poll<Result<Arc<V>, LoadError<E>>> {
        let answer = loop {
            let Some(wait) = &mut self.wait else {
                match self.ask() {
                    Told::Stored(answer) => break answer,
                    Told::Closed => {
                        self.key = None;
                        self.shared = None;
                        return Poll::Ready(Err(LoadError::Closed));
                    }
                    Told::Join(wait) => self.wait = Some(wait),
                    Told::Begin(wait) => {
                        let load = self.load.take().expect("it begins but once");
                        let wait = self.wait.insert(wait);
                        if let Some(answer) = ready!(wait.drive(|| begin(load), cx)) {
                            break answer;
                        }
                    }
                }
                continue;
            };
            match ready!(wait.run.poll(&mut wait.place, cx)) {
                Turn::Poll(future) => {
                    if let Some(answer) = ready!(wait.drive(|| future, cx)) {
                        break answer;
                    }
                }
                Turn::Done(answer) => {
                    wait.over = true;
                    break answer;
                }
                Turn::Failed => {
                    wait.over = true;
                    if let Some(payload) = wait.take_panic() {
                        resume_unwind(payload);
                    }
                    self.wait = None;
                }
            }
        };
        self.wait = None;
        self.key = None;
        self.shared = None;
        Poll::Ready(answer.map_err(LoadError::Failed))
    }

    fn ask(&mut self) -> Told<'a, K, V, E> {
        let memo = self.memo;
        let key = self.key.as_ref().or(self.shared.as_deref());
        let key = key.expect("polled after it was ready");
        let hash = memo.hash(key);
        let now = memo.now();
        let (mut guard, place) = memo.find(hash, key);
        let state = &mut *guard;
        if state.closed {
            return Told::Closed;
        }
        let stored = place.and_then(|place| state.stored(place, now));
        if !std::mem::replace(&mut self.counted, true) {
            match stored {
                Some(_) => state.stats.hits += 1,
                None => state.stats.misses += 1,
            }
        }
        if let Some(answer) = stored {
            drop(guard);
            return Told::Stored(answer);
        }
        if let Some((entry, Content::Running(run))) =
            place.and_then(|place| Some((place, state.table.get(place)?)))
        {
            run.join();
            return Told::Join(Wait::new(memo, entry, run.clone(), false));
        }
        // Its time is over.
        let expired = place.map(|place| state.table.remove(place));
        state.stats.loads += 1;
        let key = match self.key.take() {
            Some(key) => self.shared.insert(Arc::new(key)).clone(),
            None => self.shared.clone().expect("it was there above"),
        };
        let run = RunOf::new();
        let entry = state.table.add(hash, key, run.clone());
        drop(guard);
        discard(expired);
        Told::Begin(Wait::new(memo, entry, run, true))
    }
}

impl<'a, K, V, E> Wait<'a, K, V, E> {
    fn new(memo: &'a Inner<K, V, E>, entry: Place, run: Arc<RunOf<V, E>>, is_maker: bool) -> Self {
        Self {
            memo,
            entry,
            run,
            is_maker,
            place: None,
            over: false,
        }
    }
}

impl<K, V, E> Wait<'_, K, V, E>
where
    V: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Polls the future of the run, which is ours to poll. No answer if it panicked for another.
    fn drive(
        &mut self,
        future: impl FnOnce() -> BoxFuture<'static, Result<V, E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Answer<V, E>>> {
        let turn = Driving { wait: self };
        let mut future = future();
        let result = match catch(|| poll_with(&turn.wait.run, &mut future)) {
            Ok(Poll::Pending) => {
                turn.give_back(future, cx);
                return Poll::Pending;
            }
            Ok(Poll::Ready(result)) => catch_drop(future).map(|()| result),
            Err(payload) => {
                // Before another load can begin.
                discard(future);
                Err(payload)
            }
        };
        match result {
            Ok(result) => {
                let answer = result.map(Arc::new).map_err(Arc::new);
                turn.finish(answer.clone());
                Poll::Ready(Some(answer))
            }
            Err(payload) => {
                turn.fail(payload);
                Poll::Ready(None)
            }
        }
    }
}

impl<K, V, E> Wait<'_, K, V, E> {
    /// What the load panicked with, if that is ours to go on with.
    fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.is_maker.then(|| self.run.take_panic())?
    }
}

impl<K, V, E> Drop for Wait<'_, K, V, E> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if self.is_maker {
            self.run.forget_maker();
        }
        self.run.forget(self.place.take());
        self.memo.leave(self.entry, &self.run);
    }
}

/// The turn to poll.
struct Driving<'w, 'a, K, V, E> {
    wait: &'w mut Wait<'a, K, V, E>,
}

impl<K, V, E> Driving<'_, '_, K, V, E> {
    fn give_back(self, future: BoxFuture<'static, Result<V, E>>, cx: &mut Context<'_>) {
        let wait = &mut *self.wait;
        wait.run.give_back(future, &mut wait.place, cx);
        std::mem::forget(self);
    }

    fn finish(self, answer: Answer<V, E>) {
        self.wait.memo.finish(self.wait.entry, &answer);
        self.wait.run.finish(answer);
        self.wait.over = true;
        std::mem::forget(self);
    }

    /// # Panics
    ///
    /// With `payload`, if nobody else is to.
    fn fail(self, payload: Box<dyn Any + Send>) {
        self.wait.memo.abandon(self.wait.entry);
        if self.wait.is_maker {
            self.wait.run.forget_maker();
        }
        let payload = self.wait.run.fail(payload);
        if payload.is_some() {
            self.wait.over = true;
        }
        std::mem::forget(self);
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}

impl<K, V, E> Drop for Driving<'_, '_, K, V, E> {
    /// What panicked is not the load: the function that makes it, or a waker.
    fn drop(&mut self) {
        self.wait.memo.abandon(self.wait.entry);
        if self.wait.is_maker {
            self.wait.run.forget_maker();
        }
        let payload = Box::new("a task that polled the load panicked");
        self.wait.run.fail(payload);
        self.wait.over = true;
    }
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Failed(error) => Self::Failed(error.clone()),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Closed"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the memo is closed"),
            Self::Failed(error) => write!(f, "load failed: {error}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Failed(error) => Some(&**error),
        }
    }
}

impl<K, V, F> fmt::Debug for Load<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").finish_non_exhaustive()
    }
}

impl<K, V, E, F> fmt::Debug for TryLoad<'_, K, V, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryLoad").finish_non_exhaustive()
    }
}
