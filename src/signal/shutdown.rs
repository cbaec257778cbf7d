use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_core::Stream;

use super::builder::{Builder, SecondSignal};
use super::system::{Held, Incoming};
use super::{Signal, Source};
use crate::primitives::Mutex;
use crate::runtime::block_on;
use crate::sync::wake_all;
use crate::task::{CancellationToken, discard};

/// Listens for the signals that ask a program to stop.
///
/// The first signal cancels [`token`](Self::token), the second one
/// [`second_token`](Self::second_token), unless the [`builder`](Self::builder) was told otherwise;
/// [`next`](Self::next) gives each as it comes. Several of these may exist at once, each sees
/// every signal. A signal that comes while one like it is not yet seen may be merged with it, but
/// no other takes it away. Of two that come at the same moment either may be first.
///
/// While one exists, its signals do not end the program. Dropping it detaches, and once the last
/// one that listened for a signal is gone, that signal does again what it did before: by default
/// Ctrl-C ends the program. The drop waits for nothing.
///
/// # Other handlers
///
/// On Unix a handler that was there before the first of these is called all the time, and alone
/// once they are gone; a signal that was ignored is ignored again. Only Linux tells what was
/// before: elsewhere the default acts then. A handler that others install later, tokio for one,
/// does not keep the default from acting. On Windows only one library of a program can have the
/// console: where that is `ctrlc`, used by somebody else, this one is refused.
///
/// # Cancel safety
///
/// The waits for a signal may be dropped: a signal that was not given yet stays for the next.
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
///
/// Signals that do not mean the end, as SIGHUP for a reload, have a listener of their own
/// (`ShutdownSignals::listen_for([Signal::Hangup])`), of which [`next`](Self::next) alone is looked
/// at: its token stays cancelled from the first on, and its second token from the second.
///
/// ```
/// use untethered::signal::{ShutdownSignals, Signal};
///
/// # futures_lite::future::block_on(async {
/// let (stop, stops) = ShutdownSignals::manual();
/// let (hangup, mut reloads) = ShutdownSignals::manual();
/// hangup.send(Signal::Hangup);
/// let mut count = 0;
/// while let Some(_hangup) = stops.token().run_until_cancelled(reloads.next()).await {
///     count += 1;
///     match count {
///         1 => hangup.send(Signal::Hangup), // during the reload: kept for the next turn
///         _ => stop.send(Signal::Terminate),
///     }
/// }
/// assert_eq!(count, 2);
/// assert!(reloads.token().is_cancelled() && reloads.second_token().is_cancelled());
/// # });
/// ```
#[must_use = "dropping it lets the signals end the program again"]
pub struct ShutdownSignals {
    shared: Arc<Shared>,
    /// `None` once dropped, and from the start where a test sends the signals.
    held: Option<Held>,
    stop: CancellationToken,
}

/// What a sender of signals shares with who waits for them.
pub(super) struct Shared {
    first: CancellationToken,
    second: CancellationToken,
    second_signal: SecondSignal,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    signals: VecDeque<Signal>,
    /// The one that came first, of all.
    first: Option<Signal>,
    second: Option<Signal>,
    waiter: Option<Waker>,
}

/// Signals kept for [`ShutdownSignals::next`]. Of later ones, which still cancel, the first of a
/// kind is kept: the system merges signals that are alike too.
const KEPT: usize = 64;

impl ShutdownSignals {
    /// Listens for SIGINT and SIGTERM; on Windows for Ctrl-C and Ctrl-Break.
    ///
    /// # Errors
    ///
    /// If the system refuses a handler, a descriptor or a thread.
    pub fn new() -> io::Result<Self> {
        Self::builder().listen()
    }

    /// Listens for `signals` instead.
    ///
    /// # Errors
    ///
    /// If `signals` is empty or holds one that the system does not know, or if the system refuses
    /// a handler, a descriptor or a thread.
    pub fn listen_for(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        Self::builder().signals(signals).listen()
    }

    /// Settings: which signals, which token, what a second signal does.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Listens to nothing but what a test sends.
    ///
    /// # Examples
    ///
    /// ```
    /// use untethered::signal::{ShutdownSignals, Signal};
    ///
    /// let (source, signals) = ShutdownSignals::manual();
    /// source.send(Signal::Terminate);
    /// assert_eq!(signals.token().reason().unwrap().as_str(), "SIGTERM");
    /// ```
    pub fn manual() -> (Source, Self) {
        Self::builder().manual()
    }

    /// Cancelled by the first signal, whose name is the reason.
    pub fn token(&self) -> &CancellationToken {
        &self.shared.first
    }

    /// Cancelled by the second signal: whoever sent it does not want to wait any longer.
    pub fn second_token(&self) -> &CancellationToken {
        &self.shared.second
    }

    /// The signal that came first, once one has.
    pub fn first(&self) -> Option<Signal> {
        self.shared.inbox.lock().first
    }

    /// The signal that came second, of the same kind or another, once one has.
    pub fn second(&self) -> Option<Signal> {
        self.shared.inbox.lock().second
    }

    /// Waits for the next signal. As a [`Stream`] it never ends.
    ///
    /// Of signals that nobody takes the first 64 are kept, and of those that are not among them
    /// one each.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped wait loses no signal.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_signal(cx)).await
    }

    pub(super) fn of(settings: Builder) -> Self {
        Self {
            shared: Arc::new(Shared {
                first: settings.token,
                second: CancellationToken::new(),
                second_signal: settings.second,
                inbox: Mutex::default(),
            }),
            held: None,
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn listening(settings: Builder, held: Held, incoming: Incoming) -> io::Result<Self> {
        let mut this = Self::of(settings);
        this.held = Some(held);
        let listen = listen(incoming, this.shared.clone(), this.stop.clone());
        thread::Builder::new()
            .name("untethered-signals".into())
            .spawn(|| block_on(listen))?;
        Ok(this)
    }

    /// Whether a second signal drops what the first one has asked to stop.
    pub(crate) fn second_drops(&self) -> bool {
        self.shared.second_signal != SecondSignal::Hurry
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn poll_signal(&self, cx: &mut Context<'_>) -> Poll<Signal> {
        let waker = cx.waker().clone();
        let mut inbox = self.shared.inbox.lock();
        if let Some(signal) = inbox.signals.pop_front() {
            return Poll::Ready(signal);
        }
        let old = inbox.waiter.replace(waker);
        drop(inbox);
        discard(old);
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
        self.held = None;
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
async fn listen(mut incoming: Incoming, shared: Arc<Shared>, stop: CancellationToken) {
    let mut next = pin!(poll_fn(|cx| incoming.poll_next(cx)));
    // A descriptor that can not be read any more would fail for ever.
    while let Some(Ok(signal)) = stop.run_until_cancelled(next.as_mut()).await {
        shared.deliver(signal);
    }
}

impl Shared {
    pub(super) fn deliver(&self, signal: Signal) {
        let mut inbox = self.inbox.lock();
        if inbox.signals.len() < KEPT || !inbox.signals.contains(&signal) {
            inbox.signals.push_back(signal);
        }
        let is_first = inbox.first.is_none();
        let first = *inbox.first.get_or_insert(signal);
        if !is_first {
            inbox.second.get_or_insert(signal);
        }
        let waiter = inbox.waiter.take();
        drop(inbox);
        // By each: whoever sent the first may not have come so far.
        self.first.cancel(first.name());
        if !is_first && self.second_signal != SecondSignal::Ignore {
            self.second.cancel(signal.name());
        }
        wake_all(waiter);
    }
}
