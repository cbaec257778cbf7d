use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::{Mode, Source};
use crate::primitives::Mutex;
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
pub(super) enum Grant<S> {
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
    pub(super) fn lease(&self, id: usize, places: usize, cx: &Context<'_>) -> Grant<S> {
        // Wakers are cloned and dropped outside the lock.
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.stopped {
                // The source goes with the hub, and not under the lock.
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
    pub(super) fn bring_back(&self, id: usize, pulled: usize, source: Asked<S>, cx: &Context<'_>) {
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
    pub(super) fn hand_over(&self, values: &mut Vec<(usize, M::Value)>) {
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
    pub(super) fn fail(&self, failure: M::Failure) {
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
    pub(super) fn leave(&self, failed: bool) {
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
pub(super) enum Asked<S> {
    Enough(Pin<Box<S>>),
    Pending(Pin<Box<S>>),
    Ended,
}
