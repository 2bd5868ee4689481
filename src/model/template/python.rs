//! Where Python's string methods differ from minijinja's: whitespace in `strip` and `split`,
//! `splitlines`, and methods it lacks. The rest comes from minijinja-contrib's `pycompat`.

use minijinja::value::{Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::repr::python_str;

/// A method that minijinja does not know itself.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = value.as_str().map_or(Ok(None), |text| string_method(text, name, args))?;
    own.map_or_else(|| pycompat::unknown_method_callback(state, value, name, args), Ok)
}

/// The string methods written here; `None` leaves the call to `pycompat`.
fn string_method(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let value = match name {
        "strip" => Value::from(strip_start(strip_end(text, args)?, args)?),
        "lstrip" => Value::from(strip_start(text, args)?),
        "rstrip" => Value::from(strip_end(text, args)?),
        "removeprefix" => Value::from(text.strip_prefix(one(args)?).unwrap_or(text)),
        "removesuffix" => Value::from(text.strip_suffix(one(args)?).unwrap_or(text)),
        "partition" => partition(text, text.split_once(one(args)?), one(args)?, false),
        "rpartition" => partition(text, text.rsplit_once(one(args)?), one(args)?, true),
        "split" if args.is_empty() => {
            text.split(is_space).filter(|part| !part.is_empty()).collect()
        }
        "rsplit" => rsplit(text, args)?,
        "splitlines" => split_lines(text, args)?,
        "index" => {
            let at = text.find(one(args)?);
            let at =
                at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "zfill" => Value::from(zfill(text, from_args::<(usize,)>(args)?.0)),
        "isdecimal" | "isdigit" => Value::from(
            !text.is_empty()
                && text.chars().all(|c| c.is_numeric() && c.to_digit(36).is_none_or(|d| d < 10)),
        ),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn one(args: &[Value]) -> Result<&str, Error> {
    Ok(from_args::<(&str,)>(args)?.0)
}

/// Python's `str.isspace`: Unicode white space and the four separators U+001C to U+001F.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `strip()`.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Python's `rstrip()`.
pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

fn strip_start<'t>(text: &'t str, args: &[Value]) -> Result<&'t str, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    Ok(match chars {
        Some(chars) => text.trim_start_matches(|c| chars.contains(c)),
        None => text.trim_start_matches(is_space),
    })
}

fn strip_end<'t>(text: &'t str, args: &[Value]) -> Result<&'t str, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    Ok(match chars {
        Some(chars) => text.trim_end_matches(|c| chars.contains(c)),
        None => trim_end(text),
    })
}

fn partition(text: &str, cut: Option<(&str, &str)>, separator: &str, from_end: bool) -> Value {
    let parts = match cut {
        Some((head, tail)) => [head, separator, tail],
        None if from_end => ["", "", text],
        None => [text, "", ""],
    };
    Value::from(Tuple::from(parts.map(Value::from)))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
    let pieces =
        limit.and_then(|limit| usize::try_from(limit).ok()).map_or(usize::MAX, |limit| limit + 1);
    let mut parts: Vec<&str> = match separator {
        Some(separator) => text.rsplitn(pieces, separator).collect(),
        None if pieces == usize::MAX => {
            text.rsplit(is_space).filter(|part| !part.is_empty()).collect()
        }
        None => {
            let detail = "rsplit with a limit needs a separator here";
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
    };
    parts.reverse();
    Ok(parts.into_iter().collect())
}

/// Python breaks lines at more than `\n`.
fn split_lines(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (keep,): (Option<bool>,) = from_args(args)?;
    let is_break = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_break) {
        let width = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..if keep == Some(true) { at + width } else { at }]);
        rest = &rest[at + width..];
    }
    lines.extend((!rest.is_empty()).then_some(rest));
    Ok(lines.into_iter().collect())
}

fn zfill(text: &str, width: usize) -> String {
    let missing = width.min(4096).saturating_sub(text.chars().count());
    let (sign, digits) = match text.chars().next() {
        Some('+' | '-') => text.split_at(1),
        _ => ("", text),
    };
    format!("{sign}{}{digits}", "0".repeat(missing))
}

/// `x|trim` and `x|trim(chars)`.
pub(super) fn trim_filter(value: &Value, chars: Option<&str>) -> Result<String, Error> {
    let text = python_str(value)?;
    let args: Vec<Value> = chars.map(Value::from).into_iter().collect();
    Ok(strip_start(strip_end(&text, &args)?, &args)?.to_owned())
}

/// `x|string`.
pub(super) fn string_filter(value: &Value) -> Result<String, Error> {
    python_str(value)
}
