use std::fmt;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It ended itself with this exit code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The number of the signal.
        number: i32,
        /// Whether the system wrote a core dump.
        core_dumped: bool,
    },
    /// It is gone, and somebody else took the answer: a foreign `waitpid`, or a program that
    /// ignores SIGCHLD.
    Unknown,
}

impl Exit {
    /// Whether it ended itself with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code, if it ended itself.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended it.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal { number, .. } => Some(number),
            _ => None,
        }
    }

    /// The name of the signal that ended it, such as `SIGSEGV`.
    pub fn signal_name(self) -> Option<&'static str> {
        self.signal().and_then(name)
    }

    /// What a shell would say: the exit code, or 128 more than the number of the signal.
    pub fn shell_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal { number, .. } => 128 + number,
            Self::Unknown => 255,
        };
        // As the system does it: the lowest eight bits.
        (code & 0xff) as u8
    }
}

impl From<ExitStatus> for Exit {
    #[cfg(unix)]
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;

        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(number)) => Self::Signal {
                number,
                core_dumped: status.core_dumped(),
            },
            (None, None) => Self::Unknown,
        }
    }

    #[cfg(not(unix))]
    fn from(status: ExitStatus) -> Self {
        status.code().map_or(Self::Unknown, Self::Code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal {
                number,
                core_dumped,
            } => {
                match self.signal_name() {
                    Some(name) => write!(f, "killed by {name}")?,
                    None => write!(f, "killed by signal {number}")?,
                }
                f.write_str(if core_dumped { ", core dumped" } else { "" })
            }
            Self::Unknown => f.write_str("gone, nobody knows how"),
        }
    }
}

#[cfg(unix)]
fn name(number: i32) -> Option<&'static str> {
    use rustix::process::Signal;

    const NAMES: [(Signal, &str); 20] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMES
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map(|&(_, name)| name)
}

#[cfg(not(unix))]
fn name(_number: i32) -> Option<&'static str> {
    None
}
