//~ cannot find function `tokio` in module `untethered::runtime`
//~ the item is gated behind the `tokio` feature
//! Mended by the feature alone.

use untethered::Runtime;

pub fn runtime() -> Result<Runtime, Box<dyn std::error::Error>> {
    Ok(untethered::runtime::tokio()?)
}
