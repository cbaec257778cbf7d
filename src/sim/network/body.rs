use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::reply::Pace;
use super::{UnderWay, closed};
use crate::http::HttpError;
use crate::runtime::{Runtime, Sleep};

/// The body of an answer, which comes in its time.
pub(super) struct PacedBody {
    runtime: Runtime,
    left: Bytes,
    pace: Option<Pace>,
    /// How many bytes come before the connection is closed.
    before_cut: Option<usize>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// `None` once it has ended.
    under_way: Option<UnderWay>,
}

impl PacedBody {
    pub(super) fn new(
        runtime: &Runtime,
        left: Bytes,
        pace: Option<Pace>,
        cut: Option<usize>,
        under_way: UnderWay,
    ) -> Self {
        Self {
            runtime: runtime.clone(),
            pace,
            before_cut: cut.filter(|cut| *cut < left.len()),
            under_way: (!left.is_empty()).then_some(under_way),
            left,
            sleep: None,
        }
    }

    /// Waits for the next piece.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pace) = self.pace {
            let runtime = &self.runtime;
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(runtime.sleep(pace.every)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(())
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if this.under_way.is_none() {
            return Poll::Ready(None);
        }
        if this.before_cut == Some(0) {
            this.under_way = None;
            return Poll::Ready(Some(Err(closed())));
        }
        ready!(this.poll_pace(cx));
        let most = this.pace.map_or(usize::MAX, |pace| pace.piece.get());
        let length = most
            .min(this.left.len())
            .min(this.before_cut.unwrap_or(usize::MAX));
        let piece = this.left.split_to(length);
        this.before_cut = this.before_cut.map(|before| before - length);
        if this.left.is_empty() {
            this.under_way = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.under_way.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.under_way {
            Some(_) => SizeHint::with_exact(self.left.len() as u64),
            None => SizeHint::with_exact(0),
        }
    }
}
