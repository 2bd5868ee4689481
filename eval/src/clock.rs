//! Dates as HTTP and RFC 3339 write them, in UTC. Leaves out time zones and leap seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time as `2026-11-20T20:25:00Z`; a clock before 1970 counts as 1970.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = civil(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
    let (_, date) = text.split_once(", ")?;
    let parts: Vec<&str> = date.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let days = days_before(year.parse().ok()?, month, day.parse().ok()?)?;
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hour, minute, second] = clock[..] else { return None };
    let in_range = hour < 24 && minute < 60 && second < 61;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    let then = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| in_range)?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, `chrono`-compatible
/// low-level date algorithms).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil`], for dates from 1970 to 9999.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
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
        for day in 0..200_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_before(year, month, of_month), Some(day));
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
