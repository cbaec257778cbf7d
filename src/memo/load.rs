use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::asker::Asker;
use super::{LoadError, Memo};
use crate::runtime::BoxFuture;

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
