//! Logs on stderr: `WARDROBE_LOG` (or `RUST_LOG`) says how much, as tracing's filters are written.

use tracing_subscriber::EnvFilter;

use super::terminal;

/// What is logged without the variable.
const DEFAULT: &str = "wardrobe=info,warn";

/// Sends logs to stderr from now on.
pub(super) fn init() {
    let asked = std::env::var("WARDROBE_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let filter = EnvFilter::try_new(asked.as_deref().unwrap_or(DEFAULT));
    let problem = filter.as_ref().err().map(ToString::to_string);
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT)))
        .with_writer(std::io::stderr)
        .with_ansi(terminal::stderr_has_colour())
        .with_target(false);
    // A second call, as tests make, changes nothing.
    drop(logger.try_init());
    if let Some(problem) = problem {
        tracing::warn!(
            "WARDROBE_LOG is not a filter of logs such as `debug` ({problem}); it is ignored"
        );
    }
}
