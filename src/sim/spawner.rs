use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use super::executor::Shared;
use super::tasks::Started;
use crate::runtime::{BoxFuture, Driver, Spawner};

/// The [`Spawner`] of a [`Sim`](super::Sim).
pub(super) struct SimSpawner(pub(super) Arc<Shared>);

impl Spawner for SimSpawner {
    #[track_caller]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task, Started::At(Location::caller()));
    }

    fn spawn_at(&self, task: BoxFuture<'static, ()>, caller: &'static Location<'static>) {
        self.0.spawn(task, Started::At(caller));
    }

    fn spawn_driver(&self, driver: Driver) {
        let name = driver.name().map(Arc::from);
        let started = Started::ToDrive(driver.drives(), name);
        self.0.spawn(Box::pin(driver), started);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.0.spawn_blocking(work);
    }

    fn block_on(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), String> {
        match self.0.run(main, None, Location::caller()) {
            Ok(_) => Ok(()),
            Err(deadlock) => Err(deadlock.to_string()),
        }
    }

    fn parallelism(&self) -> NonZeroUsize {
        self.0.lock().settings.parallelism
    }

    /// After each child of a group, so that its children and all other tasks take turns.
    fn should_yield(&self) -> bool {
        true
    }

    fn watches_groups(&self) -> bool {
        true
    }

    fn choose(&self, ready: usize) -> usize {
        self.0.lock().choose(ready)
    }
}
