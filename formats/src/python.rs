//! How Python prints values (`repr`), for prompts and chat templates that were written in it. Leaves out
//! `str`, which differs for a text alone.

use serde_json::Value;

/// Python's `repr` of what its `json.loads` would make of this value. Whole numbers beyond 64 bits are
/// floats already when they come here.
#[must_use]
pub fn repr(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_repr(float),
            _ => number.to_string(),
        },
        Value::String(text) => string_repr(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(repr).collect())),
        Value::Object(map) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{}: {}", string_repr(key), repr(value));
            format!("{{{}}}", joined(map.iter().map(pair).collect()))
        }
    }
}

/// Python's `repr` of a string: double quotes only around a text with single quotes alone, and escapes
/// for what does not print.
#[must_use]
pub fn string_repr(text: &str) -> String {
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
#[must_use]
pub fn float_repr(float: f64) -> String {
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

    #[test]
    fn values_print_as_python_does() {
        // print(json.loads(...)) of Python 3.11.
        for (json, printed) in [
            (
                r#"["it's", "\"", "it's \"", null, true, false]"#,
                r#"["it's", '"', 'it\'s "', None, True, False]"#,
            ),
            (
                r#"[1e16, 1e-5, 0.1, 1.0, -0.0, 100, 18446744073709551615]"#,
                "[1e+16, 1e-05, 0.1, 1.0, -0.0, 100, 18446744073709551615]",
            ),
            (
                r#"["\u0000\u001b\u007f\u00a0\u00ad\u200b\u2028\ue000", "é\u0301 ✓\t\n\\"]"#,
                r"['\x00\x1b\x7f\xa0\xad\u200b\u2028\ue000', 'é\u0301 ✓\t\n\\']",
            ),
            (
                r#"{"k": {"a'b": [1.5]}, "n": {}, "l": []}"#,
                r#"{'k': {"a'b": [1.5]}, 'n': {}, 'l': []}"#,
            ),
        ] {
            assert_eq!(
                repr(&serde_json::from_str(json).unwrap()),
                printed.replace("\\u0301", "\u{301}")
            );
        }
    }
}
