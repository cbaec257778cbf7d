use std::pin::Pin;

/// Where a [`Set`](super::Set) keeps a child.
pub(crate) trait Place<F> {
    fn empty() -> Self;

    fn is_some(&self) -> bool;

    fn child(&mut self) -> Option<Pin<&mut F>>;

    /// Drops the child that was there.
    fn put(&mut self, child: Option<F>);
}

/// A box that is made once and used again.
impl<F> Place<F> for Pin<Box<Option<F>>> {
    fn empty() -> Self {
        Box::pin(None)
    }

    #[inline]
    fn is_some(&self) -> bool {
        Option::is_some(self)
    }

    #[inline]
    fn child(&mut self) -> Option<Pin<&mut F>> {
        self.as_mut().as_pin_mut()
    }

    #[inline(always)]
    fn put(&mut self, child: Option<F>) {
        self.set(child);
    }
}

/// For children that may be moved.
impl<F: Unpin> Place<F> for Option<F> {
    fn empty() -> Self {
        None
    }

    #[inline]
    fn is_some(&self) -> bool {
        Option::is_some(self)
    }

    #[inline]
    fn child(&mut self) -> Option<Pin<&mut F>> {
        self.as_mut().map(Pin::new)
    }

    #[inline(always)]
    fn put(&mut self, child: Option<F>) {
        *self = child;
    }
}
