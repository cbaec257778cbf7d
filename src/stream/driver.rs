use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::hub::{Asked, Grant, Hub};
use super::{Mode, Source};
use crate::set::{Set, Turn};

/// A task that runs a share of the futures.
pub(super) struct Driver<S: Source, M: Mode<S>> {
    hub: Arc<Hub<S, M>>,
    id: usize,
    /// How many it may run at once.
    share: usize,
    set: Set<S::Future>,
    /// Taken from the source, to be started.
    pulled: VecDeque<(usize, S::Future)>,
    /// Of the source, once what came before it was started.
    failure: Option<M::Failure>,
    /// To be handed over.
    values: Vec<(usize, M::Value)>,
    /// Whether the source has no more for it.
    ended: bool,
    /// Whether it came to its end, good or bad.
    done: bool,
}

/// How many values a driver gathers before it hands them over.
const FLUSH: usize = 32;

impl<S: Source, M: Mode<S>> Driver<S, M> {
    pub(super) fn new(hub: Arc<Hub<S, M>>, id: usize, share: usize) -> Self {
        Self {
            hub,
            id,
            share,
            set: Set::new(),
            pulled: VecDeque::new(),
            failure: None,
            values: Vec::new(),
            ended: false,
            done: false,
        }
    }

    /// Works until everything has to wait. Ready when there is nothing left to do.
    fn work(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), M::Failure>> {
        self.set.begin();
        loop {
            let output = match self.set.poll_woken() {
                Turn::Output(index, output) => Some((index, output)),
                Turn::GiveWay => {
                    self.set.give_way(cx);
                    return Poll::Pending;
                }
                Turn::Over => match self.pulled.pop_front() {
                    Some((index, child)) => match self.set.enter(index, child) {
                        Poll::Ready(output) => Some((index, output)),
                        Poll::Pending => None,
                    },
                    None => {
                        // Before the source is asked for more: its room may depend on it.
                        self.hub.hand_over(&mut self.values);
                        if self.pull(cx)? {
                            continue;
                        }
                        if self.set.len() == 0 && self.ended {
                            return Poll::Ready(Ok(()));
                        }
                        self.set.park(cx);
                        return Poll::Pending;
                    }
                },
            };
            if let Some((index, output)) = output {
                self.values.push((index, M::sort(index, output)?));
                if self.values.len() >= FLUSH {
                    self.hub.hand_over(&mut self.values);
                }
            }
        }
    }

    /// Takes futures from the source. Says whether there are some.
    fn pull(&mut self, cx: &mut Context<'_>) -> Result<bool, M::Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let places = self.share - self.set.len();
        if places == 0 || self.ended {
            return Ok(false);
        }
        let (mut source, room, first) = match self.hub.lease(self.id, places, cx) {
            Grant::Pull {
                source,
                room,
                first,
            } => (source, room, first),
            Grant::Wait => return Ok(false),
            Grant::Ended => {
                self.ended = true;
                return Ok(false);
            }
        };
        let asked = loop {
            if self.pulled.len() == room {
                break Asked::Enough(source);
            }
            match source.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(child))) => {
                    self.pulled.push_back((first + self.pulled.len(), child));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.failure = Some(M::source_failed(error));
                    drop(source);
                    break Asked::Ended;
                }
                Poll::Ready(None) => {
                    drop(source);
                    break Asked::Ended;
                }
                Poll::Pending => break Asked::Pending(source),
            }
        };
        self.ended = matches!(asked, Asked::Ended);
        self.hub.bring_back(self.id, self.pulled.len(), asked, cx);
        Ok(self.failure.is_some() || !self.pulled.is_empty())
    }
}

impl<S: Source, M: Mode<S>> Unpin for Driver<S, M> {}

impl<S: Source, M: Mode<S>> Future for Driver<S, M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let worked = this.work(cx);
        // What came before a failure is delivered before it.
        this.hub.hand_over(&mut this.values);
        worked.map(|result| {
            this.done = true;
            if let Err(failure) = result {
                this.hub.fail(failure);
            }
        })
    }
}

impl<S: Source, M: Mode<S>> Drop for Driver<S, M> {
    fn drop(&mut self) {
        // After a panic there may be some.
        self.hub.hand_over(&mut self.values);
        self.hub.leave(!self.done);
    }
}
