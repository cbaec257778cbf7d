//! The threads behind [`Spawner::spawn_blocking`](super::Spawner::spawn_blocking).

use std::collections::VecDeque;
use std::io;
// One pool for the process, in a `static`: nothing that a model checker could explore.
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::task::{discard, quiet};

/// As many as the `blocking` crate has.
const MOST: usize = 500;
/// How long a thread waits for more.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn spawn(work: Work) {
    static POOL: Pool = Pool::new(PATIENCE, start_thread);
    POOL.spawn(work);
}

type Work = Box<dyn FnOnce() + Send>;

struct Pool {
    state: Mutex<State>,
    /// Told when there is something to do for a thread that is idle.
    more: Condvar,
    patience: Duration,
    start: fn(&'static Pool) -> io::Result<()>,
}

/// Unless there are as many threads as may be, each piece of work in the queue has a thread on
/// its way to it: one that is idle, or one that was started and not yet there.
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

impl Pool {
    const fn new(patience: Duration, start: fn(&'static Pool) -> io::Result<()>) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            more: Condvar::new(),
            patience,
            start,
        }
    }

    fn spawn(&'static self, work: Work) {
        let mut state = self.lock();
        state.queue.push_back(work);
        if state.queue.len() <= state.idle {
            drop(state);
            self.more.notify_one();
        } else if state.threads < MOST {
            state.threads += 1;
            drop(state);
            if (self.start)(self).is_err() {
                self.not_started();
            }
        }
    }

    /// Leaves the queue to the threads that are there; drops it if there are none.
    fn not_started(&self) {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads == 0 {
            let lost = std::mem::take(&mut state.queue);
            drop(state);
            for work in lost {
                discard(work);
            }
        }
    }

    /// What each thread does.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            while let Some(work) = state.queue.pop_front() {
                drop(state);
                quiet(work);
                state = self.lock();
            }
            state.idle += 1;
            let (guard, waited) = self
                .more
                .wait_timeout(state, self.patience)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            // A thread may be told of work in the moment in which it loses patience.
            if waited.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_thread(pool: &'static Pool) -> io::Result<()> {
    let run = || pool.run();
    let name = "untethered-blocking".to_owned();
    thread::Builder::new().name(name).spawn(run).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    fn pool(start: fn(&'static Pool) -> io::Result<()>) -> &'static Pool {
        Box::leak(Box::new(Pool::new(Duration::ZERO, start)))
    }

    fn refuse(_: &'static Pool) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    #[test]
    fn work_is_dropped_where_no_thread_can_be_started() {
        let pool = pool(refuse);
        let alive = Arc::new(());
        for _ in 0..3 {
            let held = alive.clone();
            pool.spawn(Box::new(move || drop(held)));
            assert_eq!(Arc::strong_count(&alive), 1);
            assert_eq!(pool.lock().threads, 0);
        }
    }

    #[test]
    fn a_destructor_that_panics_does_not_reach_the_caller() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in a destructor");
            }
        }
        let pool = pool(refuse);
        let bomb = Bomb;
        pool.spawn(Box::new(move || drop(bomb)));
        assert!(pool.lock().queue.is_empty());
    }

    /// The first thread starts, no other does.
    fn one(pool: &'static Pool) -> io::Result<()> {
        if pool.lock().threads > 1 {
            return refuse(pool);
        }
        start_thread(pool)
    }

    #[test]
    fn work_waits_for_a_thread_that_is_there() {
        let pool = pool(one);
        let (go, wait) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        pool.spawn(Box::new(move || wait.recv().unwrap()));
        for n in 0..3 {
            let done = done.clone();
            pool.spawn(Box::new(move || done.send(n).unwrap()));
        }
        go.send(()).unwrap();
        drop(done);
        assert_eq!(finished.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_panic_takes_no_thread_away() {
        let pool = pool(one);
        let (go, wait) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        pool.spawn(Box::new(move || {
            wait.recv().unwrap();
            panic!("of the work");
        }));
        pool.spawn(Box::new(move || done.send("next").unwrap()));
        go.send(()).unwrap();
        let next = finished.recv_timeout(Duration::from_secs(60));
        assert_eq!(next, Ok("next"));
    }

    /// Counts, but starts nothing.
    fn pretend(_: &'static Pool) -> io::Result<()> {
        Ok(())
    }

    #[test]
    fn an_idle_thread_ends_once_the_queue_is_empty() {
        let pool = pool(pretend);
        let (done, finished) = mpsc::channel();
        for n in 0..3 {
            let done = done.clone();
            pool.spawn(Box::new(move || done.send(n).unwrap()));
        }
        assert_eq!(pool.lock().threads, 3);
        // This thread in place of one of the three.
        pool.run();
        assert_eq!(finished.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        let state = pool.lock();
        assert_eq!((state.threads, state.idle), (2, 0));
    }

    /// Work comes in the moment in which the thread that is idle loses patience.
    #[test]
    fn a_thread_does_not_end_while_there_is_work() {
        let pool: &Pool = Box::leak(Box::new(Pool::new(Duration::from_millis(5), pretend)));
        let (done, finished) = mpsc::channel();
        let comes = thread::spawn(move || {
            loop {
                let mut state = pool.lock();
                if state.idle == 1 {
                    // Nobody is told.
                    break state
                        .queue
                        .push_back(Box::new(move || done.send(()).unwrap()));
                }
                drop(state);
                thread::yield_now();
            }
        });
        while finished.try_recv().is_err() {
            pool.lock().threads = 1;
            pool.run();
            assert!(pool.lock().queue.is_empty());
        }
        comes.join().unwrap();
    }

    #[test]
    fn there_are_never_more_threads_than_the_bound() {
        let pool = pool(pretend);
        for _ in 0..MOST + 100 {
            pool.spawn(Box::new(|| {}));
        }
        let state = pool.lock();
        assert_eq!((state.threads, state.queue.len()), (MOST, MOST + 100));
    }
}
