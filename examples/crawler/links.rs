//! The links of a page.
//!
//! As much HTML as links need, and no more: a crawler of the open web takes a parser (html5ever),
//! which knows comments, scripts and `<base>` too.

use url::Url;

/// Where the `<a href=..>` of `html` lead, each once, in the order of the page.
pub(crate) fn links(base: &Url, html: &str) -> Vec<Url> {
    let mut links = Vec::new();
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let Some(attributes) = tag.strip_prefix(['a', 'A']) else {
            continue;
        };
        if !attributes.starts_with(|c: char| c.is_ascii_whitespace()) {
            continue;
        }
        let link = href(attributes).and_then(|link| base.join(&link.replace("&amp;", "&")).ok());
        let Some(mut link) = link else {
            continue;
        };
        link.set_fragment(None);
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// The value of `href` among ` class="x" href='y' id=z`.
fn href(attributes: &str) -> Option<&str> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=') else {
            rest = after; // It has no value.
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
            _ => value
                .split_once(|c: char| c.is_ascii_whitespace())
                .unwrap_or((value, "")),
        };
        if name.eq_ignore_ascii_case("href") {
            return Some(value.trim());
        }
        rest = after.trim_start();
    }
    None
}
