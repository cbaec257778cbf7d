use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::inner::{Answer, Inner, RunOf};
use super::run::Turn;
use super::table::Content;
use super::wait::Wait;
use super::{LoadError, Memo};
use crate::runtime::BoxFuture;
use crate::task::discard;

/// One who asks for a key.
pub(super) struct Asker<'a, K, V, E, F> {
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
    pub(super) fn new(memo: &'a Memo<K, V, E>, key: K, load: F) -> Self {
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
    pub(super) fn poll(
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
