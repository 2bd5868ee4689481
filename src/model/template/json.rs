//! JSON values to template values, and `tojson` as Python's `json.dumps(x, ensure_ascii=False)`
//! writes it (separators `", "` and `": "`, key order kept, floats as Python's `repr`).

use formats::python::float_repr;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value as Jinja};
use serde_json::Value;

/// A JSON value as a template value; key order is kept.
pub(super) fn to_jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Jinja::from(integer),
            (None, Some(integer)) => Jinja::from(integer),
            (None, None) => Jinja::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(items) => items.iter().map(to_jinja).collect(),
        Value::Object(fields) => {
            Jinja::from_pairs(fields.iter().map(|(key, value)| (key.as_str(), to_jinja(value))))
        }
    }
}

/// `x|tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)`.
pub(super) fn tojson(
    value: &Jinja,
    ensure_ascii: Option<bool>,
    indent: Option<Jinja>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let indent =
        indent.map_or_else(|| kwargs.get::<Option<Jinja>>("indent"), |given| Ok(Some(given)))?;
    let indent =
        indent.filter(|indent| !indent.is_none()).map(|indent| indent_text(&indent)).transpose()?;
    let (item, key) =
        match kwargs.get::<Option<Jinja>>("separators")?.filter(|given| !given.is_none()) {
            Some(pair) => (separator(&pair, 0)?, separator(&pair, 1)?),
            None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
            None => (", ".to_owned(), ": ".to_owned()),
        };
    let flag = |name| Ok::<bool, Error>(kwargs.get::<Option<bool>>(name)?.unwrap_or(false));
    let ascii = ensure_ascii.map_or_else(|| flag("ensure_ascii"), Ok)?;
    let sort = flag("sort_keys")?;
    kwargs.assert_all_used()?;
    let mut dump = Dump { out: String::new(), indent, item, key, ascii, sort, depth: 0 };
    dump.value(value)?;
    Ok(dump.out)
}

/// Python takes a number of spaces or the text itself.
fn indent_text(indent: &Jinja) -> Result<String, Error> {
    match (indent.as_str(), indent.as_usize()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(width)) if width <= 64 => Ok(" ".repeat(width)),
        _ if indent.kind() == ValueKind::Bool => Ok(" ".repeat(usize::from(indent.is_true()))),
        _ => Err(invalid("tojson: indent must be text or a number of spaces up to 64")),
    }
}

fn separator(pair: &Jinja, index: usize) -> Result<String, Error> {
    let part = pair.get_item_by_index(index)?;
    part.as_str()
        .map(str::to_owned)
        .ok_or_else(|| invalid("tojson: separators must be two strings"))
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

struct Dump {
    out: String,
    indent: Option<String>,
    item: String,
    key: String,
    ascii: bool,
    sort: bool,
    depth: usize,
}

impl Dump {
    fn value(&mut self, value: &Jinja) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value)?,
            ValueKind::Map => self.map(value)?,
            other => return Err(invalid(format!("tojson: {other} cannot be written as JSON"))),
        }
        Ok(())
    }

    fn list(&mut self, value: &Jinja) -> Result<(), Error> {
        let items: Vec<Jinja> = value.try_iter()?.collect();
        self.out.push('[');
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            self.before(index);
            self.value(item)?;
        }
        self.close(items.is_empty(), ']');
        Ok(())
    }

    fn map(&mut self, value: &Jinja) -> Result<(), Error> {
        let mut keys: Vec<Jinja> = value.try_iter()?.collect();
        if self.sort {
            keys.sort();
        }
        self.out.push('{');
        self.depth += 1;
        for (index, key) in keys.iter().enumerate() {
            self.before(index);
            self.map_key(key)?;
            self.out.push_str(&self.key);
            self.value(&value.get_item(key)?)?;
        }
        self.close(keys.is_empty(), '}');
        Ok(())
    }

    fn map_key(&mut self, key: &Jinja) -> Result<(), Error> {
        let text = match key.kind() {
            ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
            ValueKind::None => "null".to_owned(),
            ValueKind::Bool => (if key.is_true() { "true" } else { "false" }).to_owned(),
            ValueKind::Number => number(key)?,
            other => return Err(invalid(format!("tojson: {other} cannot be a JSON key"))),
        };
        self.string(&text);
        Ok(())
    }

    /// Separator and line break before an item.
    fn before(&mut self, index: usize) {
        if index > 0 {
            self.out.push_str(&self.item);
        }
        self.line();
    }

    fn close(&mut self, empty: bool, bracket: char) {
        self.depth -= 1;
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || (self.ascii && !(' '..='~').contains(&c)) => self.escape(c),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

fn number(value: &Jinja) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let float = f64::try_from(value.clone())?;
    Ok(match float {
        f if f.is_nan() => "NaN".to_owned(),
        f if f.is_infinite() => (if f > 0.0 { "Infinity" } else { "-Infinity" }).to_owned(),
        f => float_repr(f),
    })
}
