use std::collections::HashMap;
use std::time::Instant;

use super::cookie::{Cookie, Place};

/// The cookies of a jar, by their domain.
#[derive(Default)]
pub(super) struct Store {
    domains: HashMap<Box<str>, Vec<Cookie>>,
    count: usize,
    /// Grows with whatever is done.
    clock: u64,
}

const MOST: usize = 3000;
const MOST_OF_DOMAIN: usize = 50;

impl Store {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The `Cookie` for `place`: longer paths first, then what is older (RFC 6265bis, 5.8.3).
    pub(super) fn sent_to(&mut self, place: &Place, now: Instant) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        self.clock += 1;
        let is_sent = |cookie: &&Cookie| cookie.is_for(place) && !cookie.is_expired(now);
        for domain in domains_of(&place.host) {
            for cookie in self.domains.get_mut(domain).into_iter().flatten() {
                if is_sent(&&*cookie) {
                    cookie.used = self.clock;
                }
            }
        }
        let found = domains_of(&place.host).filter_map(|domain| self.domains.get(domain));
        let mut sent: Vec<_> = found.flatten().filter(is_sent).collect();
        sent.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.made));
        let mut value = Vec::new();
        for cookie in sent {
            if !value.is_empty() {
                value.extend_from_slice(b"; ");
            }
            if !cookie.name.is_empty() {
                value.extend_from_slice(&cookie.name);
                value.push(b'=');
            }
            value.extend_from_slice(&cookie.value);
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// Keeps `cookie`, which came from `place`. `false` if it must not be kept.
    pub(super) fn set(&mut self, mut cookie: Cookie, place: &Place, now: Instant) -> bool {
        if !place.is_secure && self.is_hidden_by(&cookie, now) {
            return false;
        }
        self.clock += 1;
        (cookie.made, cookie.used) = (self.clock, self.clock);
        let cookies = self.domains.entry(cookie.domain.clone()).or_default();
        if let Some(at) = cookies.iter().position(|other| cookie.replaces(other)) {
            cookie.made = cookies.swap_remove(at).made;
            self.count -= 1;
        }
        let is_kept = !cookie.is_expired(now);
        let domain = cookie.domain.clone();
        if is_kept {
            if cookies.len() >= MOST_OF_DOMAIN {
                let before = cookies.len();
                make_room(cookies, now);
                self.count -= before - cookies.len();
            }
            cookies.push(cookie);
            self.count += 1;
        }
        if cookies.is_empty() {
            self.domains.remove(&domain);
        }
        if self.count > MOST {
            self.make_room(now);
        }
        is_kept
    }

    /// Whether a server that is not to be trusted would hide a `Secure` cookie with this one.
    fn is_hidden_by(&self, cookie: &Cookie, now: Instant) -> bool {
        let hides = |other: &Cookie| cookie.hides(other) && !other.is_expired(now);
        let above = domains_of(&cookie.domain).filter_map(|domain| self.domains.get(domain));
        if above.flatten().any(hides) {
            return true;
        }
        // What is for a domain is sent to all that lie in it.
        let is_below = |domain: &str| {
            domain
                .strip_suffix(&*cookie.domain)
                .is_some_and(|it| it.ends_with('.'))
        };
        !cookie.host_only
            && self
                .domains
                .iter()
                .filter(|(domain, _)| is_below(domain))
                .flat_map(|(_, cookies)| cookies)
                .any(hides)
    }

    fn make_room(&mut self, now: Instant) {
        let worst = |cookies: &Vec<Cookie>| cookies.iter().map(|it| worth(it, now)).min();
        let least = self
            .domains
            .iter()
            .filter_map(|(domain, cookies)| Some((worst(cookies)?, domain)));
        let Some(domain) = least.min().map(|(_, domain)| domain.clone()) else {
            return;
        };
        if let Some(cookies) = self.domains.get_mut(&domain) {
            let before = cookies.len();
            make_room(cookies, now);
            self.count -= before - cookies.len();
            if cookies.is_empty() {
                self.domains.remove(&domain);
            }
        }
    }
}

/// Takes those out that have expired; if there is none, the one that is missed least.
fn make_room(cookies: &mut Vec<Cookie>, now: Instant) {
    let before = cookies.len();
    cookies.retain(|cookie| !cookie.is_expired(now));
    if cookies.len() == before {
        let places = cookies.iter().enumerate();
        let least = places.min_by_key(|(_, cookie)| worth(cookie, now));
        if let Some((at, _)) = least {
            cookies.swap_remove(at);
        }
    }
}

/// What is least goes first (RFC 6265bis, 5.7).
fn worth(cookie: &Cookie, now: Instant) -> (bool, bool, u64) {
    (!cookie.is_expired(now), cookie.secure, cookie.used)
}

/// `a.b.c`, `b.c`, `c`.
fn domains_of(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |domain| Some(domain.split_once('.')?.1))
}
