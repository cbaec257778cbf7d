//! `Expect: 100-continue`: the body goes out once the server has asked for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, StatusCode, header};

use crate::primitives::atomic::{AtomicBool, Ordering::Relaxed};
use crate::runtime::Sleep;

/// Whether the headers ask the server to say "100 Continue".
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::EXPECT)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// What the server has said so far. Only the driver of its connection looks at it or changes it.
#[derive(Debug, Default)]
struct Said {
    go_on: AtomicBool,
    no: AtomicBool,
}

/// Holds a body back until the server asks for it, or for so long.
#[derive(Debug)]
pub(super) struct Gate {
    said: Arc<Said>,
    longest: Pin<Box<Sleep>>,
}

/// Shuts the [`Gate`].
#[derive(Debug)]
pub(super) struct Key(Arc<Said>);

impl Gate {
    /// A gate that opens when the server answers `request` so, or when `longest` is over.
    pub(super) fn new<B>(request: &mut Request<B>, longest: Sleep) -> (Self, Key) {
        let said = Arc::new(Said::default());
        let noted = said.clone();
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                noted.go_on.store(true, Relaxed);
            }
        });
        let gate = Self {
            said: said.clone(),
            longest: Box::pin(longest),
        };
        (gate, Key(said))
    }

    /// Ready when the body may go.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.said.go_on.load(Relaxed) {
            return Poll::Ready(());
        }
        if self.said.no.load(Relaxed) {
            return Poll::Pending;
        }
        self.longest.as_mut().poll(cx)
    }
}

impl Key {
    /// The answer is there. A body that has not begun stays where it is: a server that does not
    /// want it may take it for the next request.
    pub(super) fn shut(self) {
        self.0.no.store(true, Relaxed);
    }
}
