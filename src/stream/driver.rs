use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Mode, Source};
use crate::primitives::Mutex;
use crate::set::{Set, Turn};
use crate::sync::wake_all;
use crate::task::discard;

/// Where the drivers of one stream and its consumer meet.
pub(super) struct Hub<S: Source, M: Mode<S>> {
    limit: NonZeroUsize,
    state: Mutex<State<S, M>>,
}

struct State<S: Source, M: Mode<S>> {
    source: Lease<S>,
    /// How many futures came out of the source.
    pulled: usize,
    /// How many values the consumer has given away. Together: no more than `limit` are out.
    delivered: usize,
    values: VecDeque<(usize, M::Value)>,
    failure: Option<M::Failure>,
    /// Of the consumer, if it waits.
    consumer: Option<Waker>,
    /// Of each driver that would take more from the source.
    hungry: Vec<Option<Waker>>,
    /// Drivers that have not come to their end.
    working: usize,
    /// Nothing more is to be started.
    stopped: bool,
}

/// The source is polled outside the lock, by one driver at a time.
enum Lease<S> {
    Here(Pin<Box<S>>),
    Away,
    Ended,
}

/// What a driver may do about more futures.
enum Grant<S> {
    /// Take so many, the first of which has this index, and bring the source back.
    Pull {
        source: Pin<Box<S>>,
        room: usize,
        first: usize,
    },
    /// Wait to be woken.
    Wait,
    /// There are no more.
    Ended,
}

/// What the consumer gets besides values.
pub(super) struct Delivery<F> {
    pub(super) failure: Option<F>,
    /// Whether no driver will bring more.
    pub(super) last: bool,
}

/// How many values a driver gathers before it hands them over.
const FLUSH: usize = 32;

/// How many futures a driver takes from the source at a time. The others could not start those
/// that wait behind one that computes.
const PULL: usize = 8;

impl<S: Source, M: Mode<S>> Hub<S, M> {
    pub(super) fn new(source: S, limit: NonZeroUsize, drivers: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: Mutex::new(State {
                source: Lease::Here(Box::pin(source)),
                pulled: 0,
                delivered: 0,
                values: VecDeque::new(),
                failure: None,
                consumer: None,
                hungry: (0..drivers).map(|_| None).collect(),
                working: drivers,
                stopped: false,
            }),
        })
    }

    /// For the consumer: says how many values it has given away, takes all that are there, and
    /// if `cx` is given and there is nothing, waits.
    pub(super) fn exchange(
        &self,
        delivered: usize,
        values: &mut VecDeque<(usize, M::Value)>,
        cx: Option<&Context<'_>>,
    ) -> Delivery<M::Failure> {
        // Wakers are cloned and dropped outside the lock.
        let waker = cx.map(|cx| cx.waker().clone());
        let mut state = self.state.lock();
        // Only where there was none have drivers waited for room.
        let full = state.pulled - state.delivered >= self.limit.get();
        let hungry = match full && delivered > state.delivered {
            true => state.take_hungry(usize::MAX),
            false => Vec::new(),
        };
        state.delivered = delivered;
        mem::swap(&mut state.values, values);
        let delivery = Delivery {
            failure: state.failure.take(),
            last: state.working == 0 || state.stopped,
        };
        let waits = values.is_empty() && !delivery.last;
        let (waker, unused) = if waits { (waker, None) } else { (None, waker) };
        let old = mem::replace(&mut state.consumer, waker);
        drop(state);
        discard(old);
        discard(unused);
        wake_all(hungry);
        delivery
    }

    /// For driver `id`, which has `places` free: the source, if it is to be asked.
    fn lease(&self, id: usize, places: usize, cx: &Context<'_>) -> Grant<S> {
        // Wakers are cloned and dropped outside the lock.
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.stopped {
                // The source goes with the last driver, and not under the lock.
                drop(state);
                discard(spare);
                return Grant::Ended;
            }
            let out = state.pulled - state.delivered;
            let room = (self.limit.get() - out).min(places).min(PULL);
            let grant = match mem::replace(&mut state.source, Lease::Away) {
                Lease::Here(source) if room > 0 => Some(Grant::Pull {
                    source,
                    room,
                    first: state.pulled,
                }),
                Lease::Ended => {
                    state.source = Lease::Ended;
                    Some(Grant::Ended)
                }
                source => {
                    state.source = source;
                    None
                }
            };
            let hungry = &mut state.hungry[id];
            if let Some(grant) = grant {
                let old = hungry.take();
                drop(state);
                discard(old);
                discard(spare);
                return grant;
            }
            let known = hungry.as_ref();
            if spare.is_some() || known.is_some_and(|known| known.will_wake(cx.waker())) {
                let old = match spare {
                    Some(spare) => hungry.replace(spare),
                    None => None,
                };
                drop(state);
                discard(old);
                return Grant::Wait;
            }
            drop(state);
            spare = Some(cx.waker().clone());
        }
    }

    /// Brings the source back, or what it ended with.
    fn bring_back(&self, id: usize, pulled: usize, source: Asked<S>, cx: &Context<'_>) {
        // Cloned outside the lock.
        let waker = matches!(source, Asked::Pending(_)).then(|| cx.waker().clone());
        let mut state = self.state.lock();
        state.pulled += pulled;
        let woken = match source {
            Asked::Enough(source) => {
                state.source = Lease::Here(source);
                // The rest is woken by the consumer when there is room again.
                let room = state.pulled - state.delivered < self.limit.get();
                state.take_hungry(usize::from(room))
            }
            Asked::Pending(source) => {
                state.source = Lease::Here(source);
                // It wakes whoever asked last. If that is another by then, this one is woken
                // when the other brings it back.
                state.hungry[id] = waker;
                Vec::new()
            }
            Asked::Ended => {
                state.source = Lease::Ended;
                state.take_hungry(usize::MAX)
            }
        };
        drop(state);
        wake_all(woken);
    }

    /// Hands values to the consumer.
    fn hand_over(&self, values: &mut Vec<(usize, M::Value)>) {
        if values.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.values.extend(values.drain(..));
        let consumer = state.consumer.take();
        drop(state);
        wake_all(consumer);
    }

    /// Ends the run with a failure, if none was first.
    fn fail(&self, failure: M::Failure) {
        let mut state = self.state.lock();
        let mut failure = Some(failure);
        if !state.stopped {
            state.stopped = true;
            state.failure = failure.take();
        }
        drop(state);
        drop(failure);
    }

    /// A driver is gone. If it `failed` to come to its end, the run is over.
    fn leave(&self, failed: bool) {
        let mut state = self.state.lock();
        state.working -= 1;
        state.stopped |= failed;
        let consumer = match state.working == 0 || state.stopped {
            true => state.consumer.take(),
            false => None,
        };
        drop(state);
        wake_all(consumer);
    }
}

impl<S: Source, M: Mode<S>> State<S, M> {
    /// At most so many of the drivers that wait for the source.
    fn take_hungry(&mut self, most: usize) -> Vec<Waker> {
        let hungry = self.hungry.iter_mut().filter_map(Option::take);
        hungry.take(most).collect()
    }
}

/// What came of asking the source.
enum Asked<S> {
    Enough(Pin<Box<S>>),
    Pending(Pin<Box<S>>),
    Ended,
}

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
