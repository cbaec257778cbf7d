use std::fmt;

/// How a client stood a case. From [`run_case`](super::Conformance::run_case), as the example of
/// [the module](super) shows: `assert`.
///
/// # Examples
///
/// ```
/// use untethered::http::conformance::Verdict;
///
/// Verdict::Passed.assert(); // and panics for Verdict::Failed(_)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a failure that nobody looks at is none"]
pub enum Verdict {
    /// It does what the contract asks for.
    Passed,
    /// It is known to do something else, and does not fail at that: what it does, and why.
    Deviates(String),
    /// It does not do it: the first thing that was wrong.
    Failed(String),
}

impl Verdict {
    /// Whether the client did not do what was asked of it.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Panics at a failure, for a test.
    ///
    /// # Panics
    ///
    /// With what was wrong, if it is a failure.
    #[track_caller]
    pub fn assert(&self) {
        if let Self::Failed(message) = self {
            panic!("{message}");
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("yes"),
            Self::Deviates(instead) => f.write_str(instead),
            Self::Failed(message) => write!(f, "FAILED: {message}"),
        }
    }
}

/// How a client stood all cases. From [`Conformance::run`](super::Conformance::run).
///
/// Displayed it is a table in Markdown, a line for each case.
#[derive(Debug, Clone)]
#[must_use = "a failure that nobody looks at is none"]
pub struct Report {
    pub(super) rows: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Each case and how it went, in the order in which they ran.
    pub fn rows(&self) -> &[(&'static str, Verdict)] {
        &self.rows
    }

    /// Whether no case failed.
    pub fn is_ok(&self) -> bool {
        !self.rows.iter().any(|(_, verdict)| verdict.is_failed())
    }

    /// Panics if a case failed, for a test.
    ///
    /// # Panics
    ///
    /// With the whole table, if a case failed.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_ok(), "the client fails:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| Case | |\n|---|---|\n")?;
        for (case, verdict) in &self.rows {
            // A line break would end the row.
            let verdict = verdict.to_string().replace('\n', " ");
            writeln!(f, "| {} | {verdict} |", case.replace('_', " "))?;
        }
        Ok(())
    }
}
