//! `--config FILE`: a TOML file with the flags' words, underscores for dashes. Its lines become
//! arguments that stand before those of the command line, so that the command line wins and both are
//! checked by the same rules.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Command};
use toml::Value;

use super::usage::Usage;

/// Arguments of the command `name` (`wardrobe serve`), with those of the file before the command line's.
pub(super) fn parsed<A: Args>(path: &Path, name: &'static str) -> Result<A> {
    let command = A::augment_args(Command::new(name));
    let mut all: Vec<OsString> = vec![name.into()];
    all.extend(arguments(path, &command)?);
    all.extend(std::env::args_os().skip(name.split(' ').count()));
    let matches = command.get_matches_from(all);
    A::from_arg_matches(&matches)
        .with_context(|| format!("{} and the command line do not agree", path.display()))
}

/// The file's arguments for `command`.
fn arguments(path: &Path, command: &Command) -> Result<Vec<OsString>> {
    let text = fs_err::read_to_string(path)?;
    let table: toml::Table =
        text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let mut arguments = Vec::new();
    for (key, value) in &table {
        let known = flags(command);
        let flag = key.replace('_', "-");
        if flag == "config" || !known.contains(&flag) {
            let known: Vec<String> = known.iter().map(|flag| flag.replace('-', "_")).collect();
            let (path, known) = (path.display(), known.join(", "));
            return Err(Usage(format!("{path}: unknown key `{key}`; known are {known}")).into());
        }
        let add = refuse_boolean(command, &flag, value)
            .and_then(|()| append(&mut arguments, &flag, value, &known));
        add.with_context(|| format!("{}: `{key}`", path.display()))?;
    }
    Ok(arguments)
}

/// The long flags of a command, but for `--config` and `--help`.
fn flags(command: &Command) -> Vec<String> {
    let longs = command.get_arguments().filter_map(|argument| argument.get_long());
    longs.filter(|long| !["config", "help"].contains(long)).map(str::to_owned).collect()
}

/// A boolean turns a switch on or off; it is no value.
fn refuse_boolean(command: &Command, flag: &str, value: &Value) -> Result<()> {
    let mut named = command.get_arguments().filter(|argument| argument.get_long() == Some(flag));
    if value.is_bool() && named.any(|argument| argument.get_action().takes_values()) {
        bail!("expected a value, found {value}; leave the line out for the default");
    }
    Ok(())
}

fn append(
    arguments: &mut Vec<OsString>,
    flag: &str,
    value: &Value,
    known: &[String],
) -> Result<()> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(true) => {
            arguments.push(format!("--{flag}").into());
            return Ok(());
        }
        Value::Boolean(false) => {
            let no = format!("no-{flag}");
            if known.contains(&no) {
                arguments.push(format!("--{no}").into());
            }
            return Ok(());
        }
        Value::Array(items) => {
            return items.iter().try_for_each(|item| append(arguments, flag, item, known));
        }
        Value::Table(_) | Value::Datetime(_) => {
            bail!(
                "expected a string, number, boolean or a list of them, found {}",
                value.type_str()
            )
        }
    };
    arguments.push(format!("--{flag}={text}").into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn read(text: &str) -> Result<Vec<OsString>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let flag = |name: &'static str| Arg::new(name).long(name);
        let switch = |name: &'static str| flag(name).action(ArgAction::SetTrue);
        let command = Command::new("serve").args(["port", "adapter", "config"].map(flag));
        arguments(file.path(), &command.args(["caching", "no-caching", "quiet"].map(switch)))
    }

    #[test]
    fn lines_become_arguments() {
        let got = read("port = 0\nadapter = ['a=x', 'b=y']\ncaching = false").unwrap();
        assert_eq!(got, ["--adapter=a=x", "--adapter=b=y", "--no-caching", "--port=0"]);
        assert_eq!(read("caching = true").unwrap(), ["--caching"]);
        assert!(read("quiet = false").unwrap().is_empty(), "it is off as it is");
    }

    #[test]
    fn mistakes_are_named() {
        let says = |text: &str| format!("{:#}", read(text).unwrap_err());
        assert!(says("prt = 1").contains("unknown key `prt`; known are port, adapter"));
        assert!(says("config = 'x'").contains("unknown key `config`"));
        assert!(says("port = {}").contains("`port`: expected a string"));
        assert!(says("port = ").contains("is not TOML"));
        for boolean in ["true", "false"] {
            let said = says(&format!("port = {boolean}"));
            assert!(said.contains(&format!("`port`: expected a value, found {boolean}")), "{said}");
        }
    }
}
