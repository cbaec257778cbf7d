use std::hash::{Hash, Hasher};

use http::uri::Authority;

/// Where a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) secure: bool,
    pub(super) authority: Authority,
    /// Looked up twice for a request, and read byte by byte: so it is kept.
    hash: u64,
}

impl Origin {
    pub(super) fn new(secure: bool, authority: Authority) -> Self {
        // FNV-1a. Who picks names to collide gains little: the table is bounded.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(secure);
        for byte in authority.as_str().bytes() {
            let byte = u64::from(byte.to_ascii_lowercase());
            hash = (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
        }
        Self {
            secure,
            authority,
            hash,
        }
    }
}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes the hash of an [`Origin`] as it is.
#[derive(Debug, Default)]
pub(super) struct Kept(u64);

impl Hasher for Kept {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
