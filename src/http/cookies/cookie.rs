use std::time::{Duration, Instant, SystemTime};

use http::Uri;
use url::Host;

use super::date;

/// One cookie.
pub(super) struct Cookie {
    pub(super) name: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    pub(super) domain: Box<str>,
    /// Whether subdomains do not get it.
    pub(super) host_only: bool,
    pub(super) path: Box<str>,
    pub(super) secure: bool,
    /// `None` lives as long as the jar.
    pub(super) expires: Option<Instant>,
    /// When it was made and when it was last sent, counted in what the store did.
    pub(super) made: u64,
    pub(super) used: u64,
}

/// Where a request goes to.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) is_secure: bool,
    is_address: bool,
}

/// Name and value together.
const LONGEST_PAIR: usize = 4096;
const LONGEST_ATTRIBUTE: usize = 1024;
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);

impl Place {
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        // The same form whatever the letters were, as for `Domain`.
        let host = Host::parse(uri.host()?).ok()?;
        Some(Self {
            is_address: !matches!(host, Host::Domain(_)),
            host: host.to_string(),
            path: uri.path().to_owned(),
            is_secure: uri.scheme_str() == Some("https"),
        })
    }

    /// RFC 6265bis, 5.1.3.
    fn is_in(&self, domain: &str) -> bool {
        if self.host == domain {
            return true;
        }
        let parent = self.host.strip_suffix(domain);
        !self.is_address && parent.is_some_and(|parent| parent.ends_with('.'))
    }

    /// What a cookie without `Path` is for: the folder of the request (RFC 6265bis, 5.1.4).
    fn folder(&self) -> &str {
        match self.path.rfind('/') {
            None | Some(0) => "/",
            Some(end) => &self.path[..end],
        }
    }
}

impl Cookie {
    /// What a server at `place` has set now, at `date` by its own clock. `None` if it may not, or
    /// if it is no cookie (RFC 6265bis, 5.6 and 5.7).
    pub(super) fn parse(
        text: &[u8],
        place: &Place,
        now: Instant,
        date: SystemTime,
    ) -> Option<Self> {
        if text
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return None;
        }
        let mut parts = text.split(|byte| *byte == b';');
        let (name, value) = match split_pair(parts.next()?) {
            (name, Some(value)) => (name, value),
            (value, None) => (&b""[..], value),
        };
        if name.is_empty() && value.is_empty() || name.len() + value.len() > LONGEST_PAIR {
            return None;
        }
        let attributes = Attributes::parse(parts);
        let (domain, host_only) = attributes.domain(place)?;
        let cookie = Self {
            name: name.into(),
            value: value.into(),
            domain: domain.into(),
            host_only,
            path: attributes.path.unwrap_or_else(|| place.folder()).into(),
            secure: attributes.secure,
            expires: attributes.expires(now, date),
            made: 0,
            used: 0,
        };
        if cookie.secure && !place.is_secure {
            return None;
        }
        let has_root_path = attributes.path == Some("/");
        cookie.keeps_its_name(has_root_path).then_some(cookie)
    }

    /// Whether it is what its name says it is.
    fn keeps_its_name(&self, has_root_path: bool) -> bool {
        // A nameless one is sent as its value alone, where its name would be looked for.
        let is_named = |prefix: &[u8]| {
            let name = if self.name.is_empty() {
                &self.value
            } else {
                &self.name
            };
            let start = name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if self.name.is_empty() {
            return !is_named(b"__Secure-") && !is_named(b"__Host-");
        }
        if is_named(b"__Host-") {
            return self.secure && self.host_only && has_root_path;
        }
        self.secure || !is_named(b"__Secure-")
    }

    /// Whether both can not be in a jar at once.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path, self.host_only)
            == (&other.name, &other.domain, &other.path, other.host_only)
    }

    /// Whether it would hide the `Secure` one that is `other` from the server that set that.
    pub(super) fn hides(&self, other: &Self) -> bool {
        other.secure && self.name == other.name && is_path_in(&self.path, &other.path)
    }

    pub(super) fn is_for(&self, place: &Place) -> bool {
        (!self.host_only || *self.domain == *place.host)
            && (!self.secure || place.is_secure)
            && is_path_in(&place.path, &self.path)
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// RFC 6265bis, 5.1.4.
fn is_path_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

/// Those we know, the last one of each name.
#[derive(Default)]
struct Attributes<'a> {
    domain: Option<&'a str>,
    path: Option<&'a str>,
    secure: bool,
    max_age: Option<Duration>,
    expires: Option<SystemTime>,
}

impl<'a> Attributes<'a> {
    fn parse(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut found = Self::default();
        for part in parts {
            let (name, value) = split_pair(part);
            let Ok(value) = std::str::from_utf8(value.unwrap_or_default()) else {
                continue;
            };
            if value.len() > LONGEST_ATTRIBUTE {
                continue;
            }
            match &*name.to_ascii_lowercase() {
                b"domain" => found.domain = Some(value.strip_prefix('.').unwrap_or(value)),
                b"path" => found.path = Some(value).filter(|path| path.starts_with('/')),
                b"secure" => found.secure = true,
                b"max-age" => found.max_age = max_age(value).or(found.max_age),
                b"expires" => found.expires = date::parse(value).or(found.expires),
                _ => {}
            }
        }
        found
    }

    /// Whom it is for, and whether for this host alone.
    fn domain(&self, place: &Place) -> Option<(String, bool)> {
        let Some(domain) = self.domain.filter(|domain| !domain.is_empty()) else {
            return Some((place.host.clone(), true));
        };
        let domain = Host::parse(domain).ok()?.to_string();
        if !place.is_in(&domain) {
            return None;
        }
        if place.is_address || is_public_suffix(&domain) {
            // Such a host may have cookies of its own, but none for others.
            return (place.host == domain).then_some((domain, true));
        }
        Some((domain, false))
    }

    fn expires(&self, now: Instant, date: SystemTime) -> Option<Instant> {
        let from_date = |at: SystemTime| at.duration_since(date).unwrap_or_default();
        let life = self.max_age.or_else(|| self.expires.map(from_date))?;
        // Beyond what the clock can say is never.
        now.checked_add(life.min(LONGEST_LIFE))
    }
}

fn is_public_suffix(domain: &str) -> bool {
    let suffix = psl::suffix(domain.as_bytes());
    suffix.is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes())
}

fn max_age(text: &str) -> Option<Duration> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.len() < text.len() {
        return Some(Duration::ZERO);
    }
    // More digits than a number holds are longer than any cookie lives.
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

fn split_pair(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match part.iter().position(|byte| *byte == b'=') {
        Some(at) => (part[..at].trim_ascii(), Some(part[at + 1..].trim_ascii())),
        None => (part.trim_ascii(), None),
    }
}
