//! Cookies (RFC 6265bis).

mod client;
mod cookie;
mod date;
mod store;

pub(super) use client::WithCookies;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Uri};

use self::cookie::{Cookie, Place};
use self::store::Store;
use crate::Runtime;
use crate::primitives::Mutex;
use crate::runtime::wall_clock;

/// Cookies that servers set, to be sent back to them. Clones are the same jar.
///
/// Give it to [`FanOut::cookies`](super::FanOut::cookies). Each cookie goes to the host that set it
/// and, where it says so, to the subdomains of a `Domain` that is no public suffix; to the paths it
/// is for; with `Secure` over https alone. `__Secure-` and `__Host-` names keep their promises, and
/// what came over http replaces nothing that is `Secure`. Ports are not told apart, and `SameSite`
/// is not looked at: a program has no page that asks for others.
///
/// It holds 3,000 cookies at most, 50 of them for one domain, each of 4 KiB: those that were sent
/// least recently go first, those without `Secure` before the others. None lives for more than 400
/// days, and none longer than the jar.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use untethered::http::CookieJar;
///
/// # let rt = untethered::sim::Sim::new().runtime();
/// let jar = CookieJar::new(&rt);
/// assert!(jar.add("https://www.example.com/", "id=7; Domain=example.com; Secure"));
/// assert!(!jar.add("https://www.example.com/", "id=7; Domain=com"));
/// assert_eq!(jar.header("https://api.example.com/").unwrap(), "id=7");
/// assert_eq!(jar.header("http://api.example.com/"), None);
/// # }
/// ```
#[derive(Clone)]
pub struct CookieJar {
    rt: Runtime,
    store: Arc<Mutex<Store>>,
}

impl CookieJar {
    /// An empty one. `rt` tells when cookies expire.
    pub fn new(rt: &Runtime) -> Self {
        Self {
            rt: rt.clone(),
            store: Arc::default(),
        }
    }

    /// Does as if the server at `url` had answered with `Set-Cookie: cookie`. `false` if that sets
    /// none: it is none, is not allowed there, or has expired, which removes one it replaces.
    pub fn add(&self, url: &str, cookie: &str) -> bool {
        let Ok(uri) = url.parse() else { return false };
        self.set(&uri, cookie.as_bytes(), wall_clock())
    }

    /// The `Cookie` that a request for `url` is sent with. `None` if there is none for it.
    pub fn header(&self, url: &str) -> Option<HeaderValue> {
        self.sent_to(&url.parse().ok()?)
    }

    /// How many cookies it holds; those that have expired may be among them.
    pub fn len(&self) -> usize {
        self.store.lock().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all cookies out.
    pub fn clear(&self) {
        let cookies = std::mem::take(&mut *self.store.lock());
        drop(cookies);
    }

    fn sent_to(&self, uri: &Uri) -> Option<HeaderValue> {
        let place = Place::of(uri)?;
        let sent = self.store.lock().sent_to(&place, self.rt.now())?;
        let mut value = HeaderValue::try_from(sent).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Keeps what the server at `uri` has set at `date`, by its own clock.
    fn set(&self, uri: &Uri, text: &[u8], date: SystemTime) -> bool {
        let Some(place) = Place::of(uri) else {
            return false;
        };
        let now = self.rt.now();
        match Cookie::parse(text, &place, now, date) {
            Some(cookie) => self.store.lock().set(cookie, &place, now),
            None => false,
        }
    }
}

impl fmt::Debug for CookieJar {
    /// No names and no values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieJar")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
