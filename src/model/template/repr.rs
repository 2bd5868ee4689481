//! How Python prints values: `str` and `repr`, where minijinja differs (floats, characters that do not
//! print).

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Value};

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
pub(super) fn python_str(value: &Value) -> Result<String, Error> {
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
        ValueKind::String => string_repr(value.as_str().unwrap_or_default()),
        _ => format!("{value:?}"),
    })
}

/// Python's `repr` of a string: double quotes only around a text with single quotes alone, and escapes
/// for what does not print.
fn string_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            c if prints(c) => out.push(c),
            c => out.push_str(&match u32::from(c) {
                code @ 0..=0xff => format!("\\x{code:02x}"),
                code @ 0x100..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable`: Rust's `Debug` escapes the same categories (all of "other" and of
/// "separator" but the space), and, unless another character stands before them, combining marks.
fn prints(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || String::from_iter(['a', c]).escape_debug().count() == 2
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
