//! How Python prints values: `str` and `repr`, where minijinja differs (floats, characters that do not
//! print).

use formats::python::{float_repr, string_repr};
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
