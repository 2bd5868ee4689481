//! The flags that choose problems, for a run by its data and for a report by what was asked.

use clap::Args;
use eval::report::Part;

/// Which problems count, of data or of an evaluation.
#[derive(Debug, Args)]
pub(super) struct PartArgs {
    /// Only those of a group, as difficulty=easy; again for more conditions
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = condition)]
    pub(super) wanted: Vec<(String, String)>,
    /// Only those dated that day or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(super) start_date: Option<String>,
    /// Only those dated that day or earlier
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(super) end_date: Option<String>,
}

impl PartArgs {
    /// For a report.
    pub(super) fn part(&self) -> Part {
        Part {
            wanted: self.wanted.clone(),
            start_date: self.start_date.clone(),
            end_date: self.end_date.clone(),
        }
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("expected NAME=VALUE, such as difficulty=easy, found `{text}`")),
    }
}

fn date(text: &str) -> Result<String, String> {
    match eval::is_date(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a date as 2024-08-01, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_conditions_are_checked() {
        assert_eq!(date("2024-08-01").unwrap(), "2024-08-01");
        for bad in ["2024-8-1", "2024-13-01"] {
            assert!(date(bad).is_err(), "{bad}");
        }
        assert_eq!(condition("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(condition("=b").is_err() && condition("a").is_err());
    }
}
