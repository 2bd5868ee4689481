//! PEFT's regular expressions over module names, which are Python's. Compiled once, when the file is
//! read, so that a bad pattern is an error there and never later.

use std::fmt;

use fancy_regex::Regex;

/// A regular expression over dotted module names such as `model.layers.0.self_attn.q_proj`.
///
/// Matching is by backtracking with a limit; a pattern that exceeds it on some name counts as not
/// matching there, which the comparison of targets with tensors then brings to light.
#[derive(Clone)]
pub struct ModulePattern {
    source: String,
    regex: Regex,
}

impl ModulePattern {
    /// Matches whole names: Python's `re.fullmatch(source, name)`.
    ///
    /// # Errors
    /// A description of what is wrong with the pattern.
    pub fn whole(source: &str) -> Result<Self, String> {
        Self::compile(source, &format!(r"\A(?:{source})\z"))
    }

    /// Matches names that end in it at a dot: the keys of `rank_pattern` and `alpha_pattern`, Python's
    /// `re.match(rf"(.*\.)?({source})$", name)`.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub fn ending(source: &str) -> Result<Self, String> {
        Self::compile(source, &format!(r"\A(.*\.)?({source})\z"))
    }

    /// Matches names that have it between dots, and everything below them: Python's
    /// `re.match(rf"(^|.*\.){source}($|\..*)", name)`, by which `modules_to_save` keeps modules free of A
    /// and B.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub fn within(source: &str) -> Result<Self, String> {
        Self::compile(source, &format!(r"\A(?:(^|.*\.){source}($|\..*))"))
    }

    /// Captures the layer's number behind it: `layers_pattern`, Python's
    /// `re.match(rf"(?:^|.*?\.){source}\.(?P<idx>\d+)\.", name)`.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub fn before_index(source: &str) -> Result<Self, String> {
        Self::compile(source, &format!(r"\A(?:(?:^|.*?\.){source}\.(?P<idx>\d+)\.)"))
    }

    /// Matches names that begin with it: Python's `re.match(source, name)`.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub fn starting(source: &str) -> Result<Self, String> {
        Self::compile(source, &format!(r"\A(?:{source})"))
    }

    fn compile(source: &str, whole: &str) -> Result<Self, String> {
        // Alone first, so that a stray parenthesis cannot lean on the frame around it.
        Regex::new(source).map_err(|error| error.to_string())?;
        let regex = Regex::new(whole).map_err(|error| error.to_string())?;
        Ok(Self { source: source.to_owned(), regex })
    }

    /// The pattern as written in the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name).unwrap_or(false)
    }

    /// The number captured by [`Self::before_index`]: `None` if the name does not match, `Some(None)` if
    /// it matches without a number (which alternatives in the pattern can bring about).
    pub(super) fn index_in(&self, name: &str) -> Option<Option<usize>> {
        let captures = self.regex.captures(name).ok()??;
        Some(captures.name("idx").and_then(|index| index.as_str().parse().ok()))
    }
}

impl fmt::Debug for ModulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModulePattern({:?})", self.source)
    }
}

impl PartialEq for ModulePattern {
    /// The same pattern in the same frame.
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}
