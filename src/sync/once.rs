use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Key, NeedsClone, WaitList, Wakers, wake_all};
use crate::primitives::Mutex;
use crate::task::discard;

/// A value that is loaded once, by the first who asks for it.
///
/// Those who ask while it is being loaded wait for that one load. If it fails, panics or is
/// dropped, the next who waits loads with its own function. [`reset`](Self::reset) forgets the
/// value, so that it is loaded again. Needs no runtime.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
/// use untethered::sync::Once;
///
/// static PORT: Once<u16> = Once::new();
///
/// # futures_lite::future::block_on(async {
/// let failed: Result<_, ParseIntError> = PORT.try_load(|| async { "none".parse() }).await;
/// assert!(failed.is_err());
/// let port = PORT.try_load(|| async { "8080".parse::<u16>() }).await.unwrap();
/// assert_eq!(*port, 8080);
/// assert_eq!(*PORT.load(|| async { unreachable!("it is loaded") }).await, 8080);
/// # });
/// ```
pub struct Once<T> {
    state: Mutex<State<T>>,
}

/// Somebody waits only while somebody loads.
struct State<T> {
    value: Option<Arc<T>>,
    loading: bool,
    /// How often it was reset: a load that began before gives a value nobody wants to keep.
    resets: u64,
    waiters: WaitList<Option<Answer<T>>>,
}

/// What a waiter is woken for.
enum Answer<T> {
    /// It was loaded.
    Value(Arc<T>),
    /// The waiter is to load it.
    Turn,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Value(value) => Self::Value(value.clone()),
            Self::Turn => Self::Turn,
        }
    }
}

impl<T> State<T> {
    const EMPTY: Self = Self {
        value: None,
        loading: false,
        resets: 0,
        waiters: WaitList::new(),
    };

    /// For one who comes now. `None` is to wait.
    fn answer(&self) -> Option<Answer<T>> {
        match &self.value {
            Some(value) => Some(Answer::Value(value.clone())),
            None => (!self.loading).then_some(Answer::Turn),
        }
    }
}

impl<T> Once<T> {
    /// A value that is not loaded.
    #[cfg(not(untethered_loom))]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(State::EMPTY),
        }
    }

    /// A value that is not loaded.
    #[cfg(untethered_loom)]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::EMPTY),
        }
    }

    /// Gives the value; loads it first with `load` if nobody has.
    ///
    /// `load` must not ask for the same value: it would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped while it loads, the next who waits loads.
    pub fn load<F, L>(&self, load: F) -> Load<'_, T, F, L>
    where
        F: FnOnce() -> L,
        L: Future<Output = T>,
    {
        Load {
            flight: Flight::new(self, load),
        }
    }

    /// As [`load`](Self::load), with a function that may fail.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped while it loads, the next who waits loads.
    ///
    /// # Errors
    ///
    /// What `load` failed with. Nobody else gets that error: the next who waits loads.
    pub fn try_load<F, L, E>(&self, load: F) -> TryLoad<'_, T, F, L>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<T, E>>,
    {
        TryLoad {
            flight: Flight::new(self, load),
        }
    }

    /// The value, if it is loaded.
    pub fn get(&self) -> Option<Arc<T>> {
        self.state.lock().value.clone()
    }

    /// Forgets the value and gives it back.
    ///
    /// A load that runs meanwhile began before: its value goes to who loads it and is not kept.
    pub fn reset(&self) -> Option<Arc<T>> {
        let mut state = self.state.lock();
        state.resets += 1;
        state.value.take()
    }

    /// Ends a load without a value to keep: the next who waits loads.
    fn pass_turn(&self) {
        let mut state = self.state.lock();
        let next = match state.waiters.serve_first_with() {
            Some((waker, answer)) => {
                *answer = Some(Answer::Turn);
                waker
            }
            None => {
                state.loading = false;
                None
            }
        };
        drop(state);
        wake_all(next);
    }

    /// Ends a load that began after so many resets.
    fn finish(&self, value: &Arc<T>, resets: u64) {
        let mut state = self.state.lock();
        if state.resets != resets {
            drop(state);
            return self.pass_turn();
        }
        state.value = Some(value.clone());
        state.loading = false;
        let mut wakers = Wakers::default();
        while let Some((waker, answer)) = state.waiters.serve_first_with() {
            *answer = Some(Answer::Value(value.clone()));
            wakers.extend(waker);
        }
        drop(state);
        wakers.wake();
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loaded, loading) = {
            let state = self.state.lock();
            (state.value.is_some(), state.loading)
        };
        f.debug_struct("Once")
            .field("loaded", &loaded)
            .field("loading", &loading)
            .finish()
    }
}

pin_project! {
    /// The future of [`Once::load`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Load<'a, T, F, L> {
        #[pin]
        flight: Flight<'a, T, F, L>,
    }
}

pin_project! {
    /// The future of [`Once::try_load`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct TryLoad<'a, T, F, L> {
        #[pin]
        flight: Flight<'a, T, F, L>,
    }
}

impl<T, F, L> Future for Load<'_, T, F, L>
where
    F: FnOnce() -> L,
    L: Future<Output = T>,
{
    type Output = Arc<T>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<T>> {
        let loaded = self.project().flight.poll(cx, Ok::<T, Infallible>);
        loaded.map(|Ok(value)| value)
    }
}

impl<T, F, L, E> Future for TryLoad<'_, T, F, L>
where
    F: FnOnce() -> L,
    L: Future<Output = Result<T, E>>,
{
    type Output = Result<Arc<T>, E>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().flight.poll(cx, |loaded| loaded)
    }
}

pin_project! {
    /// One who asks: waits for another's load, or loads.
    struct Flight<'a, T, F, L> {
        // Before the turn: a load is dropped before the next one begins.
        #[pin]
        future: Option<L>,
        seat: Seat<'a, T>,
        load: Option<F>,
    }
}

impl<'a, T, F, L> Flight<'a, T, F, L>
where
    F: FnOnce() -> L,
    L: Future,
{
    fn new(once: &'a Once<T>, load: F) -> Self {
        Self {
            future: None,
            seat: Seat {
                once,
                place: None,
                turn: None,
            },
            load: Some(load),
        }
    }

    fn poll<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        judge: impl FnOnce(L::Output) -> Result<T, E>,
    ) -> Poll<Result<Arc<T>, E>> {
        let mut this = self.project();
        if this.future.is_none() {
            if let Some(value) = std::task::ready!(this.seat.poll(cx)) {
                *this.load = None;
                return Poll::Ready(Ok(value));
            }
            let load = this.load.take().expect("polled after it was ready");
            this.future.set(Some(load()));
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("it was set above");
        };
        let output = std::task::ready!(future.poll(cx));
        this.future.set(None);
        let loaded = judge(output).map(Arc::new);
        match &loaded {
            Ok(value) => this.seat.finish(value),
            Err(_) => this.seat.leave(),
        }
        Poll::Ready(loaded)
    }
}

/// Where one who asks stands. Left when dropped.
struct Seat<'a, T> {
    once: &'a Once<T>,
    /// While another loads.
    place: Option<Key>,
    /// While it is our turn to load: how often it had been reset when that began.
    turn: Option<u64>,
}

impl<T> Seat<'_, T> {
    /// Waits for the value; `None` if it is our turn to load it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<T>>> {
        let mut spare = None;
        loop {
            let mut guard = self.once.state.lock();
            let state = &mut *guard;
            let served = self.place.take_if(|key| state.waiters.is_served(key));
            let removed = served.map(|key| state.waiters.remove(key));
            let answer = match &removed {
                Some(removed) => removed.data.clone(),
                // None while somebody queues, for a load is under way then.
                None => state.answer(),
            };
            let value = match answer {
                Some(Answer::Value(value)) => Some(value),
                Some(Answer::Turn) => {
                    state.loading = true;
                    self.turn = Some(state.resets);
                    None
                }
                None => {
                    let waiters = &mut state.waiters;
                    let queued = waiters.queue(&mut self.place, cx.waker(), &mut spare, || None);
                    drop(guard);
                    match queued {
                        Ok(_) => return Poll::Pending,
                        Err(NeedsClone) => spare = Some(cx.waker().clone()),
                    }
                    continue;
                }
            };
            drop(guard);
            discard((removed.and_then(|removed| removed.waker), spare));
            return Poll::Ready(value);
        }
    }

    /// Keeps a value that we loaded and gives it to those who wait.
    fn finish(&mut self, value: &Arc<T>) {
        if let Some(resets) = self.turn.take() {
            self.once.finish(value, resets);
        }
    }

    fn leave(&mut self) {
        if self.turn.take().is_some() {
            self.once.pass_turn();
        }
        if let Some(key) = self.place.take() {
            let removed = self.once.state.lock().waiters.remove(key);
            if let Some(Answer::Turn) = removed.data {
                self.once.pass_turn();
            }
            discard(removed.waker);
        }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T, F, L> fmt::Debug for Load<'_, T, F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").finish_non_exhaustive()
    }
}

impl<T, F, L> fmt::Debug for TryLoad<'_, T, F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryLoad").finish_non_exhaustive()
    }
}
