mod body;
mod builder;
mod handle;
mod kind;
mod ledger;
mod mailbox;
mod place;
mod run;
mod task;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::sync::Arc;

pub use self::builder::ScopeBuilder;
pub use self::handle::ScopeHandle;
pub use self::kind::{Kind, Local, Sendable};
pub use self::run::ScopeRun;

use self::kind::Child;
use self::ledger::Ledger;
use self::mailbox::FRESH;
use self::place::Place;
use self::run::Children;
use self::task::{ScopeTask, ToHandle, ToScope, Verdict};
use super::failure::BoxError;
use super::slot::Slot;
use crate::primitives::SpinLock;
use crate::set::Set;
use crate::task::Reason;

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
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use untethered::group::scope_local;
///
/// # futures_lite::future::block_on(async {
/// let name = Rc::new("shared in one thread");
/// let length = scope_local(|scope| {
///     let name = Rc::clone(&name);
///     async move { Ok(scope.spawn(async move { name.len() }).await?) }
/// });
/// assert_eq!(length.await.unwrap(), 20);
/// # });
/// ```
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
    shared: Arc<Shared<'env, E, K>>,
}

struct Shared<'env, E, K: Kind> {
    ledger: Ledger<E>,
    /// Started, not in the set yet.
    inbox: SpinLock<VecDeque<K::Child<'env, E>>>,
}

impl<'env> Scope<'env> {
    /// Settings for a scope: how it treats failures, how many of its tasks run at once.
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder::new()
    }
}

impl<'env, E: Send + 'env> Scope<'env, E, Sendable> {
    /// Starts `future`. Its output, or a panic, goes to the handle, whose drop cancels nothing.
    ///
    /// A scope that is cancelled drops it unrun, and the handle says so.
    pub fn spawn<F>(&self, future: F) -> ScopeHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        let (task, handle) = self.task(future, ToHandle);
        self.enter(Box::pin(task));
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
        let (task, handle) = self.task(future, ToScope::here());
        self.enter(Box::pin(task));
        handle
    }
}

impl<'env, E: 'env> Scope<'env, E, Local> {
    /// As [`spawn`](Scope::spawn) of a scope whose tasks are `Send`.
    pub fn spawn<F>(&self, future: F) -> ScopeHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        let (task, handle) = self.task(future, ToHandle);
        self.enter(Box::pin(task));
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
        let (task, handle) = self.task(future, ToScope::here());
        self.enter(Box::pin(task));
        handle
    }
}

impl<'env, E, K: Kind> Scope<'env, E, K> {
    fn new(builder: ScopeBuilder<E>) -> (Self, Children<'env, E, K>) {
        let mut set = Set::unboxed();
        let shared = Arc::new(Shared {
            ledger: Ledger::new(builder, set.bell()),
            inbox: SpinLock::new(VecDeque::new()),
        });
        (Self { shared }, set)
    }

    /// Drops the body and all tasks, once the one that runs has come to its next await.
    pub fn cancel(&self, reason: impl Into<Reason>) {
        self.shared.ledger.cancel(reason.into());
    }

    /// Whether nothing is started any more.
    pub fn is_cancelled(&self) -> bool {
        self.shared.ledger.is_over()
    }

    /// How many tasks have not ended. The body counts as one.
    pub fn len(&self) -> usize {
        self.shared.ledger.alive()
    }

    /// Whether body and tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn task<F: Future, J: Verdict<F::Output, E>>(
        &self,
        future: F,
        verdict: J,
    ) -> (ScopeTask<F, J, J::Value>, ScopeHandle<J::Value>) {
        let ledger = &self.shared.ledger;
        let place = Arc::new(Place::new(&ledger.mailbox));
        let limited = ledger.limit.as_ref();
        let limited = limited.map(|limit| Box::new(Slot::of(limit)));
        let task = ScopeTask::new(future, verdict, limited, place.clone());
        (task, ScopeHandle::new(place))
    }

    fn enter(&self, child: K::Child<'env, E>) {
        let ledger = &self.shared.ledger;
        let mut inbox = self.shared.inbox.lock();
        if ledger.is_over() {
            drop(inbox);
            child.cancel(ledger, false);
            return;
        }
        ledger.one_more();
        let first = inbox.is_empty();
        inbox.push_back(child);
        drop(inbox);
        if first {
            ledger.mailbox.raise(FRESH);
        }
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
    /// Takes what was started since. `fresh` is empty, and its room is used again.
    fn take_inbox(&self, fresh: &mut VecDeque<K::Child<'env, E>>) {
        self.ledger.mailbox.lower(FRESH);
        mem::swap(&mut *self.inbox.lock(), fresh);
    }

    /// Starts nothing more, unless something was started since.
    fn end(&self) -> bool {
        let inbox = self.inbox.lock();
        if inbox.is_empty() {
            self.ledger.mailbox.close();
        }
        inbox.is_empty()
    }
}
