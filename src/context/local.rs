use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// A value that a future, and all it calls, can see: of a request, for one.
///
/// It belongs to the future of [`scope`](Self::scope), on whatever thread that is polled: set
/// while it is polled and while it is dropped, and otherwise not. Scopes may be nested; the
/// innermost counts, and after it the one around it again, after an error and a panic too. Futures
/// that are polled in place, by a join or a limited stream, see it; **tasks that are spawned do
/// not**: give them a scope of their own.
///
/// Meant to be a `static`. A scope costs an allocation; a poll of it costs no more.
///
/// # Examples
///
/// ```
/// use untethered::context::TaskLocal;
///
/// static REQUEST: TaskLocal<u64> = TaskLocal::new();
///
/// async fn log(line: &str) -> String {
///     match REQUEST.get() {
///         Some(id) => format!("{id}: {line}"),
///         None => line.to_owned(),
///     }
/// }
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(REQUEST.scope(7, log("got it")).await, "7: got it");
/// assert_eq!(log("idle").await, "idle");
/// # });
/// ```
pub struct TaskLocal<T> {
    key: OnceLock<usize>,
    holds: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> TaskLocal<T> {
    /// One that is not set anywhere.
    pub const fn new() -> Self {
        Self {
            key: OnceLock::new(),
            holds: PhantomData,
        }
    }

    /// Runs `future`, which sees `value`.
    pub fn scope<F: IntoFuture>(&self, value: T, future: F) -> Scoped<F::IntoFuture> {
        Scoped {
            future: Some(future.into_future()),
            set: self.set(value),
        }
    }

    /// Runs `f`, which sees `value`.
    pub fn scope_sync<R>(&self, value: T, f: impl FnOnce() -> R) -> R {
        let set = self.set(value);
        let _visible = set.enter();
        f()
    }

    /// Looks at the value: `None` outside of every scope.
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let value = self.find();
        f(value.as_ref().and_then(|value| value.downcast_ref()))
    }

    /// A clone of the value: `None` outside of every scope.
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    fn set(&self, value: T) -> Set {
        Set {
            key: self.key(),
            value: Arc::new(value),
        }
    }

    /// Not its address: a `const` has many, and a freed one is used again.
    fn key(&self) -> usize {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        *self
            .key
            .get_or_init(|| KEYS.fetch_add(1, Ordering::Relaxed))
    }

    fn find(&self) -> Option<Value> {
        let key = self.key();
        let found = VISIBLE.try_with(|visible| {
            let visible = visible.borrow();
            let innermost = visible.iter().rev().find(|set| set.key == key);
            innermost.map(|set| set.value.clone())
        });
        // Too late in the life of the thread.
        found.ok().flatten()
    }
}

type Value = Arc<dyn Any + Send + Sync>;

thread_local! {
    /// What is set at the moment, the innermost last.
    static VISIBLE: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone)]
struct Set {
    key: usize,
    value: Value,
}

impl Set {
    /// Makes it visible on this thread until the answer is dropped.
    fn enter(&self) -> Visible {
        let pushed = VISIBLE.try_with(|visible| visible.borrow_mut().push(self.clone()));
        Visible {
            pushed: pushed.is_ok(),
            same_thread: PhantomData,
        }
    }
}

struct Visible {
    pushed: bool,
    same_thread: PhantomData<*const ()>,
}

impl Drop for Visible {
    fn drop(&mut self) {
        if self.pushed {
            let set = VISIBLE.try_with(|visible| visible.borrow_mut().pop());
            // Outside of the borrow: the value may look at others when it is dropped.
            drop(set);
        }
    }
}

impl<T: Send + Sync + 'static> Default for TaskLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`TaskLocal::scope`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future inside, with the value still set for its destructors.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Scoped<F> {
        // `None` once it is done.
        #[pin]
        future: Option<F>,
        set: Set,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _visible = this.set.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _visible = this.set.enter();
        let future = this.future.as_mut().as_pin_mut();
        let output = std::task::ready!(future.expect("polled after it was ready").poll(cx));
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
