//! Where Python's strings and numbers differ from minijinja's: whitespace in `strip` and `split`,
//! `splitlines`, more string methods, and how floats print. The rest comes from minijinja-contrib's
//! `pycompat`.

use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, Output, State, Value};
use minijinja_contrib::pycompat;

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

/// What `{{ x }}` prints.
pub(super) fn format(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&python_str(value)?),
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the output cannot be written"))
}

/// Python's `str(x)`; minijinja prints as Python does, except floats.
fn python_str(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Map => python_repr(value),
        ValueKind::Invalid => value.try_iter().map(|_| String::new()),
        _ => Ok(value.to_string()),
    }
}

/// Python's `repr(x)`.
fn python_repr(value: &Value) -> Result<String, Error> {
    let items = || value.try_iter()?.map(|item| python_repr(&item)).collect::<Result<Vec<_>, _>>();
    Ok(match value.kind() {
        ValueKind::Number if !value.is_integer() => float_repr(f64::try_from(value.clone())?),
        ValueKind::Seq if !value.is_tuple() => format!("[{}]", items()?.join(", ")),
        ValueKind::Map => {
            let pair = |key: Value| {
                Ok(format!("{}: {}", python_repr(&key)?, python_repr(&value.get_item(&key)?)?))
            };
            let pairs = value.try_iter()?.map(pair).collect::<Result<Vec<_>, Error>>()?;
            format!("{{{}}}", pairs.join(", "))
        }
        _ => format!("{value:?}"),
    })
}

/// Python's `repr` of a float: the shortest digits that read back, an exponent below 1e-4 and from
/// 1e16 on.
pub(super) fn float_repr(float: f64) -> String {
    if !float.is_finite() {
        return if float.is_nan() {
            "nan"
        } else if float > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let shortest = format!("{float:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = float.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_does() {
        for (float, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.234e20, "1.234e+20"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (-0.0, "-0.0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_repr(float), expected);
        }
    }
}
