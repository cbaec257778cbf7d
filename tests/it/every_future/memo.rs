use futures_lite::future::zip;
use untethered::memo::Memo;
use untethered::sim::Sim;

use super::row_then;

// C10
#[test]
fn every_future_of_memo() {
    row_then("memo::Load", |_, p| {
        let memo = Memo::<u32, u32>::new(4);
        let asked = memo.clone();
        let both = async move {
            let ask = || asked.load(1, || p.job(1));
            let (one, other) = zip(ask(), ask()).await;
            assert_eq!((*one.unwrap(), *other.unwrap()), (1, 1));
        };
        (both, move |sim: &Sim| {
            let again = memo.load(1, || async { 1 });
            assert_eq!(*sim.block_on(again).unwrap(), 1);
        })
    });
    row_then("memo::TryLoad", |_, p| {
        let memo = Memo::<u32, u32, u32>::new(4);
        let asked = memo.clone();
        let both = async move {
            let ask = || asked.try_load(1, || p.fallible(2));
            let (one, other) = zip(ask(), ask()).await;
            assert!(one.is_err() && other.is_err());
        };
        (both, move |sim: &Sim| {
            let again = memo.try_load(1, || async { Ok(1) });
            assert_eq!(*sim.block_on(again).unwrap(), 1);
        })
    });
}
