//! Dates of cookies, which come in any form (RFC 6265bis, 5.1.1).

use std::time::{Duration, SystemTime};

/// The moment that `text` names. `None` if it names none.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() {
            time = time_of_day(token);
            if time.is_some() {
                continue;
            }
        }
        if day.is_none() {
            day = number(token, 1..=2);
            if day.is_some() {
                continue;
            }
        }
        if month.is_none() {
            month = month_of(token);
            if month.is_some() {
                continue;
            }
        }
        if year.is_none() {
            year = number(token, 2..=4);
        }
    }
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        year => year,
    };
    let seconds = since_1970(year, month?, day?)? * 86_400 + time?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

fn is_delimiter(character: char) -> bool {
    matches!(
        character,
        '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~'
    )
}

/// The number that `token` begins with, if it has so many digits.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let length = token.bytes().take_while(u8::is_ascii_digit).count();
    let number = &token[..length];
    digits.contains(&length).then(|| number.parse().ok())?
}

/// Seconds since midnight.
fn time_of_day(token: &str) -> Option<i64> {
    let mut parts = token.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |text: &str| {
        let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
        number(text, 1..=2).filter(|_| is_whole)
    };
    let (hour, minute, second) = (whole(hour)?, whole(minute)?, number(second, 1..=2)?);
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

fn month_of(token: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = token.get(..3)?.to_ascii_lowercase();
    let place = MONTHS.iter().position(|month| *month == name)?;
    Some(place as i64 + 1)
}

/// Days since 1970 (Hinnant, *chrono-Compatible Low-Level Date Algorithms*). `None` for a day that
/// is none.
fn since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1601 || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin with March end with the day that is not always there.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let since = parse(text)?.duration_since(SystemTime::UNIX_EPOCH);
        Some(since.unwrap().as_secs())
    }

    #[test]
    fn a_date_is_understood_in_every_form_that_is_about() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "6 november 1994 8:49:37",
            "08:49:37;1994/nov/6 UTC+0",
        ] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn calendars_agree() {
        for year in 1601..2500 {
            for (month, day) in [("Jan", 1), ("Feb", 28), ("Mar", 1), ("Dec", 31)] {
                if year < 1970 {
                    continue;
                }
                let text = format!("Sun, {day:02} {month} {year} 23:59:59 GMT");
                let other = httpdate::parse_http_date(&text);
                if let Ok(other) = other {
                    assert_eq!(parse(&text), Some(other), "{text}");
                }
            }
        }
        assert_eq!(seconds("29 Feb 2024 00:00:00"), Some(1_709_164_800));
        assert_eq!(seconds("1 Jan 00 00:00:00"), Some(946_684_800));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "29 Feb 2023 00:00:00",
            "31 Apr 2024 00:00:00",
            "0 Jan 2024 00:00:00",
            "1 Jan 2024 24:00:00",
            "1 Jan 2024 00:60:00",
            "1 Jan 2024",
            "1 Jan 1600 00:00:00",
            "1 2024 00:00:00",
            "1 Jan 20240 00:00:00",
            "1 Jan 2024 000:00:00",
            "\u{e4}\u{f6}\u{fc} 1 \u{65e5}\u{672c} 2024 00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("1 Jan 1601 00:00:00").unwrap() < SystemTime::UNIX_EPOCH);
    }
}
