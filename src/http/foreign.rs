//! What the adapters of other libraries share: they all refuse the same requests, keep deadlines
//! and say what went wrong in the same words.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Body, Capabilities, Deadline, ErrorKind, HttpError, Phases, engine, received};
use crate::runtime::Runtime;
use crate::task::{CancellationToken, CancelledOwned};

/// What an adapter with this runtime can do by itself.
pub(super) fn capabilities(runtime: Option<&Runtime>) -> Capabilities {
    match runtime {
        Some(_) => Capabilities::default().with_deadline(),
        None => Capabilities::default(),
    }
}

/// One exchange of another library, which `send` begins once the request was looked at.
///
/// Without a runtime no deadline is kept.
pub(super) async fn exchange<S, F, B>(
    runtime: Option<&Runtime>,
    mut request: Request<Body>,
    send: S,
) -> Result<Response<Body>, HttpError>
where
    S: FnOnce(Request<Body>) -> F,
    F: Future<Output = Result<Response<B>, HttpError>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<received::BoxError>,
{
    engine::check(&mut request)?;
    request.extensions_mut().remove::<Phases>();
    let deadline = request.extensions_mut().remove::<Deadline>();
    let mut timer = match (runtime, deadline) {
        (Some(runtime), Some(Deadline(deadline))) => {
            if runtime.now() >= deadline {
                return Err(received::deadline_passed());
            }
            Some(Box::pin(runtime.sleep_until(deadline)))
        }
        _ => None,
    };
    let mut sending = None;
    if request.body().try_clone().is_none() {
        let token = CancellationToken::new();
        request = request.map(|body| {
            let answered = token.clone().cancelled_owned();
            Body::new(Outgoing { body, answered })
        });
        sending = Some(token.drop_guard());
    }
    let mut answer = pin!(send(request));
    let response = poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        received::poll_deadline(&mut timer, cx).map(Err)
    });
    let mut response = response.await?;
    response.extensions_mut().clear();
    Ok(received::receive(response, timer, sending))
}

pin_project! {
    /// A request's body that comes in pieces. It fails once the answer has ended: otherwise the
    /// library would wait for the rest of it.
    struct Outgoing {
        #[pin]
        body: Body,
        #[pin]
        answered: CancelledOwned,
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.project();
        // First, or a body that always has a piece would go on for ever.
        if this.answered.poll(cx).is_ready() {
            let error = HttpError::new(ErrorKind::Cancelled);
            return Poll::Ready(Some(Err(error.with_message("the answer has ended"))));
        }
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
