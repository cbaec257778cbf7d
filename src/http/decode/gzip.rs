use flate2::{Crc, Decompress};

use super::deflate::inflate;
use super::{CORRUPT, Decoder, SURPLUS, Step, WRONG_SUM};

/// Members of gzip, one after the other (RFC 1952).
pub(super) struct Gzip {
    part: Part,
    /// The flags of the header, of parts that are still to come.
    flags: u8,
    /// Whether a member has ended.
    has_member: bool,
    inflate: Decompress,
    crc: Crc,
}

/// What comes next.
enum Part {
    /// Of the ten bytes every header has, the one of that number.
    Fixed(u8),
    ExtraLength(Option<u8>),
    Extra(u16),
    /// Name or comment, which end with a nought.
    Text,
    HeaderSum(u8),
    Data,
    /// Of the eight bytes behind the data, the one of that number.
    Trailer(u8),
}

const HEADER_SUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            part: Part::Fixed(0),
            flags: 0,
            has_member: false,
            inflate: Decompress::new(false),
            crc: Crc::new(),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), &'static str> {
        let wanted = |wanted: u8| if byte == wanted { Ok(()) } else { Err(CORRUPT) };
        self.part = match self.part {
            Part::Fixed(at) => {
                match at {
                    0 if self.has_member && byte != 0x1f => return Err(SURPLUS),
                    0 => wanted(0x1f)?,
                    1 => wanted(0x8b)?,
                    2 => wanted(8)?,
                    3 if byte & RESERVED != 0 => return Err(CORRUPT),
                    3 => self.flags = byte,
                    _ => {}
                }
                if at < 9 {
                    Part::Fixed(at + 1)
                } else {
                    self.next_part()
                }
            }
            Part::ExtraLength(None) => Part::ExtraLength(Some(byte)),
            Part::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_part(),
                length => Part::Extra(length),
            },
            Part::Extra(1) => self.next_part(),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::Text if byte == 0 => self.next_part(),
            Part::Text => Part::Text,
            // No writer is known to make use of it, and no reader to check it.
            Part::HeaderSum(0) => Part::HeaderSum(1),
            Part::HeaderSum(_) => self.next_part(),
            Part::Data => Part::Data,
            Part::Trailer(at) => {
                let sums = [self.crc.sum(), self.crc.amount()];
                if byte != sums[usize::from(at / 4)].to_le_bytes()[usize::from(at % 4)] {
                    return Err(WRONG_SUM);
                }
                if at < 7 {
                    Part::Trailer(at + 1)
                } else {
                    self.has_member = true;
                    self.inflate.reset(false);
                    self.crc.reset();
                    Part::Fixed(0)
                }
            }
        };
        Ok(())
    }

    /// What follows in the header, or the data behind it.
    fn next_part(&mut self) -> Part {
        for (flag, part) in [
            (EXTRA, Part::ExtraLength(None)),
            (NAME, Part::Text),
            (COMMENT, Part::Text),
            (HEADER_SUM, Part::HeaderSum(0)),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return part;
            }
        }
        Part::Data
    }
}

impl Decoder for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, &'static str> {
        let mut read = 0;
        loop {
            if matches!(self.part, Part::Data) {
                let (step, has_ended) = inflate(&mut self.inflate, &input[read..], output)?;
                self.crc.update(&output[..step.written]);
                if has_ended {
                    self.part = Part::Trailer(0);
                }
                read += step.read;
                if step.written > 0 || !has_ended {
                    return Ok(Step { read, ..step });
                }
            }
            let Some(byte) = input.get(read) else {
                return Ok(Step { read, written: 0 });
            };
            self.take(*byte)?;
            read += 1;
        }
    }

    fn is_complete(&self) -> bool {
        self.has_member && matches!(self.part, Part::Fixed(0))
    }
}
