//! Where the hub is and who asks: the variables that Hugging Face's own tools read.

use std::path::PathBuf;

/// How to reach the hub.
#[derive(Debug, Clone)]
pub(in crate::cli) struct HubConfig {
    /// `HF_ENDPOINT`.
    pub(super) endpoint: String,
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub(super) cache_dir: PathBuf,
    /// `HF_TOKEN`; without it the token file in the cache counts.
    pub(super) token: Option<String>,
    /// `HF_HUB_OFFLINE`: the cache alone.
    pub(super) offline: bool,
}

impl HubConfig {
    /// Reads the environment.
    pub(in crate::cli) fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let home = || var("HF_HOME").map_or_else(|| default_home(&var), PathBuf::from);
        let cache_dir = var("HF_HUB_CACHE").map_or_else(|| home().join("hub"), PathBuf::from);
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let yes = |value: String| ["1", "on", "yes", "true"].contains(&&*value.to_lowercase());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache_dir: std::path::absolute(&cache_dir).unwrap_or(cache_dir),
            token: var("HF_TOKEN").map(|token| token.trim().to_owned()),
            offline: var("HF_HUB_OFFLINE").is_some_and(yes),
        }
    }
}

fn default_home(var: impl Fn(&str) -> Option<String>) -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cache");
    var("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("huggingface")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> HubConfig {
        HubConfig::from_vars(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_are_honoured() {
        let got = config(&[
            ("HF_ENDPOINT", "http://localhost:1/"),
            ("HF_HOME", "/x"),
            ("HF_TOKEN", "t\n"),
            ("HF_HUB_OFFLINE", "TRUE"),
        ]);
        assert_eq!(
            (got.endpoint.as_str(), got.token.as_deref()),
            ("http://localhost:1", Some("t"))
        );
        assert_eq!((got.cache_dir, got.offline), (PathBuf::from("/x/hub"), true));
        let got = config(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/x"), ("HF_HUB_OFFLINE", "0")]);
        assert_eq!((got.cache_dir, got.offline), (PathBuf::from("/c"), false));
        assert_eq!(config(&[]).endpoint, "https://huggingface.co");
        let got = config(&[("XDG_CACHE_HOME", "/y")]);
        assert_eq!(got.cache_dir, PathBuf::from("/y/huggingface/hub"));
    }
}
