mod adaptive;
mod cancel;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "decode")]
mod decode;
mod dedupe;
mod hedge;
mod limits;
mod progress;
mod redirects;
mod results;
mod retry;
mod saved;
mod secrets;
mod serialized;
mod server;
mod timeouts;
#[cfg(feature = "tracing")]
mod traced;

use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
