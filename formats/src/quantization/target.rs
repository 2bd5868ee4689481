//! Which modules a compressed-tensors group is for.

use crate::peft::ModulePattern;

/// One entry of `targets`.
#[derive(Clone, Debug)]
pub enum Target {
    /// `re:...`, matched from the start of the module's name.
    Pattern(ModulePattern),
    /// A module's full name or a class of modules, e.g. `Linear`.
    Name(String),
}

impl Target {
    /// Reads one entry.
    ///
    /// # Errors
    /// A description of what is wrong with the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("re:") {
            Some(pattern) => ModulePattern::starting(pattern).map(Self::Pattern),
            None => Ok(Self::Name(text.to_owned())),
        }
    }

    /// How closely the entry means the module: 3 by its name, 2 by a pattern, 1 by its class, 0 not.
    pub fn closeness(&self, module: &str) -> u8 {
        match self {
            Self::Name(name) if name == module => 3,
            Self::Pattern(pattern) => 2 * u8::from(pattern.matches(module)),
            Self::Name(class) => u8::from(class == class_of(module)),
        }
    }
}

/// The class that transformers gives a module of these models which holds a matrix.
fn class_of(module: &str) -> &'static str {
    let last = module.rsplit('.').next().unwrap_or(module);
    if last == "embed_tokens" { "Embedding" } else { "Linear" }
}
