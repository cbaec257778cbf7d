use std::array;
use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Waker};

use untethered::combine::race;
use untethered::sim::yield_now;

use crate::counter::count;

async fn entrant(wins: bool) -> u8 {
    yield_now().await;
    match wins {
        true => 7,
        false => pending().await,
    }
}

/// How often a race that is run to its end allocates.
fn allocations<T>(race: impl FnOnce() -> T) -> u64
where
    T: Future,
{
    let (counts, ()) = count(|| {
        let mut race = pin!(race());
        let mut cx = Context::from_waker(Waker::noop());
        while race.as_mut().poll(&mut cx).is_pending() {}
    });
    assert_eq!(counts.kept, 0);
    counts.allocations
}

// C7
#[test]
fn races_of_tuples_and_arrays_allocate_nothing() {
    let tuple = || race((entrant(false), entrant(true)));
    assert_eq!(allocations(tuple), 0);
    let eight = || {
        let [a, b, c, d] = [false; 4].map(entrant);
        let [e, f, g, h] = [false, false, false, true].map(entrant);
        race((a, b, c, d, e, f, g, h))
    };
    assert_eq!(allocations(eight), 0);
    macro_rules! of_arrays {
        ($($len:literal)*) => {$(
            let array = || array::from_fn::<_, $len, _>(|index| entrant(index == $len - 1));
            assert_eq!(allocations(|| race(array())), 0, "an array of {}", $len);
        )*};
    }
    of_arrays!(1 2 3 4 5 8 9 16 17 31 32);
}

// C7
#[test]
fn races_of_vectors_allocate_as_often_as_they_say() {
    let of =
        |len: usize| allocations(|| race((0..len).map(move |index| entrant(index == len - 1))));
    assert_eq!([1, 2].map(of), [0, 0]);
    assert_eq!([3, 6, 7, 18].map(of), [1; 4]);
    // A list, and a box for each sixteen.
    assert_eq!([19, 32].map(of), [3; 2]);
}
