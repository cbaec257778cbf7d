use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{CORRUPT, Decoder, Step};

/// Frames of zstd, one after the other (RFC 8878).
pub(super) struct Zstd {
    context: DCtx<'static>,
    /// Whether the last frame that was begun is over.
    is_complete: bool,
}

/// The window that every decoder of the coding has, and no more (RFC 9659): 8 MiB.
const WINDOW_LOG: u32 = 23;

impl Zstd {
    pub(super) fn new() -> Self {
        let mut context = DCtx::create();
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .expect("a window that every decoder has");
        Self {
            context,
            is_complete: false,
        }
    }
}

impl Decoder for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, &'static str> {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(output);
        let wants = self
            .context
            .decompress_stream(&mut output, &mut input)
            .map_err(|_| CORRUPT)?;
        let step = Step {
            read: input.pos(),
            written: output.pos(),
        };
        // Asked for nothing it would begin a frame.
        if step.read + step.written > 0 {
            self.is_complete = wants == 0;
        }
        Ok(step)
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}
