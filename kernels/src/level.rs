//! Which instruction set the kernels run on: detected once, or forced by `WARDROBE_SIMD`.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

/// The environment variable that forces a level: `portable`, `avx2` or `avx512`.
pub const VARIABLE: &str = "WARDROBE_SIMD";

/// An instruction-set level, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust: any CPU, multiplies and adds rounded apart.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512F (with AVX2 and FMA).
    Avx512,
}

/// `WARDROBE_SIMD` names a level that does not exist or that this CPU lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelError {
    found: String,
    known: bool,
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.found;
        let choices: Vec<_> = Level::supported().iter().map(|level| level.name()).collect();
        let choices = choices.join(", ");
        if self.known {
            write!(f, "{VARIABLE} asks for {found}, which this CPU lacks; choose from: {choices}")
        } else {
            write!(f, "{VARIABLE} is `{found}`, which is no level; choose from: {choices}")
        }
    }
}

impl Error for LevelError {}

impl Level {
    const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// The level every public kernel runs on: [`Level::from_env`], read once.
    ///
    /// # Panics
    /// With the sentence of [`LevelError`] when the variable is wrong; a program that wants to
    /// report that politely calls [`Level::from_env`] first.
    pub fn active() -> Level {
        static ACTIVE: OnceLock<Level> = OnceLock::new();
        *ACTIVE.get_or_init(|| Level::from_env().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The level that `WARDROBE_SIMD` names, or the best one this CPU has when it is not set.
    ///
    /// # Errors
    /// When the variable names no level, or one this CPU lacks.
    pub fn from_env() -> Result<Level, LevelError> {
        match std::env::var_os(VARIABLE) {
            Some(value) => Level::from_env_value(&value.to_string_lossy()),
            None => Ok(Level::best()),
        }
    }

    /// The level that `value` names, in any case.
    ///
    /// # Errors
    /// When `value` names no level, or one this CPU lacks.
    pub fn from_env_value(value: &str) -> Result<Level, LevelError> {
        let wanted = value.trim().to_ascii_lowercase();
        match Level::ALL.into_iter().find(|level| level.name() == wanted) {
            Some(level) if level.is_supported() => Ok(level),
            found => Err(LevelError { found: value.to_owned(), known: found.is_some() }),
        }
    }

    /// The levels this CPU has, slowest first; never empty.
    pub fn supported() -> Vec<Level> {
        Level::ALL.into_iter().filter(|level| level.is_supported()).collect()
    }

    /// The name that `WARDROBE_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    fn best() -> Level {
        Level::supported().pop().unwrap_or(Level::Portable)
    }

    /// Whether this CPU can run the level (a cached check, cheap to repeat).
    #[cfg(target_arch = "x86_64")]
    pub fn is_supported(self) -> bool {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match self {
            Level::Portable => true,
            Level::Avx2 => avx2,
            Level::Avx512 => avx2 && is_x86_feature_detected!("avx512f"),
        }
    }

    /// Whether this CPU can run the level.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_supported(self) -> bool {
        self == Level::Portable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_there_and_active_is_supported() {
        assert_eq!(Level::supported()[0], Level::Portable);
        assert!(Level::active().is_supported());
    }

    #[test]
    fn names_are_read_in_any_case_and_others_refused_with_the_choices() {
        assert_eq!(Level::from_env_value(" Portable "), Ok(Level::Portable));
        let error = Level::from_env_value("sse9").unwrap_err().to_string();
        assert!(error.starts_with("WARDROBE_SIMD is `sse9`, which is no level"), "{error}");
        assert!(error.contains("portable"), "{error}");
        for level in Level::ALL {
            assert_eq!(Level::from_env_value(level.name()).is_ok(), level.is_supported());
        }
    }
}
