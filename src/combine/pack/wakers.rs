//! Which futures of a big pack were woken, and whom to tell.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::sync::TaskWaker;

pub(super) const WORD: usize = usize::BITS as usize;

/// One waker for every four futures.
pub(super) struct Wakers {
    pub(super) woken: Arc<Woken>,
    pub(super) fours: Vec<FourWaker>,
    /// The four at which the last pass was left; nought if it came to its end.
    pub(super) left_at: usize,
}

pub(super) struct FourWaker {
    pub(super) waker: Waker,
    /// In which block the four are. Blocks begin with a whole four.
    pub(super) block: usize,
}

/// Which fours were woken, and whom to tell.
pub(super) struct Woken {
    pub(super) words: Box<[AtomicUsize]>,
    /// Set at every poll, taken by the first that wakes a four after it.
    pub(super) task: TaskWaker,
}

struct WakeFour {
    woken: Arc<Woken>,
    four: usize,
}

impl Wakers {
    /// For fours in these blocks. At first all are woken.
    pub(super) fn new(blocks: impl Iterator<Item = usize>) -> Self {
        let blocks: Vec<_> = blocks.collect();
        let words = (0..blocks.len()).step_by(WORD).map(|first| {
            let used = WORD.min(blocks.len() - first);
            AtomicUsize::new(usize::MAX >> (WORD - used))
        });
        let woken = Arc::new(Woken {
            words: words.collect(),
            task: TaskWaker::new(),
        });
        let four = |(four, block)| {
            let woken = woken.clone();
            let waker = Waker::from(Arc::new(WakeFour { woken, four }));
            FourWaker { waker, block }
        };
        let fours = blocks.into_iter().enumerate().map(four).collect();
        Self {
            woken,
            fours,
            left_at: 0,
        }
    }
}

impl Woken {
    /// Takes the fours of a word that were woken, from `from` on. Nought if there are none.
    pub(super) fn take(&self, word: usize, from: usize) -> usize {
        let bits = &self.words[word];
        // Relaxed: whoever set its bit and then had the lock of the task before this poll did is
        // seen; whoever has it later finds the task that was just registered, and wakes it.
        if bits.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        // Acquire: what the wakers did before they woke.
        let taken = bits.swap(0, Ordering::Acquire);
        let wanted = taken & (usize::MAX << from);
        self.put_back(word, taken & !wanted);
        wanted
    }

    /// Leaves fours for the next poll.
    pub(super) fn put_back(&self, word: usize, fours: usize) {
        if fours != 0 {
            // Relaxed: only the task takes them, which knows what it has seen.
            self.words[word].fetch_or(fours, Ordering::Relaxed);
        }
    }

    /// Whether a four was woken since it was taken.
    pub(super) fn is_woken(&self, word: usize, bit: usize) -> bool {
        self.words[word].load(Ordering::Relaxed) & bit != 0
    }
}

impl Wake for WakeFour {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let bit = 1 << (self.four % WORD);
        let word = &self.woken.words[self.four / WORD];
        // One that was set before had its setter wake the task.
        if word.fetch_or(bit, Ordering::Release) & bit == 0 {
            let task = self.woken.task.take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}
