//! The threads behind [`Spawner::spawn_blocking`](super::Spawner::spawn_blocking).

pub(super) fn spawn(work: Box<dyn FnOnce() + Send>) {
    std::thread::spawn(work);
}
