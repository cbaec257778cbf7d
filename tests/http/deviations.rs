//! What clients are known to do otherwise than the suite asks for. What they do instead is tested.

/// A case of the suite in which a client does something else.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) case: &'static str,
    /// What it does, and why.
    pub(crate) instead: &'static str,
}

pub(crate) const ENGINE: &[Deviation] = &[];

pub(crate) const SURF: &[Deviation] = &[];

const NO_DEADLINES: &str = "keeps no deadlines: a closure can not say what it can do";

pub(crate) const CLOSURE: &[Deviation] = &[
    NO_PHASES,
    Deviation {
        case: "deadline_without_an_answer",
        instead: NO_DEADLINES,
    },
    Deviation {
        case: "deadline_within_the_body",
        instead: NO_DEADLINES,
    },
];

/// Around the engine.
pub(crate) const TOWER: &[Deviation] = &[];

const NO_PHASES: Deviation = Deviation {
    case: "phases",
    instead: "reports no phases: it can not be asked how far it has got",
};

const REUSED_LATE: Deviation = Deviation {
    case: "reused_after_the_end",
    instead: "may open another connection: a task gives the first one back, a moment after the end",
};

const UNREAD_IS_CLOSED: Deviation = Deviation {
    case: "unread_body_that_is_here",
    instead: "may close the connection of an unread body that has arrived: a task of its own decides",
};

const STALE_IS_USED: Deviation = Deviation {
    case: "stale_connection",
    instead: "may send on a connection that the server has just closed, which is an error then: a task has to see the close first",
};

pub(crate) const HYPER: &[Deviation] = &[NO_PHASES, REUSED_LATE, UNREAD_IS_CLOSED, STALE_IS_USED];

pub(crate) const REQWEST: &[Deviation] = &[
    NO_PHASES,
    REUSED_LATE,
    UNREAD_IS_CLOSED,
    STALE_IS_USED,
    Deviation {
        case: "two_lengths",
        instead: "keeps the connection: reqwest has no way to have it closed",
    },
];

const ONE_REQUEST: &str = "opens a connection for each request: curl sends one again by itself on a connection that it used before";
const LATE_CLOSE: &str =
    "closes at the deadline, or with the next that the server sends: curl is not asked before";

pub(crate) const ISAHC: &[Deviation] = &[
    NO_PHASES,
    Deviation {
        case: "reused_after_the_end",
        instead: ONE_REQUEST,
    },
    Deviation {
        case: "unread_body_that_is_here",
        instead: ONE_REQUEST,
    },
    Deviation {
        case: "unread_body_that_is_not_here",
        instead: LATE_CLOSE,
    },
    Deviation {
        case: "dropped_exchange",
        instead: LATE_CLOSE,
    },
    Deviation {
        case: "dropped_body",
        instead: LATE_CLOSE,
    },
    Deviation {
        case: "garbage",
        instead: "calls a chunk without a length `Truncated`: curl has one code for both",
    },
];
