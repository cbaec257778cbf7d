use std::any::Any;

use crate::task::{BlockingBody, Reason};

/// A closure in the queue of a pool, whatever it returns. Nothing of it unwinds.
pub(super) trait Job: Send {
    fn run(self: Box<Self>);

    /// Ends it unrun.
    fn cancel(self: Box<Self>, reason: Option<Reason>);

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

pub(super) type AnyJob = Box<dyn Job>;

impl<F, T> Job for BlockingBody<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Box<Self>) {
        BlockingBody::run(*self);
    }

    fn cancel(self: Box<Self>, reason: Option<Reason>) {
        BlockingBody::cancel(*self, reason);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The closure of a job that the queue did not take.
pub(super) fn give_back<F: 'static, T: 'static>(job: AnyJob) -> F {
    let body = job.into_any().downcast::<BlockingBody<F, T>>().ok();
    body.and_then(|body| body.into_work())
        .expect("a queue gives back what it was given")
}
