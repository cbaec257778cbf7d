use std::error::Error;
use std::fmt;
use std::io;

use crate::group::BoxError;

/// Why workers could not be run. No worker is left by then.
pub struct WorkersError(Kind);

pub(super) enum Kind {
    Listen(String, io::Error),
    Signals(io::Error),
    Program(io::Error),
    Main(BoxError),
    Runner,
    #[cfg(unix)]
    TooLong(usize),
    #[cfg(unix)]
    NameTaken(String),
}

impl WorkersError {
    pub(super) fn new(kind: Kind) -> Self {
        Self(kind)
    }

    /// The error of the main context, if it is that.
    ///
    /// # Errors
    ///
    /// This error itself, if it is another.
    pub fn into_main(self) -> Result<BoxError, Self> {
        match self.0 {
            Kind::Main(error) => Ok(error),
            kind => Err(Self(kind)),
        }
    }
}

impl fmt::Display for WorkersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Listen(address, _) => write!(f, "can not listen on {address}"),
            Kind::Signals(_) => f.write_str("can not listen for signals"),
            Kind::Program(_) => f.write_str("can not start this program again"),
            Kind::Main(_) => f.write_str("the main context failed"),
            Kind::Runner => f.write_str("the runner returned before the workers had ended"),
            #[cfg(unix)]
            Kind::TooLong(length) => {
                write!(
                    f,
                    "a value of {length} bytes is too long for worker processes"
                )
            }
            #[cfg(unix)]
            Kind::NameTaken(name) => write!(
                f,
                "two sets of worker processes named {name:?}: give each a name of its own"
            ),
        }
    }
}

/// As [`Display`](fmt::Display), with what is behind it: `main` prints errors in this way.
impl fmt::Debug for WorkersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl Error for WorkersError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Listen(_, error) | Kind::Signals(error) | Kind::Program(error) => Some(error),
            Kind::Main(error) => Some(&**error),
            _ => None,
        }
    }
}
