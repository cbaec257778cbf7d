use futures_lite::StreamExt;
use futures_lite::future::zip;
use untethered::run::Run;
use untethered::signal::{ShutdownSignals, Signal};

use super::{SECOND, row};

// C10
#[test]
fn every_future_of_run_and_signals() {
    row("run::Run::main", |p| async move {
        let (source, signals) = ShutdownSignals::manual();
        let main = Run::on(&p.rt).signals(signals).main(p.job(3));
        let signal = p.later(|| source.send(Signal::Interrupt));
        let (end, ()) = zip(main, signal).await;
        assert!(end.unwrap_err().is_cancelled());
    });
    row("run::Run::main_with", |p| async move {
        let (source, signals) = ShutdownSignals::manual();
        let run = Run::on(&p.rt).signals(signals).grace(SECOND);
        let (body, task) = (p.job(1), p.job(9));
        let main = run.main_with(|cx| async move {
            cx.spawn(task);
            cx.token().cancelled().await;
            body.await
        });
        let signal = p.later(|| source.send(Signal::Interrupt));
        assert_eq!(zip(main, signal).await.0.unwrap(), 1);
    });
    row("signal::ShutdownSignals", |p| async move {
        let (source, mut signals) = ShutdownSignals::manual();
        let send = p.later(|| source.send(Signal::Interrupt));
        let (signal, ()) = zip(StreamExt::next(&mut signals), send).await;
        assert_eq!(signal, Some(Signal::Interrupt));
    });
    row("signal::ShutdownSignals::next", |p| async move {
        let (source, mut signals) = ShutdownSignals::manual();
        let send = p.later(|| source.send(Signal::Interrupt));
        assert_eq!(zip(signals.next(), send).await.0, Signal::Interrupt);
    });
}
