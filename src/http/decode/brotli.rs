use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{CORRUPT, Decoder, SURPLUS, Step};

/// The coding `br` (RFC 7932).
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    has_ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            // Without large windows, which are not part of the coding: 16 MiB at most.
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            has_ended: false,
        }
    }
}

impl Decoder for Brotli {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, &'static str> {
        if self.has_ended {
            return match input {
                [] => Ok(Step::default()),
                _ => Err(SURPLUS),
            };
        }
        let mut step = Step::default();
        let result = BrotliDecompressStream(
            &mut input.len(),
            &mut step.read,
            input,
            &mut output.len(),
            &mut step.written,
            output,
            &mut 0,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultSuccess => self.has_ended = true,
            BrotliResult::ResultFailure => return Err(CORRUPT),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(step)
    }

    fn is_complete(&self) -> bool {
        self.has_ended
    }
}
