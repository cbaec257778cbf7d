use std::fmt;
use std::time::Duration;

use crate::http::{Capabilities, ErrorKind, HttpError};

/// How long a request may take: in all, and in each of its parts.
///
/// A part that is not named keeps what lies below: a request's are laid over the session's, the
/// session's over the defaults, which are 30 s in total and 10 s to connect. Waiting for a slot
/// or for the rate limit counts to `queue` alone.
///
/// `connect`, `first_byte` and `idle` need a client that reports
/// [`Phases`](crate::http::Phases). A request that asks another client for one of them is
/// answered with [`Unsupported`](ErrorKind::Unsupported); the default for `connect` does not
/// apply there.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use untethered::http::Timeouts;
///
/// let session = Timeouts::total(Duration::from_secs(10)).idle(Duration::from_secs(5));
/// let request = Timeouts::new().no_idle();
/// assert_eq!(request.or(session), Timeouts::total(Duration::from_secs(10)).no_idle());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[must_use = "timeouts do nothing until they are given to a fan-out or a request"]
pub struct Timeouts {
    total: Setting,
    connect: Setting,
    first_byte: Setting,
    idle: Setting,
    queue: Setting,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Setting {
    /// Whatever lies below.
    #[default]
    Unset,
    Off,
    After(Duration),
}

const DEFAULT_TOTAL: Duration = Duration::from_secs(30);
const DEFAULT_CONNECT: Duration = Duration::from_secs(10);

impl Timeouts {
    /// Names nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No limit at all, the defaults included.
    pub fn none() -> Self {
        Self {
            total: Setting::Off,
            connect: Setting::Off,
            first_byte: Setting::Off,
            idle: Setting::Off,
            queue: Setting::Off,
        }
    }

    /// All of it: connecting, sending, every redirect, and the body. Waiting for slots and for
    /// the rate limit is not counted.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn total(limit: Duration) -> Self {
        Self {
            total: after(limit, "total"),
            ..Self::new()
        }
    }

    /// Resolving the host, connecting and the TLS handshake.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn connect(self, limit: Duration) -> Self {
        Self {
            connect: after(limit, "connect"),
            ..self
        }
    }

    /// From the moment the request is written to the head of the answer.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn first_byte(self, limit: Duration) -> Self {
        Self {
            first_byte: after(limit, "first byte"),
            ..self
        }
    }

    /// The longest gap without data once the request is written.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn idle(self, limit: Duration) -> Self {
        Self {
            idle: after(limit, "idle"),
            ..self
        }
    }

    /// Waiting for slots and for the rate limit, all waits of the request together.
    ///
    /// # Panics
    ///
    /// If `limit` is nought.
    #[track_caller]
    pub fn queue(self, limit: Duration) -> Self {
        Self {
            queue: after(limit, "queue"),
            ..self
        }
    }

    /// No limit in total.
    pub fn no_total(self) -> Self {
        Self {
            total: Setting::Off,
            ..self
        }
    }

    /// No limit for connecting.
    pub fn no_connect(self) -> Self {
        Self {
            connect: Setting::Off,
            ..self
        }
    }

    /// No limit until the head of the answer.
    pub fn no_first_byte(self) -> Self {
        Self {
            first_byte: Setting::Off,
            ..self
        }
    }

    /// No limit between two pieces of data.
    pub fn no_idle(self) -> Self {
        Self {
            idle: Setting::Off,
            ..self
        }
    }

    /// No limit for waiting.
    pub fn no_queue(self) -> Self {
        Self {
            queue: Setting::Off,
            ..self
        }
    }

    /// These, and where they name nothing, `below`.
    pub fn or(self, below: Self) -> Self {
        Self {
            total: self.total.or(below.total),
            connect: self.connect.or(below.connect),
            first_byte: self.first_byte.or(below.first_byte),
            idle: self.idle.or(below.idle),
            queue: self.queue.or(below.queue),
        }
    }

    /// What holds for a request to a client that can do `capabilities`.
    pub(super) fn resolve(self, capabilities: Capabilities) -> Result<Limits, HttpError> {
        let needs_phases = [
            (self.connect, "a connect"),
            (self.first_byte, "a first-byte"),
            (self.idle, "an idle"),
        ];
        if !capabilities.phases() {
            for (setting, name) in needs_phases {
                if let Setting::After(_) = setting {
                    return Err(HttpError::new(ErrorKind::Unsupported).with_message(format!(
                        "{name} timeout needs a client that reports how far an exchange has got"
                    )));
                }
            }
        }
        let connect = capabilities.phases().then_some(DEFAULT_CONNECT);
        Ok(Limits {
            total: self.total.get(Some(DEFAULT_TOTAL)),
            connect: self.connect.get(connect),
            first_byte: self.first_byte.get(None),
            idle: self.idle.get(None),
            queue: self.queue.get(None),
        })
    }
}

impl Setting {
    fn or(self, below: Self) -> Self {
        match self {
            Self::Unset => below,
            set => set,
        }
    }

    fn get(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Unset => default,
            Self::Off => None,
            Self::After(limit) => Some(limit),
        }
    }
}

#[track_caller]
fn after(limit: Duration, name: &str) -> Setting {
    assert!(
        !limit.is_zero(),
        "a {name} timeout of nought would fail every request; `no_{}()` takes the limit away",
        name.replace(' ', "_"),
    );
    Setting::After(limit)
}

impl fmt::Debug for Timeouts {
    /// Only what is named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Timeouts");
        for (name, setting) in [
            ("total", self.total),
            ("connect", self.connect),
            ("first_byte", self.first_byte),
            ("idle", self.idle),
            ("queue", self.queue),
        ] {
            match setting {
                Setting::Unset => {}
                Setting::Off => {
                    all.field(name, &format_args!("none"));
                }
                Setting::After(limit) => {
                    all.field(name, &limit);
                }
            }
        }
        all.finish()
    }
}

/// The limits of one request, with nothing left open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) total: Option<Duration>,
    pub(super) connect: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) queue: Option<Duration>,
}

impl Limits {
    pub(super) fn none() -> Self {
        Self {
            total: None,
            connect: None,
            first_byte: None,
            idle: None,
            queue: None,
        }
    }
}
