/// How many handles there are of each kind.
#[derive(Default)]
pub(super) struct Handles {
    queues: usize,
    senders: usize,
    receivers: usize,
}

/// The kinds of handles.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Queue,
    Sender,
    Receiver,
}

impl Handles {
    pub(super) fn add(&mut self, kind: Kind) {
        *self.of(kind) += 1;
    }

    /// Whether that was the last of a kind without which nothing more is to happen.
    pub(super) fn remove(&mut self, kind: Kind) -> bool {
        *self.of(kind) -= 1;
        match kind {
            Kind::Queue => self.queues == 0 && (self.senders == 0 || self.receivers == 0),
            Kind::Sender => self.senders == 0,
            Kind::Receiver => self.receivers == 0,
        }
    }

    /// Whether nobody is left who could pop.
    pub(super) fn nobody_pops(&self) -> bool {
        self.queues == 0 && self.receivers == 0
    }

    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Queue => &mut self.queues,
            Kind::Sender => &mut self.senders,
            Kind::Receiver => &mut self.receivers,
        }
    }
}
