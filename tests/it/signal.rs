//! Signals sent by hand.

use futures_lite::StreamExt;
use untethered::CancellationToken;
use untethered::signal::{SecondSignal, ShutdownSignals, Signal};

use crate::polled::{Polled, now};

#[test]
fn the_first_signal_asks_and_the_second_does_as_was_said() {
    for (second, insists) in [
        (SecondSignal::Ignore, false),
        (SecondSignal::Escalate, true),
        (SecondSignal::Exit, true),
    ] {
        let (source, signals) = ShutdownSignals::builder().on_second(second).manual();
        assert_eq!(signals.first(), None);
        source.send(Signal::Terminate);
        assert_eq!(signals.token().reason().unwrap().as_str(), "SIGTERM");
        assert!(!signals.second_token().is_cancelled());
        source.send(Signal::Interrupt);
        assert_eq!(signals.first(), Some(Signal::Terminate));
        assert_eq!(signals.token().reason().unwrap().as_str(), "SIGTERM");
        assert_eq!(signals.second_token().is_cancelled(), insists, "{second:?}");
    }
}

#[test]
fn the_first_signal_is_the_first_that_came_whoever_cancelled_the_token() {
    let token = CancellationToken::new();
    let (source, signals) = ShutdownSignals::builder().cancels(&token).manual();
    token.cancel("deadline");
    source.send(Signal::Interrupt);
    assert!(!signals.second_token().is_cancelled());
    assert_eq!(signals.token().reason().unwrap().as_str(), "deadline");
    source.send(Signal::Interrupt);
    assert!(signals.second_token().is_cancelled());
    // Nor does the end of the signals cancel it.
    let (other, signals) = (CancellationToken::new(), ShutdownSignals::builder());
    drop(signals.cancels(&other).manual());
    assert!(!other.is_cancelled());
}

// I4
#[test]
fn signals_come_in_order_and_only_so_many_are_kept() {
    let (source, mut signals) = ShutdownSignals::manual();
    let sent = [Signal::Hangup, Signal::User1, Signal::User1, Signal::Quit];
    sent.iter().for_each(|&signal| source.send(signal));
    for signal in sent {
        assert_eq!(now(signals.next()), signal);
    }
    let mut waiting = Polled::waiting(signals.next());
    drop(Polled::waiting(std::future::pending::<()>()));
    source.send(Signal::User2);
    assert_eq!((waiting.woken(), waiting.ready()), (1, Signal::User2));
    drop(waiting);
    // A wait that was dropped lost nothing.
    drop(Polled::waiting(signals.next()));
    (0..100_000).for_each(|_| source.send(Signal::User1));
    (0..100_000).for_each(|_| source.send(Signal::Terminate));
    for _ in 0..64 {
        assert_eq!(now(signals.next()), Signal::User1);
    }
    assert_eq!(now(signals.next()), Signal::Terminate);
    assert!(
        Polled::new(StreamExt::next(&mut signals))
            .poll()
            .is_pending()
    );
}

#[test]
fn names_and_codes_are_those_of_the_system() {
    assert_eq!(Signal::Interrupt.to_string(), "SIGINT");
    assert_eq!(Signal::Interrupt.number(), 2);
    assert_eq!(Signal::Terminate.number(), 15);
    let code = std::process::ExitCode::from(143);
    assert_eq!(
        format!("{:?}", Signal::Terminate.exit_code()),
        format!("{code:?}")
    );
}
