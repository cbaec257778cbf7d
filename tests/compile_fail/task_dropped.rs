//~ dropping a task cancels it: await it, keep it, or call detach()
#![deny(unused_must_use)]

use untethered::Runtime;

pub fn start(rt: &Runtime) {
    #[cfg(not(mended))]
    rt.spawn(async {});
    #[cfg(mended)]
    rt.spawn(async {}).detach();
}
