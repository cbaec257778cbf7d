use futures_lite::StreamExt;
use untethered::CancellationToken;
use untethered::combine::{
    Until, WaitSet, as_completed, gather, hedge, quorum, race, race_ok, try_gather, wait,
};

use super::{SECOND, row};

// C2 C10
#[test]
fn every_combinator_dropped_at_any_poll_drops_everybody() {
    let token = CancellationToken::new;
    row("combine::Race", |p| async move {
        race((p.job(3), p.job(1), p.job(2))).await;
    });
    row("combine::Race", move |p| async move {
        let entrants = (p.job(3), p.job(1));
        race(entrants).grace(&p.rt, SECOND, &token()).await;
    });
    row("combine::Race", |p| async move {
        race([3, 1, 2].map(|n| p.job(n))).await;
    });
    row("combine::Race", |p| async move {
        race([3; 23].map(|n| p.job(n))).await;
    });
    row("combine::Race", |p| async move {
        race(p.jobs([3, 1])).await.unwrap();
    });
    row("combine::Race", |p| async move {
        race((1..4).map(|n| p.job(n))).await.unwrap();
    });
    row("combine::Race", move |p| async move {
        let race = race(p.jobs([2; 70])).grace(&p.rt, SECOND, &token());
        race.await.unwrap();
    });
    row("combine::RaceOk", |p| async move {
        race_ok(p.fallibles([4, 2, 3])).await.unwrap();
    });
    row("combine::RaceOk", move |p| async move {
        let race = race_ok(p.fallibles([4, 2, 3])).grace(&p.rt, SECOND / 2, &token());
        race.await.unwrap();
    });
    row("combine::Quorum", |p| async move {
        quorum(2, p.fallibles([4, 2, 3])).await.unwrap();
    });
    row("combine::Hedge", move |p| async move {
        let attempts = p.fallibles([9, 2, 3]).into_iter();
        let hedge = hedge(&p.rt, SECOND, attempts).limit(3);
        hedge.grace(&p.rt, SECOND, &token()).await.unwrap();
    });
    row("combine::Gather", |p| async move {
        gather(p.jobs([3, 1, 2])).limit(2).await;
    });
    row("combine::TryGather", |p| async move {
        try_gather(p.fallibles([3, 1, 2])).await.unwrap_err();
    });
    row("combine::TryGatherUntil", |p| async move {
        let gather = try_gather(p.fallibles([3, 1, 4]));
        gather.timeout(&p.rt, 2 * SECOND).await.unwrap();
    });
    row("combine::AsCompleted", |p| async move {
        let count = as_completed(p.jobs([3, 1, 2])).limit(2).count();
        assert_eq!(count.await, 3);
    });
    row("combine::Wait", |p| async move {
        let mut set = WaitSet::new(p.jobs([3, 1, 2]));
        wait(&mut set, Until::First).await.unwrap();
        let rest = wait(&mut set, Until::All).timeout(&p.rt, SECOND);
        assert_eq!(rest.await.unwrap().len(), 1);
    });
    row("combine::GatherUntil", |p| async move {
        let gather = gather(p.jobs([3, 1, 4]));
        let ended = gather.timeout(&p.rt, 2 * SECOND).await;
        assert_eq!(ended, [None, Some(1), None]);
    });
}
