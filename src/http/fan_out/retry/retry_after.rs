//! The header `Retry-After` (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use crate::runtime::wall_clock;

/// For how long a server asks to be left alone. `None` if it does not, or says nothing that makes
/// sense.
///
/// A date is read against the `Date` of the same answer, so that it does not matter whether the
/// two clocks agree; only without one against the clock of this machine. A date in the past is
/// nought.
pub(in crate::http::fan_out) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = headers.get(header::DATE).and_then(date);
    let now = now.unwrap_or_else(wall_clock);
    Some(until.duration_since(now).unwrap_or(Duration::ZERO))
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers = headers.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        retry_after(&headers.collect())
    }

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn seconds_and_the_three_forms_of_a_date_are_understood() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(asked(&[("retry-after", "120")]), seconds(120));
        assert_eq!(asked(&[("retry-after", " 0 ")]), seconds(0));
        for date in [
            "Sun, 06 Nov 1994 08:50:07 GMT",
            "Sunday, 06-Nov-94 08:50:07 GMT",
            "Sun Nov  6 08:50:07 1994",
        ] {
            assert_eq!(
                asked(&[("retry-after", date), ("date", DATE)]),
                seconds(30),
                "{date}"
            );
        }
    }

    #[test]
    fn a_date_that_has_passed_is_nought() {
        let past = "Sun, 06 Nov 1994 08:49:36 GMT";
        let zero = Some(Duration::ZERO);
        assert_eq!(asked(&[("retry-after", past), ("date", DATE)]), zero);
        assert_eq!(asked(&[("retry-after", past)]), zero);
        assert_eq!(asked(&[("retry-after", past), ("date", "today")]), zero);
    }

    #[test]
    fn a_date_is_read_against_our_clock_where_there_is_no_other() {
        let asked = asked(&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]);
        assert!(asked.unwrap() > Duration::from_secs(365 * 24 * 3600));
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        for value in ["", "-1", "+1", "1.5", "soon", "1 2", "Sun, 06 Nov 1994"] {
            assert_eq!(asked(&[("retry-after", value)]), None, "{value:?}");
        }
        assert_eq!(asked(&[]), None);
        let long = "99999999999999999999999999";
        assert_eq!(
            asked(&[("retry-after", long)]),
            Some(Duration::from_secs(u64::MAX))
        );
    }
}
