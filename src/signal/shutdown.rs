use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use async_signal::Signals;
use futures_core::Stream;

use super::{Signal, disposition};
use crate::primitives::Mutex;
use crate::sync::wake_all;
use crate::task::{CancellationToken, catch_drop};

/// Listens for the signals that ask a program to stop.
///
/// The first signal cancels [`token`](Self::token), the second one
/// [`second_token`](Self::second_token); [`next`](Self::next) gives each as it comes. Several of
/// these may exist at once, each sees every signal.
///
/// While one exists, its signals do not end the program. Dropping it detaches, and once the last
/// one that listened for a signal is gone, that signal has its default effect again, which for
/// Ctrl-C is to end the program. The drop waits for nothing.
///
/// # Examples
///
/// ```no_run
/// use untethered::signal::ShutdownSignals;
///
/// # async fn serve() {}
/// # async fn example() -> std::io::Result<()> {
/// let signals = ShutdownSignals::new()?;
/// match signals.token().run_until_cancelled(serve()).await {
///     Some(()) => println!("done"),
///     None => println!("stopped: {}", signals.token().reason().unwrap()),
/// }
/// # Ok(())
/// # }
/// ```
pub struct ShutdownSignals {
    shared: Arc<Shared>,
    held: Vec<disposition::Held>,
    stop: CancellationToken,
}

struct Shared {
    first: CancellationToken,
    second: CancellationToken,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    signals: VecDeque<Signal>,
    waiter: Option<Waker>,
}

/// Signals kept for [`ShutdownSignals::next`]. Later ones still cancel, but are not kept: the
/// system merges signals too.
const KEPT: usize = 64;

impl ShutdownSignals {
    /// Listens for SIGINT and SIGTERM; on Windows for Ctrl-C.
    ///
    /// # Errors
    ///
    /// If the system refuses a handler, a descriptor or a thread.
    pub fn new() -> io::Result<Self> {
        Self::listen_for(disposition::SHUTDOWN.iter().copied())
    }

    /// Listens for `signals` instead.
    ///
    /// # Errors
    ///
    /// If `signals` is empty, or the system refuses a handler, a descriptor or a thread.
    pub fn listen_for(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let signals: Vec<_> = signals.into_iter().collect();
        if signals.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no signal to listen for",
            ));
        }
        let held = signals
            .iter()
            .map(|&signal| disposition::hold(signal))
            .collect::<io::Result<_>>()?;
        let incoming = Signals::new(signals.iter().map(|signal| signal.to_async_signal()))?;
        let this = Self {
            shared: Arc::new(Shared {
                first: CancellationToken::new(),
                second: CancellationToken::new(),
                inbox: Mutex::default(),
            }),
            held,
            stop: CancellationToken::new(),
        };
        let listen = listen(incoming, signals, this.shared.clone(), this.stop.clone());
        thread::Builder::new()
            .name("untethered-signals".into())
            .spawn(|| async_io::block_on(listen))?;
        Ok(this)
    }

    /// Cancelled by the first signal, whose name is the reason.
    pub fn token(&self) -> &CancellationToken {
        &self.shared.first
    }

    /// Cancelled by the second signal: whoever sent it does not want to wait any longer.
    pub fn second_token(&self) -> &CancellationToken {
        &self.shared.second
    }

    /// Waits for the next signal. As a [`Stream`] it never ends.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait loses no signal.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_signal(cx)).await
    }

    fn poll_signal(&self, cx: &mut Context<'_>) -> Poll<Signal> {
        let waker = cx.waker().clone();
        let mut inbox = self.shared.inbox.lock();
        if let Some(signal) = inbox.signals.pop_front() {
            return Poll::Ready(signal);
        }
        let old = inbox.waiter.replace(waker);
        drop(inbox);
        catch_drop(old).ok();
        Poll::Pending
    }
}

impl Stream for ShutdownSignals {
    type Item = Signal;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        self.poll_signal(cx).map(Some)
    }
}

impl Drop for ShutdownSignals {
    fn drop(&mut self) {
        // Before anything else: from here on the default acts again.
        self.held.clear();
        self.stop.cancel("nobody listens any more");
    }
}

impl fmt::Debug for ShutdownSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignals")
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}

/// What the thread does until nobody listens any more.
async fn listen(
    mut incoming: Signals,
    signals: Vec<Signal>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let mut next = pin!(poll_fn(|cx| Pin::new(&mut incoming).poll_next(cx)));
    while let Some(Some(received)) = stop.run_until_cancelled(next.as_mut()).await {
        // A descriptor that can not be read any more would fail for ever.
        let Ok(received) = received else { return };
        let known = signals
            .iter()
            .find(|signal| signal.to_async_signal() == received);
        if let Some(&signal) = known {
            shared.deliver(signal);
        }
    }
}

impl Shared {
    fn deliver(&self, signal: Signal) {
        let mut inbox = self.inbox.lock();
        if inbox.signals.len() < KEPT {
            inbox.signals.push_back(signal);
        }
        let waiter = inbox.waiter.take();
        drop(inbox);
        if self.first.is_cancelled() {
            self.second.cancel(signal.to_string());
        } else {
            self.first.cancel(signal.to_string());
        }
        wake_all(waiter);
    }
}
