//! What parent and worker process tell each other, as bytes.

use std::io;
use std::time::Duration;

use super::{Failure, Phase, StopReason};

/// The first byte of a [`Hello`]. A reload may start a newer build of the program.
const VERSION: u8 = 1;

/// No message is longer: a length beyond that is no length.
pub(super) const LONGEST: usize = 64 << 20;

/// From the parent: who you are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) index: usize,
    pub(super) generation: u64,
    pub(super) role: String,
    pub(super) orphan_limit: Duration,
    pub(super) value: Vec<u8>,
}

/// From the worker: how its body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) code: u8,
    pub(super) failure: Option<Failure>,
    /// Why it stopped, if it was asked to, by whomever.
    pub(super) reason: Option<StopReason>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToWorker {
    Hello(Hello),
    Stop(StopReason),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToParent {
    /// The first word: its signal handlers are in.
    Here,
    Ready,
    Done(Done),
}

impl ToWorker {
    /// The message with its length before it.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut frame = Frame::new();
        match self {
            Self::Hello(hello) => {
                frame.byte(0);
                frame.byte(VERSION);
                frame.number(hello.index as u64);
                frame.number(hello.generation);
                frame.bytes(hello.role.as_bytes());
                let limit = hello.orphan_limit.as_millis();
                frame.number(limit.try_into().unwrap_or(u64::MAX));
                frame.bytes(&hello.value);
            }
            Self::Stop(reason) => {
                frame.byte(1);
                frame.bytes(&reason.encode());
            }
        }
        frame.end()
    }

    pub(super) fn decode(message: &[u8]) -> io::Result<Self> {
        let mut rest = Rest(message);
        match rest.byte()? {
            0 => {
                if rest.byte()? != VERSION {
                    return Err(invalid(
                        "the parent speaks another version of this protocol",
                    ));
                }
                Ok(Self::Hello(Hello {
                    index: rest.number()? as usize,
                    generation: rest.number()?,
                    role: rest.text()?,
                    orphan_limit: Duration::from_millis(rest.number()?),
                    value: rest.bytes()?.to_vec(),
                }))
            }
            1 => rest.reason().map(Self::Stop),
            _ => Err(invalid("a message of an unknown kind")),
        }
    }
}

impl ToParent {
    /// The message with its length before it.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut frame = Frame::new();
        match self {
            Self::Here => frame.byte(0),
            Self::Ready => frame.byte(1),
            Self::Done(done) => {
                frame.byte(2);
                frame.byte(done.code);
                match &done.failure {
                    None => frame.byte(0),
                    Some(failure) => {
                        frame.byte(match failure.phase {
                            Phase::Start => 1,
                            Phase::Serve => 2,
                            Phase::Stop => 3,
                        });
                        frame.bytes(failure.message.as_bytes());
                    }
                }
                match &done.reason {
                    None => frame.byte(0),
                    Some(reason) => {
                        frame.byte(1);
                        frame.bytes(&reason.encode());
                    }
                }
            }
        }
        frame.end()
    }

    pub(super) fn decode(message: &[u8]) -> io::Result<Self> {
        let mut rest = Rest(message);
        match rest.byte()? {
            0 => Ok(Self::Here),
            1 => Ok(Self::Ready),
            2 => {
                let code = rest.byte()?;
                let phase = match rest.byte()? {
                    0 => None,
                    1 => Some(Phase::Start),
                    2 => Some(Phase::Serve),
                    3 => Some(Phase::Stop),
                    _ => return Err(invalid("an unknown phase")),
                };
                let failure = match phase {
                    None => None,
                    Some(phase) => Some(Failure {
                        phase,
                        message: rest.text()?,
                    }),
                };
                let reason = match rest.byte()? {
                    0 => None,
                    _ => Some(rest.reason()?),
                };
                Ok(Self::Done(Done {
                    code,
                    failure,
                    reason,
                }))
            }
            _ => Err(invalid("a message of an unknown kind")),
        }
    }
}

/// Messages out of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next message, once all of it is there.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.0.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > LONGEST {
            return Err(invalid("a message too long to be one"));
        }
        let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.0.drain(..4 + length);
        Ok(Some(message))
    }
}

struct Frame(Vec<u8>);

impl Frame {
    /// With room for the length.
    fn new() -> Self {
        Self(vec![0; 4])
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn end(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// What is left of a message.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        if length > self.0.len() {
            return Err(invalid("a message that was cut off"));
        }
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        let bytes = self.take(8)?.try_into();
        Ok(u64::from_le_bytes(bytes.expect("eight were taken")))
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn reason(&mut self) -> io::Result<StopReason> {
        StopReason::decode(self.bytes()?).ok_or_else(|| invalid("an unknown reason to stop"))
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    fn reasons() -> Vec<StopReason> {
        vec![
            StopReason::Signal(Signal::Interrupt),
            StopReason::Signal(Signal::User2),
            StopReason::Asked("näheres später".into()),
            StopReason::WorkerDied,
            StopReason::Completion,
            StopReason::Reload,
            StopReason::ParentGone,
            StopReason::AllEnded,
        ]
    }

    fn to_worker() -> Vec<ToWorker> {
        let hello = Hello {
            index: 7,
            generation: 3,
            role: "worker".into(),
            orphan_limit: Duration::from_millis(1500),
            value: vec![0, 255, 1],
        };
        let mut all = vec![ToWorker::Hello(hello)];
        all.extend(reasons().into_iter().map(ToWorker::Stop));
        all
    }

    fn to_parent() -> Vec<ToParent> {
        let mut all = vec![ToParent::Here, ToParent::Ready];
        for phase in [
            None,
            Some(Phase::Start),
            Some(Phase::Serve),
            Some(Phase::Stop),
        ] {
            let failure = phase.map(|phase| Failure {
                phase,
                message: "no".into(),
            });
            let reasons = reasons().into_iter().map(Some).chain([None]);
            all.extend(reasons.map(|reason| {
                ToParent::Done(Done {
                    code: 101,
                    failure: failure.clone(),
                    reason,
                })
            }));
        }
        all
    }

    #[test]
    fn what_is_said_is_understood_however_it_is_cut() {
        let said: Vec<_> = to_worker().iter().flat_map(ToWorker::frame).collect();
        for piece in [1, 3, 1000] {
            let (mut inbox, mut heard) = (Inbox::default(), Vec::new());
            for bytes in said.chunks(piece) {
                inbox.push(bytes);
                while let Some(message) = inbox.next().unwrap() {
                    heard.push(ToWorker::decode(&message).unwrap());
                }
            }
            assert_eq!(heard, to_worker());
        }
        for message in to_parent() {
            assert_eq!(ToParent::decode(&message.frame()[4..]).unwrap(), message);
        }
    }

    #[test]
    fn whatever_is_cut_off_or_changed_is_refused_or_understood_but_never_panics() {
        let mut frames: Vec<_> = to_worker().iter().map(ToWorker::frame).collect();
        frames.extend(to_parent().iter().map(ToParent::frame));
        let mut refused = 0;
        for frame in frames {
            let message = &frame[4..];
            for end in 0..message.len() {
                refused += usize::from(ToWorker::decode(&message[..end]).is_err());
                refused += usize::from(ToParent::decode(&message[..end]).is_err());
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut changed = message.to_vec();
                    changed[end] = byte;
                    refused += usize::from(ToWorker::decode(&changed).is_err());
                    refused += usize::from(ToParent::decode(&changed).is_err());
                }
            }
        }
        assert!(refused > 1000, "refused {refused}");
        let mut inbox = Inbox::default();
        inbox.push(&[0xff; 5]);
        assert!(inbox.next().is_err());
    }
}
