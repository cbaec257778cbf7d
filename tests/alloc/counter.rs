use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a closure allocated, on its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How often memory was asked for, or more of it.
    pub(crate) allocations: u64,
    /// How many bytes more were in use at its end than at its start.
    pub(crate) kept: i64,
}

/// Runs `f` and counts what it allocates. What it returns counts as kept.
pub(crate) fn count<T>(f: impl FnOnce() -> T) -> (Counts, T) {
    let (allocations, live) = (ALLOCATIONS.get(), LIVE.get());
    let output = f();
    let counts = Counts {
        allocations: ALLOCATIONS.get() - allocations,
        kept: LIVE.get() - live,
    };
    (counts, output)
}

/// Runs `f` and gives the most bytes that were in use meanwhile, beyond those before.
#[cfg(feature = "http")]
pub(crate) fn peak(f: impl FnOnce()) -> i64 {
    let live = LIVE.get();
    PEAK.set(live);
    f();
    PEAK.get() - live
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The cells have no destructors, so that they can be used as long as their thread allocates.
fn add(allocations: u64, bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: each call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size() as i64);
        // SAFETY: the caller's duties are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        add(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(1, size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[test]
fn it_counts() {
    let (counts, boxed) = count(|| Box::new([0_u8; 100]));
    let expected = Counts {
        allocations: 1,
        kept: 100,
    };
    assert_eq!(counts, expected);
    let (counts, ()) = count(|| drop(boxed));
    assert_eq!((counts.allocations, counts.kept), (0, -100));
}
