//! Timers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use untethered::runtime::Sleep;
use untethered::{CancellationToken, Runtime};

use crate::hosts::Host;

const HOUR: Duration = Duration::from_secs(60 * 60);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn poll_once(sleep: Pin<&mut Sleep>) -> Poll<()> {
    sleep.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls inside of the runtime, and goes on.
fn arm<H: Host>(host: &H, mut sleep: Pin<&mut Sleep>) {
    let poll = host.block_on(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))));
    assert_eq!(poll, Poll::Pending);
}

/// A sequence without pattern, the same at each run.
fn scatter(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

// T1
pub(crate) fn never_early<H: Host>(host: H) {
    let rt = host.runtime();
    let tasks: Vec<_> = (0..1000)
        .map(|seed| {
            let rt = rt.clone();
            rt.clone().spawn(async move {
                for nanos in scatter(seed).take(10) {
                    let duration = Duration::from_nanos(nanos % 3_000_000);
                    let start = rt.now();
                    rt.sleep(duration).await;
                    let slept = rt.now() - start;
                    assert!(slept >= duration, "slept {slept:?} instead of {duration:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        host.block_on(task).unwrap();
    }
}

pub(crate) fn nought_and_past_are_ready_at_the_first_poll<H: Host>(host: H) {
    let rt = host.runtime();
    let now = rt.now();
    let past = now.checked_sub(HOUR).unwrap_or(now);
    for sleep in [
        rt.sleep(Duration::ZERO),
        rt.sleep_until(now),
        rt.sleep_until(past),
    ] {
        let mut sleep = pin!(sleep);
        assert!(!sleep.is_elapsed());
        assert_eq!(poll_once(sleep.as_mut()), Poll::Ready(()));
        assert!(sleep.is_elapsed());
    }
}

// T1
pub(crate) fn the_far_future_never_comes<H: Host>(host: H) {
    let rt = host.runtime();
    let now = rt.now();
    let mut last = now;
    for exponent in (0..64).rev() {
        last = last
            .checked_add(Duration::from_secs(1 << exponent))
            .unwrap_or(last);
    }
    let last = last
        .checked_add(Duration::from_nanos(999_999_999))
        .unwrap_or(last);
    assert!(rt.sleep(Duration::MAX).deadline().is_none());
    let mut sleeps = vec![
        Box::pin(rt.sleep(Duration::MAX)),
        Box::pin(rt.sleep_until(last)),
        Box::pin(rt.sleep_until(last - ms(1))),
        Box::pin(rt.sleep_until(last - Duration::from_secs(10))),
    ];
    for days in [1, 30, 365, 3_650, 36_500, 365_000, 1 << 30] {
        sleeps.push(Box::pin(rt.sleep(24 * HOUR * days)));
    }
    for sleep in &mut sleeps {
        arm(&host, sleep.as_mut());
    }
    // Nor does it keep the near future from coming.
    host.block_on(rt.sleep(ms(2)));
    for sleep in &mut sleeps {
        assert_eq!(poll_once(sleep.as_mut()), Poll::Pending);
    }
    sleeps[0].as_mut().reset(ms(1));
    host.block_on(sleeps[0].as_mut());
}

pub(crate) fn ready_at_every_poll_once_elapsed<H: Host>(host: H) {
    let mut sleep = pin!(host.runtime().sleep(ms(1)));
    host.block_on(sleep.as_mut());
    for _ in 0..3 {
        assert!(sleep.is_elapsed());
        assert_eq!(poll_once(sleep.as_mut()), Poll::Ready(()));
    }
}

/// Awaits `sleep`; it must not end before `deadline`.
fn ends_at<H: Host>(host: &H, rt: &Runtime, mut sleep: Pin<&mut Sleep>, deadline: Instant) {
    assert!(!sleep.is_elapsed());
    assert_eq!(sleep.deadline(), Some(deadline));
    host.block_on(sleep.as_mut());
    assert!(rt.now() >= deadline);
    assert!(sleep.is_elapsed());
}

pub(crate) fn reset_before_the_first_poll<H: Host>(host: H) {
    let rt = host.runtime();
    let mut sleep = pin!(rt.sleep(HOUR));
    let deadline = rt.now() + ms(3);
    sleep.as_mut().reset_at(deadline);
    ends_at(&host, &rt, sleep.as_mut(), deadline);
}

// T3
pub(crate) fn reset_to_later_while_armed<H: Host>(host: H) {
    let rt = host.runtime();
    for _ in 0..20 {
        let mut sleep = pin!(rt.sleep(ms(5)));
        // On a slow machine it may be over by now.
        let _ = host.block_on(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))));
        let deadline = rt.now() + ms(10);
        sleep.as_mut().reset_at(deadline);
        ends_at(&host, &rt, sleep.as_mut(), deadline);
    }
}

// T3
pub(crate) fn reset_to_sooner_while_armed<H: Host>(host: H) {
    let rt = host.runtime();
    let mut sleep = pin!(rt.sleep(HOUR));
    arm(&host, sleep.as_mut());
    let deadline = rt.now() + ms(3);
    sleep.as_mut().reset_at(deadline);
    ends_at(&host, &rt, sleep.as_mut(), deadline);

    let mut sleep = pin!(rt.sleep(Duration::MAX));
    arm(&host, sleep.as_mut());
    sleep.as_mut().reset(ms(3));
    host.block_on(sleep);
}

// T3
pub(crate) fn reset_after_it_has_elapsed<H: Host>(host: H) {
    let rt = host.runtime();
    let mut sleep = pin!(rt.sleep(ms(1)));
    for _ in 0..5 {
        host.block_on(sleep.as_mut());
        let deadline = rt.now() + ms(2);
        sleep.as_mut().reset_at(deadline);
        ends_at(&host, &rt, sleep.as_mut(), deadline);
        sleep.as_mut().reset(ms(1));
        assert!(!sleep.is_elapsed());
    }
}

// C2
pub(crate) fn a_dropped_sleep_keeps_no_waker<H: Host>(host: H) {
    struct Counted;

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }

    let rt = host.runtime();
    let counted = Arc::new(Counted);
    let waker = Waker::from(counted.clone());
    let mut cx = Context::from_waker(&waker);
    let mut sleeps: Vec<_> = (0..10_000).map(|_| Box::pin(rt.sleep(HOUR))).collect();
    for sleep in &mut sleeps {
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    assert!(Arc::strong_count(&counted) >= 2 + sleeps.len());
    drop(sleeps);
    // Some timers forget a waker only when they look at the time again.
    while Arc::strong_count(&counted) > 2 {
        host.block_on(rt.sleep(ms(1)));
    }
}

pub(crate) fn a_sleep_may_move_between_threads<H: Host>(host: H) {
    let rt = host.runtime();
    let deadline = rt.now() + ms(5);
    let foreign = rt.clone();
    let sleep = thread::spawn(move || {
        let mut sleep = Box::pin(foreign.sleep_until(deadline));
        let _ = poll_once(sleep.as_mut());
        sleep
    });
    let sleep = sleep.join().unwrap();
    host.block_on(sleep);
    assert!(rt.now() >= deadline);

    let mut sleep = Box::pin(rt.sleep(HOUR));
    arm(&host, sleep.as_mut());
    thread::spawn(move || drop(sleep)).join().unwrap();
}

pub(crate) fn a_sleep_may_move_between_tasks<H: Host>(host: H) {
    let rt = host.runtime();
    let deadline = rt.now() + ms(5);
    let mut sleep = Box::pin(rt.sleep_until(deadline));
    let first = rt.spawn(async move {
        let _ = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        (sleep,)
    });
    let (sleep,) = host.block_on(first).unwrap();
    let clock = rt.clone();
    let second = rt.spawn(async move {
        sleep.await;
        clock.now()
    });
    assert!(host.block_on(second).unwrap() >= deadline);
}

pub(crate) fn a_sleep_ends_under_any_executor<H: Host>(host: H) {
    if !H::REAL {
        return;
    }
    let rt = host.runtime();
    let ended = CancellationToken::new();
    let tell = ended.clone().drop_guard();
    let foreign = thread::spawn(move || {
        let _tell = tell;
        let deadline = rt.now() + ms(5);
        block_on(rt.sleep_until(deadline));
        assert!(rt.now() >= deadline);
    });
    host.block_on(ended.cancelled());
    foreign.join().unwrap();
}

pub(crate) fn the_clock_never_goes_backwards<H: Host>(host: H) {
    let rt = &host.runtime();
    let mut last = rt.now();
    for _ in 0..200 {
        let here = rt.now();
        let there = thread::scope(|scope| scope.spawn(|| rt.now()).join().unwrap());
        let clock = rt.clone();
        let inside = host.block_on(rt.spawn(async move { clock.now() })).unwrap();
        assert!(last <= here && here <= there && there <= inside);
        last = inside;
    }
}
