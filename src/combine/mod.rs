//! Futures in, one answer out.
//!
//! | To have | Take |
//! |---|---|
//! | whatever is done first | [`race`] |
//! | the first success | [`race_ok`] |
//! | the same, but started one after the other | [`hedge`] |
//! | so many successes | [`quorum`] |
//! | all outputs, in input order | [`gather`] |
//! | all values, or the first error | [`try_gather`] |
//! | each output as it comes | [`as_completed`] |
//! | some now and the rest later | [`wait`] |
//!
//! All take their futures in one form, [`IntoEntrants`]: a tuple, an array, a vector or an
//! iterator. The futures are polled in place, so they may borrow and need not be `Send`; nothing
//! is spawned. What is not needed any more is dropped before the answer is seen; if one panics, the
//! others are dropped before the panic goes on.
//!
//! [`instead_of_select`] shows ten patterns of `select!` and what replaces them.
//!
//! # Examples
//!
//! ```
//! use std::future::{pending, ready};
//! use untethered::combine::{gather, race};
//!
//! # futures_lite::future::block_on(async {
//! assert_eq!(race([ready(1), ready(2)]).await, (0, 1));
//! assert_eq!(gather([ready(1), ready(2)]).await, [1, 2]);
//! # });
//! ```

mod as_completed;
mod entrants;
mod gather;
mod grace;
mod hedge;
pub mod instead_of_select;
mod pack;
mod quorum;
mod race;
mod race_ok;
mod wait;

pub use self::as_completed::{AsCompleted, as_completed};
pub use self::entrants::{
    Empty, Entrants, Future2, Future3, Future4, Future5, Future6, Future7, Future8, IntoEntrants,
    OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8,
};
pub use self::gather::{Gather, GatherUntil, TryGather, TryGatherUntil, gather, try_gather};
pub use self::hedge::{Hedge, hedge};
pub use self::quorum::{Fallible, Indexed, Quorate, Quorum, QuorumError, quorum, quorum_nonzero};
pub use self::race::{IntoRace, Race, Racers, race};
pub use self::race_ok::{Failures, RaceOk, Success, race_ok};
pub use self::wait::{Until, Wait, WaitSet, wait};
