use std::pin::Pin;
use std::task::{Context, Poll};

use super::ledger::Ledger;
use super::task::Work;

/// Whether the tasks of a scope have to be `Send`.
pub trait Kind: Boxes {}

/// Tasks that are `Send`, which makes the scope `Send`: those of [`scope`](super::scope()).
#[derive(Debug)]
pub enum Sendable {}

/// Tasks that need not be `Send`: those of [`scope_local`](super::scope_local()).
#[derive(Debug)]
pub enum Local {}

impl Kind for Sendable {}
impl Kind for Local {}

/// In which boxes tasks are.
pub trait Boxes: Sized + 'static {
    type Child<'a, E>: Child<E>;
}

impl Boxes for Sendable {
    type Child<'a, E> = Pin<Box<dyn Work<E> + Send + 'a>>;
}

impl Boxes for Local {
    type Child<'a, E> = Pin<Box<dyn Work<E> + 'a>>;
}

/// [`Work`] in a box.
#[allow(
    unreachable_pub,
    reason = "a bound in `Boxes`, which Rust 1.85 does not see"
)]
pub trait Child<E>: Unpin {
    fn poll(&mut self, ledger: &Ledger<E>, slot: usize, cx: &mut Context<'_>) -> Poll<()>;

    fn is_stopped(&self) -> bool;

    fn cancel(self, ledger: &Ledger<E>, counted: bool);
}

impl<E, W: Work<E> + ?Sized> Child<E> for Pin<Box<W>> {
    #[inline]
    fn poll(&mut self, ledger: &Ledger<E>, slot: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().poll(ledger, slot, cx)
    }

    fn is_stopped(&self) -> bool {
        (**self).is_stopped()
    }

    #[inline]
    fn cancel(self, ledger: &Ledger<E>, counted: bool) {
        W::cancel(self, ledger, counted);
    }
}
