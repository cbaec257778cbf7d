//~ futures do nothing unless
#![deny(unused_must_use)]

use std::time::Duration;

use untethered::Runtime;
use untethered::time::{Elapsed, timeout};

pub async fn wait(rt: &Runtime) -> Result<(), Elapsed> {
    #[cfg(not(mended))]
    timeout(rt, Duration::from_secs(1), async {});
    #[cfg(mended)]
    timeout(rt, Duration::from_secs(1), async {}).await?;
    Ok(())
}
