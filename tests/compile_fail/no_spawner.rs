//~ can not start tasks
//~ implements no `untethered::runtime::Spawner`
use untethered::Runtime;
use untethered::runtime::Sleeper;

pub struct Threads;

#[cfg(mended)]
impl untethered::runtime::Spawner for Threads {
    fn spawn(&self, task: untethered::runtime::BoxFuture<'static, ()>) {
        std::thread::spawn(|| untethered::block_on(task));
    }
}

pub fn make(sleeper: impl Sleeper) -> Runtime {
    Runtime::new(Threads, sleeper)
}
