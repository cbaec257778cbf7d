use flate2::{Decompress, FlushDecompress, Status};

use super::{CORRUPT, Decoder, SURPLUS, Step};

/// The coding `deflate`: zlib (RFC 1950), or bare deflate data (RFC 1951), which some servers take
/// it for.
pub(super) struct Deflate {
    /// `None` before the first byte.
    inflate: Option<Decompress>,
    has_ended: bool,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self {
            inflate: None,
            has_ended: false,
        }
    }
}

impl Decoder for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, &'static str> {
        if self.has_ended {
            return match input {
                [] => Ok(Step::default()),
                _ => Err(SURPLUS),
            };
        }
        let inflate_with = match (&mut self.inflate, input) {
            (Some(inflate), _) => inflate,
            (None, []) => return Ok(Step::default()),
            (decided, [first, ..]) => {
                // The method of zlib. Bare data begins so only with a stored block whose padding
                // is not nought.
                let is_zlib = first & 0x0f == 8;
                decided.insert(Decompress::new(is_zlib))
            }
        };
        let (step, has_ended) = inflate(inflate_with, input, output)?;
        self.has_ended = has_ended;
        Ok(step)
    }

    fn is_complete(&self) -> bool {
        self.has_ended
    }
}

/// One step, and whether it was the last one.
pub(super) fn inflate(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(Step, bool), &'static str> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate
        .decompress(input, output, FlushDecompress::None)
        .map_err(|_| CORRUPT)?;
    // Neither is more than a slice is long.
    let step = Step {
        read: (inflate.total_in() - read) as usize,
        written: (inflate.total_out() - written) as usize,
    };
    Ok((step, status == Status::StreamEnd))
}
