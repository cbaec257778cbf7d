/// What [`Explore`](super::Explore) does to a scenario besides running it in many orders.
///
/// Each of these happens to programs that run for long. A scenario that must not survive one
/// leaves it out.
///
/// # Examples
///
/// ```
/// use untethered::sim::Faults;
///
/// let faults = Faults::none().spurious_wakes().delayed_wakes();
/// assert_ne!(faults, Faults::all());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    pub(super) spurious_wakes: bool,
    pub(super) delayed_wakes: bool,
    pub(super) refused_spawns: bool,
    pub(super) clock_jumps: bool,
}

impl Faults {
    /// No fault at all.
    #[must_use = "it gives the changed value back"]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every kind of fault.
    #[must_use = "it gives the changed value back"]
    pub fn all() -> Self {
        Self::none()
            .spurious_wakes()
            .delayed_wakes()
            .refused_spawns()
            .clock_jumps()
    }

    /// Tasks that wait are woken for no reason, as every runtime may.
    #[must_use = "it gives the changed value back"]
    pub fn spurious_wakes(self) -> Self {
        Self {
            spurious_wakes: true,
            ..self
        }
    }

    /// Tasks that were woken run only after time has moved to the next timer: a thread that the
    /// system has suspended. A deadline may have passed by then.
    #[must_use = "it gives the changed value back"]
    pub fn delayed_wakes(self) -> Self {
        Self {
            delayed_wakes: true,
            ..self
        }
    }

    /// Spawned tasks and blocking closures are dropped unrun: a runtime that ends.
    #[must_use = "it gives the changed value back"]
    pub fn refused_spawns(self) -> Self {
        Self {
            refused_spawns: true,
            ..self
        }
    }

    /// Time moves by an hour while tasks are ready, and all timers on the way are due at once: a
    /// machine that was put to sleep.
    #[must_use = "it gives the changed value back"]
    pub fn clock_jumps(self) -> Self {
        Self {
            clock_jumps: true,
            ..self
        }
    }
}
