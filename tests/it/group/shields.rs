//! Groups that are made inside a shield.

use std::time::Duration;

use untethered::group::{Group, OnCancel};
use untethered::sim::Sim;

use super::Log;

const SECOND: Duration = Duration::from_secs(1);

// G5
#[test]
fn a_group_in_two_shields_is_asked_to_stop_after_the_outer_one() {
    for abort in [false, true] {
        let sim = Sim::new();
        let group = Group::builder(&sim.runtime()).build();
        let log = Log::default();
        group.task("t").on_cancel(OnCancel::Finish).spawn_with({
            let log = log.clone();
            move |cx| async move {
                let outer = cx.shield(async {
                    let sub = Group::builder(&cx).build();
                    let log = log.clone();
                    sub.task("worker")
                        .on_cancel(OnCancel::Grace(SECOND))
                        .spawn_with(|cx| async move {
                            cx.token().cancelled().await;
                            cx.runtime().sleep(SECOND / 2).await;
                            log.add("cleaned up");
                        });
                    cx.shield(cx.runtime().sleep(SECOND)).await;
                    let after_inner = sub.reason();
                    cx.runtime().sleep(SECOND).await;
                    (sub, after_inner)
                });
                let (sub, after_inner) = outer.await;
                assert!(after_inner.is_none(), "the outer shield covers it yet");
                assert!(sub.reason().is_some());
                sub.closed().await.unwrap();
                log.add("closed");
            }
        });
        sim.run_until_idle();
        group.cancel("x");
        if abort {
            group.abort();
        }
        sim.block_on(group.closed()).unwrap();
        let expected: &[_] = if abort {
            &[]
        } else {
            &["cleaned up", "closed"]
        };
        assert_eq!(log.take(), expected);
        assert_eq!(
            sim.elapsed(),
            SECOND * 2 + if abort { Duration::ZERO } else { SECOND / 2 }
        );
    }
}
