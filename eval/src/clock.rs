//! Dates as HTTP and RFC 3339 write them, in UTC.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

/// A time as `2026-11-20T20:25:00Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Whether a text is a day of the calendar, as `2024-08-01`.
pub fn is_date(text: &str) -> bool {
    // Chrono reads `2024-8-1` too, which is no neighbour of `2024-10-01` when texts are compared.
    NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok_and(|date| date.to_string() == text)
}

/// What `Retry-After` says, from `now`: seconds, or a date as RFC 9110 wants it written
/// (`Fri, 20 Nov 2026 20:25:00 GMT`). A date that has passed is no wait.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // Below 0 is no wait; what is no number is no answer.
        let seconds = if seconds < 0.0 { 0.0 } else { seconds };
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = SystemTime::from(DateTime::parse_from_rfc2822(text).ok()?);
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        // date -u -d @951782400 and so on.
        assert_eq!(rfc3339(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(at(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(at(1_795_206_300)), "2026-11-20T20:25:00Z");
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        assert!(is_date("2024-08-01") && is_date("2024-02-29"));
        for bad in [
            "2024-13-01",
            "2024-00-10",
            "2023-02-29",
            "2024-08-32",
            "2024-8-1",
            "2024-8-010",
            "20240801",
            "2024-08-0x",
            "+2024-8-01",
            " 2024-8-01",
            "ü024-08-1",
            "",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = at(1_795_206_300);
        let after = |text: &str| retry_after(text, now).map(|wait| wait.as_secs_f64());
        assert_eq!(after("3"), Some(3.0));
        assert_eq!(after(" 0.25 "), Some(0.25));
        assert_eq!(after("Fri, 20 Nov 2026 20:26:30 GMT"), Some(90.0));
        assert_eq!(after("Fri, 20 Nov 2026 20:24:00 GMT"), Some(0.0), "it has passed");
        for nonsense in [
            "",
            "soon",
            "NaN",
            "inf",
            "1e300",
            "Fri, 20 Nov 2026 25:00:00 GMT",
            "Fri, 99 Nov 2026 20:00:00 GMT",
            "Fri, 20 Non 2026 20:00:00 GMT",
        ] {
            assert_eq!(after(nonsense), None, "{nonsense}");
        }
    }
}
