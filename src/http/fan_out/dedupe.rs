//! Equal requests of one run, sent once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use http_body::Body as _;

use super::exchange::Job;
use super::session::Session;
use super::timer::Timer;
use super::{FetchError, Fetched, Timeouts};
use crate::primitives::Mutex;
use crate::sync::Once;

/// What requests of a run were answered, or will be.
pub(super) struct Dedupe {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    answers: HashMap<Arc<Request>, Arc<Answer>>,
    /// Those that are there, the oldest first, with what they weigh.
    ended: VecDeque<(Arc<Request>, usize)>,
    weight: usize,
}

type Answer = Once<Result<Fetched, FetchError>>;

/// So many bytes of answers are remembered.
const MOST: usize = 32 * 1024 * 1024;

/// What an answer and its request weigh beside what has no bound of its own, about.
const FRAME: usize = 2048;

/// All that makes a request what it is.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Request {
    method: Method,
    url: String,
    auth: Option<HeaderValue>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeouts: Timeouts,
}

impl Dedupe {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::default(),
        }
    }

    /// Runs `job`, unless its equal was run. Gives whether it was.
    pub(super) async fn run(
        &self,
        job: Box<Job>,
        session: &Session,
        timer: &Timer,
    ) -> (Result<Fetched, FetchError>, bool) {
        let Some(request) = Request::of(&job) else {
            return (job.run(session, timer).await, false);
        };
        let request = Arc::new(request);
        let answer = self
            .known
            .lock()
            .answers
            .entry(request.clone())
            .or_default()
            .clone();
        let mut is_shared = true;
        let result = answer
            .load(|| {
                is_shared = false;
                job.run(session, timer)
            })
            .await;
        if !is_shared {
            let weight = request.weight() + weight(&result);
            let forgotten = self.known.lock().remember(request, weight);
            drop(forgotten);
        }
        ((*result).clone(), is_shared)
    }
}

impl Known {
    /// Gives what is forgotten for it.
    fn remember(&mut self, request: Arc<Request>, weight: usize) -> Vec<Arc<Answer>> {
        self.ended.push_back((request, weight));
        self.weight += weight;
        let mut forgotten = Vec::new();
        while self.weight > MOST {
            let Some((request, weight)) = self.ended.pop_front() else {
                break;
            };
            self.weight -= weight;
            forgotten.extend(self.answers.remove(&request));
        }
        forgotten
    }
}

impl Request {
    /// `None` for one that has no equal.
    fn of(job: &Job) -> Option<Self> {
        let hop = &job.hop;
        let is_plain = matches!(hop.method, Method::GET | Method::HEAD)
            && hop.body.as_ref().is_some_and(|body| body.is_end_stream())
            && hop.extensions.is_empty()
            && job.status_check.is_none()
            && job.save_to.is_none();
        if !is_plain {
            return None;
        }
        let headers = hop.headers.iter();
        let mut headers: Vec<_> = headers
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // Values of one name keep their order.
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Some(Self {
            method: hop.method.clone(),
            url: hop.url.as_str().to_owned(),
            auth: hop.url_auth.clone(),
            headers,
            timeouts: job.timeouts,
        })
    }

    fn weight(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| (name, value));
        let auth = self.auth.as_ref().map_or(0, HeaderValue::len);
        self.url.len() + auth + weight_of(headers)
    }
}

/// How many bytes it takes to remember `result`, about.
fn weight(result: &Result<Fetched, FetchError>) -> usize {
    let (answer, url) = match result {
        Ok(fetched) => (Some(fetched), ""),
        Err(error) => (error.response(), error.url()),
    };
    let answer = answer.map_or(0, |answer| {
        let urls = answer.history().iter().map(|hop| hop.url().len());
        let headers = weight_of(answer.headers().iter());
        answer.body().len() + headers + answer.url().len() + urls.sum::<usize>()
    });
    FRAME + answer + url.len()
}

fn weight_of<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> usize {
    headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> Arc<Request> {
        Arc::new(Request {
            method: Method::GET,
            url: number.to_string(),
            auth: None,
            headers: Vec::new(),
            timeouts: Timeouts::new(),
        })
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut known = Known::default();
        for number in 0..100_000 {
            known.answers.insert(request(number), Arc::default());
            known.remember(request(number), FRAME);
            assert!(known.weight <= MOST);
        }
        assert_eq!(known.answers.len(), MOST / FRAME);
        assert_eq!(known.ended.len(), MOST / FRAME);
        let forgotten = known.remember(request(0), MOST + 1);
        assert_eq!(forgotten.len(), MOST / FRAME);
        assert_eq!((known.weight, known.answers.len()), (0, 0));
    }
}
