use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::ordered::Ordered;
use super::{Mode, Source};
use crate::set::{Set, Turn};
use crate::task::{catch, discard, first_panic, or_clear};

pin_project! {
    /// A run of a source's futures in the task that polls it.
    pub(super) struct Run<S: Source, M: Mode<S>> {
        // `None` once it has ended.
        #[pin]
        source: Option<S>,
        set: Set<S::Future>,
        limit: NonZeroUsize,
        // `None` in completion order.
        ordered: Option<Ordered<M::Value>>,
        // How many futures came out of the source.
        pulled: usize,
        // Outputs that wait elsewhere and count against the limit.
        held: usize,
        polled: bool,
        over: bool,
    }
}

type Output<S> =
    Poll<Option<Result<(usize, <<S as Source>::Future as Future>::Output), <S as Source>::Error>>>;
pub(super) type Step<S, M> = Poll<Option<Result<<M as Mode<S>>::Value, <M as Mode<S>>::Failure>>>;

impl<S: Source, M: Mode<S>> Run<S, M> {
    pub(super) fn new(source: S, limit: NonZeroUsize) -> Self {
        Self {
            source: Some(source),
            set: Set::new(),
            limit,
            ordered: None,
            pulled: 0,
            held: 0,
            polled: false,
            over: false,
        }
    }

    pub(super) fn set_limit(&mut self, limit: NonZeroUsize) {
        self.limit = limit;
    }

    pub(super) fn set_ordered(&mut self) {
        self.ordered = Some(Ordered::new());
    }

    pub(super) fn limit(&self) -> NonZeroUsize {
        self.limit
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.ordered.is_some()
    }

    pub(super) fn is_polled(&self) -> bool {
        self.polled
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// How many futures are running.
    pub(super) fn running(&self) -> usize {
        self.set.len()
    }

    /// How many values will come if nothing fails.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let taken = self.taken();
        let (low, high) = match &self.source {
            Some(source) => source.size_hint(),
            None => (0, Some(0)),
        };
        (
            low.saturating_add(taken),
            high.and_then(|high| high.checked_add(taken)),
        )
    }

    /// How many futures came out of the source whose values were not given.
    fn taken(&self) -> usize {
        match &self.ordered {
            Some(ordered) => ordered.len(),
            None => self.set.len(),
        }
    }

    /// The source.
    pub(super) fn into_source(self) -> Option<S> {
        self.source
    }

    pub(super) fn set_held(self: Pin<&mut Self>, held: usize) {
        *self.project().held = held;
    }

    /// The next value, or what ended the run. Everything else is dropped before a failure is
    /// given, and before a panic goes on.
    pub(super) fn poll_value(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<S, M> {
        let stop = |run: &mut Pin<&mut Self>| drop(run.as_mut().stop());
        or_clear(self, stop, |run| run.as_mut().poll_step(cx))
    }

    #[inline]
    fn poll_step(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step<S, M> {
        *self.as_mut().project().polled = true;
        let this = self.as_mut().project();
        if let Some(ordered) = this.ordered {
            if this.set.is_spent() {
                this.set.give_way(cx);
                return Poll::Pending;
            }
            if let Some(value) = ordered.next() {
                this.set.spend();
                return Poll::Ready(Some(Ok(value)));
            }
        }
        loop {
            let sorted = match ready!(self.as_mut().poll_output(cx)) {
                Some(Ok((index, output))) => M::sort(index, output).map(|value| (index, value)),
                Some(Err(error)) => Err(M::source_failed(error)),
                None => {
                    *self.project().over = true;
                    return Poll::Ready(None);
                }
            };
            let (index, value) = match sorted {
                Ok(sorted) => sorted,
                Err(failure) => {
                    if let Err(payload) = self.stop() {
                        discard(failure);
                        resume_unwind(payload);
                    }
                    return Poll::Ready(Some(Err(failure)));
                }
            };
            let value = match self.as_mut().project().ordered {
                Some(ordered) => ordered.put(index, value),
                None => Some(value),
            };
            if let Some(value) = value {
                return Poll::Ready(Some(Ok(value)));
            }
        }
    }

    /// The next output in completion order, with its index.
    #[inline]
    fn poll_output(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Output<S> {
        let mut this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        this.set.begin();
        loop {
            match this.set.poll_woken() {
                Turn::Output(index, output) => return Poll::Ready(Some(Ok((index, output)))),
                Turn::GiveWay => {
                    this.set.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => {}
            }
            // From here on everybody who was woken has been polled.
            let taken = match this.ordered {
                Some(ordered) => ordered.len(),
                None => this.set.len(),
            };
            let Some(source) = this.source.as_mut().as_pin_mut() else {
                if taken == 0 {
                    return Poll::Ready(None);
                }
                break;
            };
            if taken.saturating_add(*this.held) >= this.limit.get() {
                break;
            }
            match source.poll_next(cx) {
                Poll::Ready(Some(Ok(child))) => {
                    let index = *this.pulled;
                    *this.pulled += 1;
                    if let Some(ordered) = this.ordered {
                        ordered.expect_next();
                    }
                    if let Poll::Ready(output) = this.set.enter(index, child) {
                        return Poll::Ready(Some(Ok((index, output))));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => this.source.set(None),
                Poll::Pending => break,
            }
        }
        this.set.park(cx);
        Poll::Pending
    }

    /// Drops whatever is left. Gives the first panic of a destructor.
    fn stop(self: Pin<&mut Self>) -> std::thread::Result<()> {
        let mut this = self.project();
        *this.over = true;
        let result = this.set.clear();
        let result = first_panic(result, catch(|| this.source.set(None)));
        match this.ordered {
            Some(ordered) => first_panic(result, ordered.clear()),
            None => result,
        }
    }
}

/// Adds values to a list until they end.
pub(super) fn poll_collect<S: Source, M: Mode<S>>(
    values: &mut Option<Vec<M::Value>>,
    mut poll_value: impl FnMut() -> Step<S, M>,
) -> Poll<M::Outcome<Vec<M::Value>>> {
    let list = values.as_mut().expect("polled after it was ready");
    let failure = loop {
        match ready!(poll_value()) {
            Some(Ok(value)) => list.push(value),
            Some(Err(failure)) => break Some(failure),
            None => break None,
        }
    };
    let list = mem::take(list);
    *values = None;
    Poll::Ready(M::outcome(match failure {
        Some(failure) => Err(failure),
        None => Ok(list),
    }))
}
