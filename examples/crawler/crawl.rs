//! The crawl: a frontier of pages to fetch, a fan-out that takes from it, and links that go back.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use untethered::http::{Engine, ErrorKind, FanOut, FetchError, Fetched, Retry, Timeouts};
use untethered::queue::Sender;
use untethered::{CancellationToken, Queue, Runtime};
use url::{Origin, Url};

use crate::args::Args;
use crate::links::links;

/// What became of the pages.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) fetched: usize,
    pub(crate) failed: usize,
    /// Known and never asked for, because the crawl was stopped.
    pub(crate) left: usize,
    /// Links beyond the number of pages, each time they were met.
    pub(crate) beyond: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fetched,
            failed,
            left,
            beyond,
        } = self;
        write!(f, "{fetched} fetched, {failed} failed, {left} left")?;
        match beyond {
            0 => Ok(()),
            _ => write!(f, ", {beyond} links beyond --pages"),
        }
    }
}

/// A page to fetch.
#[derive(Clone)]
struct Page {
    url: Url,
    depth: usize,
}

/// Pages that are known, and those among them that wait.
struct Frontier {
    sites: HashSet<Origin>,
    seen: HashSet<Url>,
    waiting: Queue<(Page, String)>,
    pages: usize,
}

/// One line of the output.
#[derive(Serialize)]
struct Row<'a> {
    url: &'a str,
    depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<usize>,
    #[serde(flatten)]
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Fetched(&'a Fetched),
    Failed(&'a FetchError),
}

pub(crate) async fn crawl(
    rt: &Runtime,
    stop: &CancellationToken,
    args: Args,
    rows: Sender<String>,
) -> Summary {
    let mut summary = Summary::default();
    let mut frontier = Frontier::new(&args);
    for url in &args.start {
        summary.beyond += usize::from(!frontier.add(url.clone(), 0));
    }
    let fan_out = fan_out(rt, stop, &args);
    let mut results = fan_out.fetch_stream(frontier.waiting.stream()).stream();
    let mut ended = 0;
    // With as many results as pages there is none to come, and nobody to find another page.
    while ended < frontier.seen.len() {
        let Some((page, result)) = results.next().await else {
            break; // Stopped: what was under way has been given.
        };
        ended += 1;
        let mut found = None;
        match &result {
            Ok(fetched) => {
                summary.fetched += 1;
                let links = frontier.links_of(fetched);
                found = Some(links.len());
                if page.depth < args.depth {
                    for link in links {
                        summary.beyond += usize::from(!frontier.add(link, page.depth + 1));
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => continue,
            Err(_) => summary.failed += 1,
        }
        let row = Row {
            url: page.url.as_str(),
            depth: page.depth,
            links: found,
            result: match &result {
                Ok(fetched) => Outcome::Fetched(fetched),
                Err(error) => Outcome::Failed(error),
            },
        };
        let row = serde_json::to_string(&row).expect("its fields are text and numbers");
        if rows.push(row).await.is_err() {
            break; // Nobody reads the output any more: the writer says why.
        }
    }
    summary.left = frontier.seen.len() - summary.fetched - summary.failed;
    summary
}

fn fan_out(rt: &Runtime, stop: &CancellationToken, args: &Args) -> FanOut {
    let mut fan_out = FanOut::new(rt, Engine::new(rt))
        .concurrency(args.concurrency.get())
        .per_host(args.per_host.get())
        .max_body(args.max_body)
        .timeout(Timeouts::total(args.timeout))
        .close_on(stop.clone());
    if args.retries > 0 {
        fan_out = fan_out.retry(Retry::attempts(args.retries.saturating_add(1)));
    }
    if let Some(rate) = &args.rate {
        fan_out = fan_out.rate_limit(rate.clone());
    }
    fan_out
}

impl Frontier {
    fn new(args: &Args) -> Self {
        let pages = args.pages.get();
        Self {
            sites: args.start.iter().map(Url::origin).collect(),
            seen: HashSet::new(),
            waiting: Queue::bounded(pages),
            pages,
        }
    }

    /// Whether the page is now known; one that is, is fetched once.
    fn add(&mut self, mut url: Url, depth: usize) -> bool {
        url.set_fragment(None);
        if self.seen.contains(&url) {
            return true;
        }
        if self.seen.len() == self.pages {
            return false;
        }
        self.seen.insert(url.clone());
        let text = url.to_string();
        let page = (Page { url, depth }, text);
        // It has room for every page there may be, and nobody closes it.
        self.waiting.try_push(page).is_ok()
    }

    /// The links of a page that stay on the sites, if it is one of them after its redirects.
    fn links_of(&self, fetched: &Fetched) -> Vec<Url> {
        let Ok(base) = Url::parse(fetched.url()) else {
            return Vec::new();
        };
        let kind = fetched.headers().get("content-type");
        let is_html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if !is_html || !self.sites.contains(&base.origin()) {
            return Vec::new();
        }
        let mut links = links(&base, &String::from_utf8_lossy(fetched.body()));
        links.retain(|link| self.sites.contains(&link.origin()));
        links
    }
}
