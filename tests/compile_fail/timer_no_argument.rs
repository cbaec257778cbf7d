//~ closure is expected to take 1 argument, but it takes 0 arguments
use std::time::Duration;

use untethered::Runtime;
use untethered::time::Timer;

pub fn every_second(rt: &Runtime) -> Timer {
    let timer = Timer::builder(rt, Duration::from_secs(1));
    #[cfg(not(mended))]
    let timer = timer.start(|| async {});
    #[cfg(mended)]
    let timer = timer.start(|_tick| async {});
    timer
}
