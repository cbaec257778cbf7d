use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::failure::{BoxError, Failure, OnFailure, Views};
use super::scope_handle::{Panics, Place, ScopeHandle};
use super::scope_run::{Body, ScopeRun};
use super::slot::Slot;
use crate::primitives::SpinLock;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::runtime::{Hook, Unobserved, print_unobserved};
use crate::sync::{Limit, wake_all};
use crate::task::{JoinError, Reason, catch, discard, forget_panic, quiet};

/// Runs `body` and the tasks it starts in the task that awaits this; returns when all have ended.
///
/// The tasks may borrow what outlives the scope; they share one thread and
/// stop when the scope is dropped. The first failure, of the body or of a task started by
/// [`Scope::spawn_fallible`], drops all others and the body, and comes first in the error. For
/// other ways to treat failures, or a limit, take [`Scope::builder`]. Tasks here must be `Send`,
/// and so is the scope; [`scope_local`] asks for neither.
///
/// # Cancel safety
///
/// Dropping the returned future drops `body` and all tasks with it.
///
/// # Errors
///
/// [`BlockError`](super::BlockError): what failed, or why the scope was cancelled.
///
/// # Panics
///
/// If `body` does, or a task whose handle was dropped; once all have ended.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// use untethered::group::scope;
///
/// let words = vec!["one".to_owned(), "three".to_owned()];
/// let words = &words;
/// let sum = scope(|s| async move {
///     let first = s.spawn(async move { words[0].len() });
///     let second = s.spawn(async move { words[1].len() });
///     Ok(first.await? + second.await?)
/// });
/// assert_eq!(sum.await.unwrap(), 8);
/// # });
/// ```
pub fn scope<'env, B, F, T>(body: B) -> ScopeRun<'env, T>
where
    B: FnOnce(Scope<'env>) -> F,
    F: Future<Output = Result<T, BoxError>> + Send + 'env,
    T: Send + 'env,
{
    Scope::builder().run(body)
}

/// As [`scope`], for a body and tasks that need not be `Send`.
///
/// # Errors
///
/// [`BlockError`](super::BlockError): what failed, or why the scope was cancelled.
pub fn scope_local<'env, B, F, T>(body: B) -> ScopeRun<'env, T, BoxError, Local>
where
    B: FnOnce(Scope<'env, BoxError, Local>) -> F,
    F: Future<Output = Result<T, BoxError>> + 'env,
    T: 'env,
{
    Scope::builder().run_local(body)
}

/// The way into a scope: starts tasks that are polled in place.
///
/// It has what a [`Group`](super::Group) has and needs no runtime for: failure policies, a limit,
/// results. It has no clock and is not polled once dropped, so there is no grace, no shield
/// and no clean-up. Clones are the same scope.
pub struct Scope<'env, E = BoxError, K: Kind = Sendable> {
    pub(super) shared: Arc<Shared<'env, E, K>>,
}

/// Whether the tasks of a scope have to be `Send`.
pub trait Kind: sealed::Boxes {}

/// Tasks that are `Send`, which makes the scope `Send`.
#[derive(Debug)]
pub enum Sendable {}

/// Tasks that need not be `Send`.
#[derive(Debug)]
pub enum Local {}

impl Kind for Sendable {}
impl Kind for Local {}

mod sealed {
    use std::future::Future;
    use std::pin::Pin;

    pub trait Boxes: Sized + 'static {
        type Child<'a>: Future<Output = ()> + Unpin;
    }

    impl Boxes for super::Sendable {
        type Child<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    }

    impl Boxes for super::Local {
        type Child<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
    }
}

pub(super) struct Shared<'env, E, K: Kind> {
    pub(super) policy: OnFailure<E>,
    pub(super) views: Views<E>,
    limit: Option<Limit>,
    /// `None`: a line on standard error.
    unobserved: Option<Arc<Hook>>,
    pub(super) panics: Arc<Panics>,
    /// Tasks that have not ended, and the body.
    alive: AtomicUsize,
    /// Written under the lock, to be looked at without it: [`OVER`] and [`FRESH`].
    flags: AtomicUsize,
    pub(super) state: SpinLock<State<'env, E, K>>,
}

/// Nothing is started any more.
const OVER: usize = 1;
/// The inbox is not empty.
const FRESH: usize = 2;

pub(super) struct State<'env, E, K: Kind> {
    /// Started, not in the set yet.
    inbox: VecDeque<K::Child<'env>>,
    pub(super) reason: Option<Reason>,
    pub(super) failures: Vec<Failure<E>>,
    pub(super) cancelled: usize,
    /// Of the task that polls the scope, while it waits.
    pub(super) waker: Option<Waker>,
}

impl<'env> Scope<'env> {
    /// Settings for a scope: how it treats failures, how many of its tasks run at once.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder {
            policy: OnFailure::CancelAll,
            views: Views::of_box(),
            limit: None,
            unobserved: None,
        }
    }
}

impl<'env, E: Send + 'env> Scope<'env, E, Sendable> {
    /// Starts `future`. Its output, or a panic, goes to the handle, whose drop cancels nothing.
    ///
    /// A scope that is cancelled drops it unrun, and the handle says so.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopeHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        let (child, handle) = self.child(future, to_handle);
        self.enter(Box::pin(child));
        handle
    }

    /// Starts `future`, whose errors and panics are the scope's.
    #[track_caller]
    pub fn spawn_fallible<F, V, X>(&self, future: F) -> ScopeHandle<V>
    where
        F: Future<Output = Result<V, X>> + Send + 'env,
        V: Send + 'env,
        X: Into<E> + Send + 'env,
    {
        let (child, handle) = self.child(future, to_scope);
        self.enter(Box::pin(child));
        handle
    }
}

impl<'env, E: 'env> Scope<'env, E, Local> {
    /// As [`spawn`](Scope::spawn) of a scope whose tasks are `Send`.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopeHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        let (child, handle) = self.child(future, to_handle);
        self.enter(Box::pin(child));
        handle
    }

    /// As [`spawn_fallible`](Scope::spawn_fallible) of a scope whose tasks are `Send`.
    #[track_caller]
    pub fn spawn_fallible<F, V, X>(&self, future: F) -> ScopeHandle<V>
    where
        F: Future<Output = Result<V, X>> + 'env,
        V: 'env,
        X: Into<E> + 'env,
    {
        let (child, handle) = self.child(future, to_scope);
        self.enter(Box::pin(child));
        handle
    }
}

impl<'env, E, K: Kind> Scope<'env, E, K> {
    fn new(builder: ScopeBuilder<E>) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy: builder.policy,
                views: builder.views,
                limit: builder.limit,
                unobserved: builder.unobserved,
                panics: Arc::default(),
                alive: AtomicUsize::new(0),
                flags: AtomicUsize::new(0),
                state: SpinLock::new(State {
                    inbox: VecDeque::new(),
                    reason: None,
                    failures: Vec::new(),
                    cancelled: 0,
                    waker: None,
                }),
            }),
        }
    }

    /// Drops the body and all tasks, once the one that runs has come to its next await.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.shared.cancel(reason.into());
    }

    /// Whether nothing is started any more.
    pub fn is_cancelled(&self) -> bool {
        self.shared.is_over()
    }

    /// How many tasks have not ended. The body counts as one.
    pub fn len(&self) -> usize {
        self.shared.alive()
    }

    /// Whether body and tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[track_caller]
    fn child<F: Future, V>(
        &self,
        future: F,
        judge: Judge<'env, F::Output, V, E, K>,
    ) -> (Child<'env, F, V, E, K>, ScopeHandle<V>) {
        let place = Place::new(&self.shared.panics);
        let child = Child {
            future: Some(future),
            judge,
            slot: Slot::of(self.shared.limit.as_ref()),
            place: Some(place.clone()),
            known: false,
            shared: self.shared.clone(),
            spawned_at: Location::caller(),
        };
        (child, ScopeHandle::new(place))
    }

    fn enter(&self, child: K::Child<'env>) {
        // Nothing is read by this number.
        self.shared.alive.fetch_add(1, Ordering::Relaxed);
        let mut state = self.shared.state.lock();
        if self.shared.is_over() {
            drop(state);
            discard(child);
            return;
        }
        state.inbox.push_back(child);
        if !self.shared.has_fresh() {
            self.shared.flags.fetch_or(FRESH, Ordering::Release);
        }
        let waker = state.waker.take();
        drop(state);
        wake_all(waker);
    }
}

impl<E, K: Kind> Clone for Scope<'_, E, K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<E, K: Kind> fmt::Debug for Scope<'_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("len", &self.len()).finish()
    }
}

impl<'env, E, K: Kind> Shared<'env, E, K> {
    pub(super) fn is_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OVER != 0
    }

    pub(super) fn has_fresh(&self) -> bool {
        self.flags.load(Ordering::Acquire) & FRESH != 0
    }

    /// Takes what was started since.
    pub(super) fn take_inbox(&self) -> VecDeque<K::Child<'env>> {
        let mut state = self.state.lock();
        self.flags.fetch_and(!FRESH, Ordering::AcqRel);
        mem::take(&mut state.inbox)
    }

    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    pub(super) fn one_less(&self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }

    /// Under the lock.
    pub(super) fn end(&self) {
        self.flags.fetch_or(OVER, Ordering::AcqRel);
    }

    pub(super) fn cancel(&self, reason: Reason) {
        let mut state = self.state.lock();
        self.end();
        state.reason.get_or_insert(reason);
        let waker = state.waker.take();
        drop(state);
        wake_all(waker);
    }

    pub(super) fn record(&self, failure: Failure<E>) {
        match &self.policy {
            OnFailure::Report(hook) => {
                if let Err(payload) = catch(|| hook(failure)) {
                    self.panics.keep(payload);
                }
            }
            OnFailure::CancelAll => {
                let reason = Reason::from(format!("{} failed", failure.task()));
                self.state.lock().failures.push(failure);
                self.cancel(reason);
            }
            OnFailure::Collect(max) => {
                let mut state = self.state.lock();
                if state.failures.len() < max.get() {
                    state.failures.push(failure);
                } else {
                    drop(state);
                    // The conversion is the user's, and so may the hook be.
                    quiet(|| {
                        let failure = failure.into_unobserved(self.views);
                        match &self.unobserved {
                            Some(hook) => hook(failure),
                            None => print_unobserved(failure),
                        }
                    });
                }
            }
        }
    }

    /// The body failed, which ends the scope. Gives the error back if the policy keeps none.
    pub(super) fn record_body(&self, error: E) -> Option<E> {
        let failure = Failure::error_of("scope".to_owned(), error);
        let left = match &self.policy {
            OnFailure::CancelAll => {
                // One of the failures, after those that came before.
                self.record(failure);
                return None;
            }
            // There is room for this one whatever the tasks left.
            OnFailure::Collect(_) => {
                self.state.lock().failures.push(failure);
                None
            }
            OnFailure::Report(_) => failure.into_error().ok(),
        };
        self.cancel(Reason::from("the body of the scope failed"));
        left
    }
}

/// What becomes of an outcome.
type Judge<'env, O, V, E, K> = fn(
    Result<O, Box<dyn Any + Send>>,
    &Shared<'env, E, K>,
    &'static Location<'static>,
) -> Result<V, JoinError>;

fn to_handle<O, E, K: Kind>(
    outcome: Result<O, Box<dyn Any + Send>>,
    _shared: &Shared<'_, E, K>,
    _spawned_at: &'static Location<'static>,
) -> Result<O, JoinError> {
    outcome.map_err(JoinError::panicked)
}

fn to_scope<V, X: Into<E>, E, K: Kind>(
    outcome: Result<Result<V, X>, Box<dyn Any + Send>>,
    shared: &Shared<'_, E, K>,
    spawned_at: &'static Location<'static>,
) -> Result<V, JoinError> {
    let task = || format!("scope/{spawned_at}");
    let failure = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => match catch(|| error.into()) {
            Ok(error) => Failure::error_of(task(), error),
            Err(payload) => Failure::panic_of(task(), payload),
        },
        Err(payload) => Failure::panic_of(task(), payload),
    };
    shared.record(failure);
    Err(JoinError::failed())
}

pin_project! {
    /// A task of a scope. Neither polling nor dropping it unwinds.
    struct Child<'env, F: Future, V, E, K: Kind> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        judge: Judge<'env, F::Output, V, E, K>,
        slot: Slot,
        // `None` once the outcome is there.
        place: Option<Arc<Place<V>>>,
        // Whether the place knows whom to wake: that stays the same, as a task stays in its slot.
        known: bool,
        shared: Arc<Shared<'env, E, K>>,
        spawned_at: &'static Location<'static>,
    }

    impl<'env, F: Future, V, E, K: Kind> PinnedDrop for Child<'env, F, V, E, K> {
        fn drop(this: Pin<&mut Self>) {
            this.end(None);
        }
    }
}

impl<F: Future, V, E, K: Kind> Child<'_, F, V, E, K> {
    /// Drops the future, then makes its outcome visible; `None` is a cancel.
    fn end(self: Pin<&mut Self>, outcome: Option<Result<F::Output, Box<dyn Any + Send>>>) {
        let mut this = self.project();
        let Some(place) = this.place.take() else {
            return;
        };
        let outcome = match catch(|| this.future.set(None)) {
            Ok(()) => outcome,
            Err(second) if matches!(outcome, Some(Err(_))) => {
                forget_panic(second);
                outcome
            }
            Err(payload) => {
                discard(outcome);
                Some(Err(payload))
            }
        };
        *this.slot = Slot::Free;
        this.shared.one_less();
        let result = match outcome {
            Some(outcome) => (this.judge)(outcome, this.shared, this.spawned_at),
            None => {
                let mut state = this.shared.state.lock();
                state.cancelled += 1;
                let reason = place.reason().or_else(|| state.reason.clone());
                drop(state);
                Err(JoinError::cancelled(reason))
            }
        };
        place.finish(result);
    }
}

impl<F: Future, V, E, K: Kind> Future for Child<'_, F, V, E, K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let (Some(place), Some(future)) = (&*this.place, this.future.as_pin_mut()) else {
            return Poll::Ready(());
        };
        let known = mem::replace(this.known, true);
        let outcome = if place.is_stopped(known, cx) {
            None
        } else {
            std::task::ready!(this.slot.poll(cx));
            match catch(|| future.poll(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => Some(Ok(output)),
                Err(payload) => Some(Err(payload)),
            }
        };
        self.end(outcome);
        Poll::Ready(())
    }
}

/// Settings of a scope. From [`Scope::builder`].
#[must_use = "a builder does nothing before run()"]
pub struct ScopeBuilder<E = BoxError> {
    policy: OnFailure<E>,
    views: Views<E>,
    limit: Option<Limit>,
    unobserved: Option<Arc<Hook>>,
}

impl<E> ScopeBuilder<E> {
    /// What is done with errors and panics of tasks started by a `spawn_fallible`. By default the
    /// first ends the scope.
    ///
    /// A panic of the hook of [`OnFailure::report`] goes on in the task that polls the scope.
    pub fn on_failure(mut self, policy: OnFailure<E>) -> Self {
        self.policy = policy;
        self
    }

    /// Takes errors of the type `E2`. Forgets an [`on_failure`](Self::on_failure) said before.
    pub fn errors<E2: std::error::Error + Send + Sync + 'static>(self) -> ScopeBuilder<E2> {
        ScopeBuilder {
            policy: OnFailure::CancelAll,
            views: Views::of_error(),
            limit: self.limit,
            unobserved: self.unobserved,
        }
    }

    /// What is done with failures for which [`OnFailure::Collect`] has no room. By default each
    /// gives one line on standard error. A panic of the hook itself is dropped.
    pub fn on_unobserved(mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        self.unobserved = Some(Arc::new(hook));
        self
    }

    /// Lets at most `limit` tasks run at once, the body not counted; others wait for their turn
    /// in the order in which they were spawned.
    ///
    /// # Panics
    ///
    /// If `limit` is nought: no task could ever run.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        let limit = std::num::NonZeroUsize::new(limit)
            .expect("a scope with a limit of nought never runs a task");
        self.limit = Some(limit.into());
        self
    }

    /// Runs `body` and the tasks it starts. See [`scope`].
    pub fn run<'env, B, F, T>(self, body: B) -> ScopeRun<'env, T, E>
    where
        B: FnOnce(Scope<'env, E>) -> F,
        F: Future<Output = Result<T, E>> + Send + 'env,
        T: Send + 'env,
        E: Send + 'env,
    {
        let scope = Scope::new(self);
        let (body, place) = Body::new(body(scope.clone()), &scope);
        scope.enter(Box::pin(body));
        ScopeRun::new(scope, place)
    }

    /// As [`run`](Self::run), for a body and tasks that need not be `Send`.
    pub fn run_local<'env, B, F, T>(self, body: B) -> ScopeRun<'env, T, E, Local>
    where
        B: FnOnce(Scope<'env, E, Local>) -> F,
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
        E: 'env,
    {
        let scope = Scope::new(self);
        let (body, place) = Body::new(body(scope.clone()), &scope);
        scope.enter(Box::pin(body));
        ScopeRun::new(scope, place)
    }
}

impl<E> fmt::Debug for ScopeBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("on_failure", &self.policy)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
