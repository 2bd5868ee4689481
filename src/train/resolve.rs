//! Where settings come from: a recipe's defaults, a user's TOML over them, command-line flags over
//! that.
//!
//! Recipes use the words of the flags with underscores. The defaults are the recipe files
//! themselves, embedded, so the documentation cannot drift from what runs.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::TrainError;

/// What a command demands of the settings it is given, beyond their types.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Settings that have no default.
    pub required: &'static [&'static str],
    /// Settings that mean nothing beside the first one, which has its own.
    pub excluded: Option<(&'static str, &'static [&'static str])>,
}

impl Rules {
    fn check(&self, given: &toml::Table) -> Result<(), TrainError> {
        let refuse = |message: String| Err(TrainError::Setting(message));
        let missing = self.required.iter().find(|name| !given.contains_key(**name));
        if let Some(name) = missing {
            let flag = name.replace('_', "-");
            return refuse(format!(
                "--{flag} is missing; give it as a flag or as `{name}` in the recipe"
            ));
        }
        let Some((owner, names)) = self.excluded else { return Ok(()) };
        let excess = names.iter().find(|name| given.contains_key(**name));
        match excess.filter(|_| given.contains_key(owner)) {
            Some(name) => refuse(format!(
                "`{name}` cannot be set beside `{owner}`, which is gone on with as it is; leave one \
                 of the two out"
            )),
            None => Ok(()),
        }
    }
}

/// Lays `flags` over the TOML file `recipe` over `defaults` and reads the result.
///
/// # Errors
/// When a file is not TOML, a setting is unknown or of another type, or a rule is broken.
pub fn resolve<T: Serialize + DeserializeOwned>(
    defaults: &str,
    recipe: Option<&Path>,
    flags: toml::Table,
    rules: Rules,
) -> Result<T, TrainError> {
    let mut given = match recipe {
        Some(path) => parse(&fs_err::read_to_string(path)?, &path.display().to_string())?,
        None => toml::Table::new(),
    };
    given.extend(flags);
    rules.check(&given)?;
    let mut table = parse(defaults, "the built-in recipe")?;
    table.extend(given);
    let names: Vec<String> = table.keys().cloned().collect();
    let config: T = read(&table).map_err(|problem| {
        let name = culprit::<T>(&table, defaults).map_or_else(String::new, |n| format!("`{n}`: "));
        TrainError::Setting(format!("{name}{problem}"))
    })?;
    refuse_unknown(&names, &settings_of(&config)?)?;
    Ok(config)
}

fn read<T: DeserializeOwned>(table: &toml::Table) -> Result<T, String> {
    let value = toml::Value::Table(table.clone());
    value.try_into().map_err(|e: toml::de::Error| in_words(e.message()))
}

/// The reader's message with its types named as a user would.
fn in_words(message: &str) -> String {
    let types = [
        ("expected usize", "expected a whole number from 0 up"),
        ("expected u64", "expected a whole number from 0 up"),
        ("expected f64", "expected a number"),
    ];
    types.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The setting without which the others can be read: the reader's own message does not name it.
fn culprit<'t, T: DeserializeOwned>(table: &'t toml::Table, defaults: &str) -> Option<&'t str> {
    let defaults: toml::Table = defaults.parse().ok()?;
    let readable_without = |name: &&String| {
        let mut rest = table.clone();
        match defaults.get(*name) {
            Some(default) => rest.insert((*name).clone(), default.clone()),
            None => rest.insert((*name).clone(), "x".into()),
        };
        read::<T>(&rest).is_ok()
    };
    table.keys().find(readable_without).map(String::as_str)
}

/// A config as the JSON object that checkpoints record.
///
/// # Errors
/// When it is not an object.
pub fn settings_of(config: &impl Serialize) -> Result<Map<String, Value>, TrainError> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => Ok(map),
        other => Err(TrainError::Setting(format!("settings are not a table: {other:?}"))),
    }
}

fn parse(text: &str, from: &str) -> Result<toml::Table, TrainError> {
    text.parse().map_err(|e: toml::de::Error| {
        TrainError::Setting(format!("{from} is not valid TOML: {}", e.message()))
    })
}

fn refuse_unknown(names: &[String], known: &Map<String, Value>) -> Result<(), TrainError> {
    let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) else { return Ok(()) };
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    Err(TrainError::Setting(format!(
        "`{unknown}` is not a setting of this command; it has {}",
        known.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::pretrain::{self, PretrainConfig};
    use super::super::sft::{self, SftConfig};
    use super::*;

    fn flags(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    const NEEDED: &str = "model = 'base'\ndata = 'a.jsonl'\noutput = 'out'\n";

    fn sft(recipe: Option<&Path>, text: &str) -> Result<SftConfig, TrainError> {
        let mut given = flags(NEEDED);
        given.extend(flags(text));
        resolve(sft::RECIPE, recipe, given, sft::RULES)
    }

    #[test]
    fn the_built_in_recipes_are_complete_and_valid() {
        let config = sft(None, "").unwrap();
        config.common.check().unwrap();
        assert_eq!(config.common.data, [PathBuf::from("a.jsonl")]);
        let needed = flags("data = ['a', 'b']\noutput = 'out'");
        let config: PretrainConfig =
            resolve(pretrain::RECIPE, None, needed, pretrain::RULES).unwrap();
        config.common.check().unwrap();
        assert_eq!(config.common.data.len(), 2);
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "learning_rate = 3e-4\nlora_r = 5\ntarget_modules = ['q_proj', 'v_proj']\n";
        fs_err::write(file.path(), text).unwrap();
        let config = sft(Some(file.path()), "lora_r = 7").unwrap();
        assert!((config.common.learning_rate - 3e-4).abs() < 1e-12);
        assert_eq!(config.lora_r, 7);
        assert_eq!(config.target_modules, ["q_proj", "v_proj"]);
        assert_eq!(config.common.gradient_accumulation_steps, 4);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |result: Result<SftConfig, TrainError>| result.unwrap_err().to_string();
        assert!(error(sft(None, "lora_rank = 3")).contains("`lora_rank` is not a setting"));
        let wrong = error(sft(None, "optim = 'adamw8bit'"));
        assert!(wrong.starts_with("`optim`: unknown variant `adamw8bit`"), "{wrong}");
        let wrong = error(sft(None, "output = 3"));
        assert!(wrong.starts_with("`output`: invalid type: integer `3`"), "{wrong}");
        let none: Result<SftConfig, _> =
            resolve(sft::RECIPE, None, flags("data = 'a'"), sft::RULES);
        assert!(error(none).starts_with("--output is missing"));
        let wrong = error(sft(None, "lora_r = 'x'"));
        assert!(wrong.ends_with("expected a whole number from 0 up"), "{wrong}");
        let config = sft(None, "warmup_steps = -1.0").unwrap();
        let error = config.common.check().unwrap_err().to_string();
        assert_eq!(error, "warmup_steps is -1, expected 0 or more");
    }

    #[test]
    fn what_an_adapter_brings_with_it_cannot_be_set_beside_it() {
        assert!(sft(None, "adapter = 'a'").is_ok());
        for setting in ["lora_r = 4", "lora_dropout = 0.1", "target_modules = 'q_proj'"] {
            let error = sft(None, &format!("adapter = 'a'\n{setting}")).unwrap_err().to_string();
            let name = setting.split(' ').next().unwrap();
            assert!(
                error.starts_with(&format!("`{name}` cannot be set beside `adapter`")),
                "{error}"
            );
        }
    }

    #[test]
    fn settings_record_every_field_flat() {
        let settings = settings_of(&sft(None, "").unwrap()).unwrap();
        for name in ["learning_rate", "seed", "lora_r", "adapter", "data"] {
            assert!(settings.contains_key(name), "{name}");
        }
    }
}
