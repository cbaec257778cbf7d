//! A server that does everything wrong, and what a [`Client`] has to make of it.
//!
//! [`Conformance`] holds any client against the contract of [`Client`]: truncated bodies, garbage,
//! stale connections, dropped exchanges, deadlines.. All clients of this crate are held against it
//! too; what each does is in `docs/http-conformance.md`. [`Server`] is there for faults of your own.
//!
//! # Examples
//!
//! One test that runs all of it:
//!
//! ```
//! # #[cfg(feature = "threads")] {
//! use untethered::http::Engine;
//! use untethered::http::conformance::Conformance;
//! use untethered::runtime;
//!
//! let rt = runtime::threads(2);
//! let report = rt.block_on(Conformance::new(&rt, || Engine::new(&rt)).run());
//! report.assert();
//! # }
//! ```
//!
//! One test for each case, by [`conformance_tests!`](crate::conformance_tests):
//!
//! ```
//! # #[cfg(feature = "threads")] {
//! use untethered::http::Engine;
//! use untethered::http::conformance::Conformance;
//! use untethered::runtime;
//!
//! fn check(case: &str) {
//!     let rt = runtime::threads(2);
//!     let client = || Engine::new(&rt); // yours
//!     rt.block_on(Conformance::new(&rt, client).run_case(case)).assert();
//! }
//! untethered::conformance_tests!(check);
//! # check("cut_off_length");
//! # }
//! ```

mod answers;
mod broken;
mod connections;
mod drops;
mod report;
mod requests;
mod server;
mod subject;
mod time;

pub use report::{Report, Verdict};
pub use server::{Peer, Received, Server, response};

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use self::answers::*;
use self::broken::*;
use self::connections::*;
use self::drops::*;
use self::requests::*;
use self::subject::{Subject, message};
use self::time::*;
use super::{Capabilities, Client};
use crate::runtime::Runtime;
use crate::task::caught;
use crate::time::timeout;

/// Makes a `#[test]` of each case of [`Conformance`](crate::http::conformance::Conformance), with
/// the case's name.
///
/// Each calls the function that is given with its name, a `&'static str`. Call it in a module of
/// its own for each client. The example of [`conformance`](crate::http::conformance) shows it.
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
macro_rules! conformance_tests {
    ($check:expr) => {
        $crate::conformance_tests! { @each (@tests $check;) }
    };
    (@each ($($to:tt)*)) => {
        $crate::conformance_tests! { $($to)*
            any_status_is_an_answer
            bytes_in_headers
            big_head
            many_headers
            informational_before_the_answer
            http_1_0_until_close
            until_close_then_reset
            chunks_and_trailers
            drip
            two_lengths
            no_body_where_none_belongs
            garbage
            cut_off_length
            cut_off_chunks
            closed_before_the_answer
            reset_before_the_answer
            body_above_the_limit
            reused_after_the_end
            unread_body_that_is_here
            unread_body_that_is_not_here
            surplus_after_the_answer
            closed_when_asked
            stale_connection
            closed_after_the_request
            dropped_exchange
            dropped_body
            dropped_answer_reaches_nobody
            deadline_without_an_answer
            deadline_within_the_body
            phases
            body_sent_whole
            body_sent_in_pieces
            body_that_fails
            answer_before_the_body_is_sent
            many_at_once
            refused
            bad_requests
            no_redirects
        }
    };
    (@tests $check:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $check(stringify!($case));
            }
        )*
    };
    (@cases $($case:ident)*) => {
        &[$((stringify!($case), |subject| Box::pin($case(subject)))),*]
    };
}

type Run = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

const CASES: &[(&str, Run)] = conformance_tests! { @each (@cases) };

/// The cases that ask for something else of a client that is known to deviate. The others are left
/// out for it.
const WITH_A_WEAKER_FORM: &[&str] = &[
    "two_lengths",
    "garbage",
    "reused_after_the_end",
    "unread_body_that_is_here",
    "unread_body_that_is_not_here",
    "stale_connection",
    "dropped_exchange",
    "dropped_body",
    "phases",
];

/// How long a case may take. Longer than anything in it may, so that its own message comes first.
const CASE_LIMIT: Duration = Duration::from_secs(2 * server::STUCK.as_secs());

/// Holds a client against the contract of [`Client`], case by case.
///
/// Each case makes a client, which must be one of its own, and starts a [`Server`] on loopback,
/// with threads of its own. It fails if the client does not do what it should, if it panics, if a
/// connection stays open once the client is dropped, or after a minute. A panic within a case is
/// printed as any other, by the panic hook.
///
/// A client that says by its [`capabilities`](Client::capabilities) that it reports no phases, or
/// keeps no deadlines, is not asked to: those cases deviate.
///
/// The cases block the thread they are polled on, for moments: give them one that the client needs
/// not, such as that of [`Runtime::block_on`] beside a runtime with threads of its own.
#[must_use = "it does nothing until it is run"]
pub struct Conformance<'a> {
    rt: Runtime,
    client: Box<dyn Fn() -> Box<dyn Client> + 'a>,
    deviations: Vec<(String, String)>,
}

impl<'a> Conformance<'a> {
    /// Holds what `client` makes against the contract.
    pub fn new<C: Client + 'static>(rt: &Runtime, client: impl Fn() -> C + 'a) -> Self {
        Self {
            rt: rt.clone(),
            client: Box::new(move || Box::new(client())),
            deviations: Vec::new(),
        }
    }

    /// Says that the client is known to do something else in `case`: what, and why.
    ///
    /// Cases that can be asked for less (whether a connection is used again, or when exactly one is
    /// closed) are; others are left out.
    ///
    /// # Panics
    ///
    /// If there is no such case.
    #[track_caller]
    pub fn deviates(mut self, case: &str, instead: impl Into<String>) -> Self {
        assert!(
            Self::cases().any(|name| name == case),
            "there is no case {case:?} that a client could deviate from"
        );
        self.deviations.push((case.to_owned(), instead.into()));
        self
    }

    /// The names of all cases, in the order in which they run.
    pub fn cases() -> impl Iterator<Item = &'static str> {
        CASES.iter().map(|(name, _)| *name)
    }

    /// Runs all cases, one after the other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future ends the case under way; servers go with it.
    pub async fn run(&self) -> Report {
        let mut rows = Vec::with_capacity(CASES.len());
        for name in Self::cases() {
            rows.push((name, self.run_case(name).await));
        }
        Report { rows }
    }

    /// Runs one case.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// If there is no such case.
    pub async fn run_case(&self, case: &str) -> Verdict {
        let Some((_, run)) = CASES.iter().find(|(name, _)| *name == case) else {
            panic!("there is no case {case:?}");
        };
        let ran = caught(async {
            let client = (self.client)();
            let deviation = self.deviation(case, client.capabilities());
            if deviation.is_some() && !WITH_A_WEAKER_FORM.contains(&case) {
                return Ok(deviation);
            }
            let subject = Subject {
                rt: self.rt.clone(),
                client,
                deviates: deviation.is_some(),
            };
            let run = timeout(&self.rt, CASE_LIMIT, run(subject)).await;
            run.map(|()| deviation)
        });
        match ran.await {
            Ok(Ok(None)) => Verdict::Passed,
            Ok(Ok(Some(instead))) => Verdict::Deviates(instead),
            Ok(Err(_)) => Verdict::Failed(format!("did not end within {CASE_LIMIT:?}")),
            Err(payload) => Verdict::Failed(message(&*payload).to_owned()),
        }
    }

    /// What the client is known to do instead.
    fn deviation(&self, case: &str, capabilities: Capabilities) -> Option<String> {
        let named = self.deviations.iter().find(|(name, _)| name == case);
        let lacks = match case {
            "phases" if !capabilities.phases() => Some("reports no phases"),
            "deadline_without_an_answer" | "deadline_within_the_body"
                if !capabilities.deadline() =>
            {
                Some("keeps no deadlines")
            }
            _ => None,
        };
        named
            .map(|(_, instead)| instead.clone())
            .or_else(|| lacks.map(str::to_owned))
    }
}

impl fmt::Debug for Conformance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance")
            .field("deviations", &self.deviations)
            .finish_non_exhaustive()
    }
}
