//! SIGINT and SIGTERM while something is written: what is unfinished is removed, then the program ends
//! as a shell expects of one that a signal ended. A kill that cannot be caught leaves drafts, which the
//! next writer of the same path removes.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::terminal;

/// Held by a command that is to clean up. A command whose files a signal takes away fails; here it waits,
/// so that the signal has the last word and not that failure.
pub(super) struct Watch {
    came: Arc<AtomicBool>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        while self.came.load(Ordering::Acquire) {
            std::thread::park();
        }
    }
}

/// Calls `clean` when the first of both signals comes, says so in one line, and ends the program.
pub(super) fn clean_up(clean: impl FnOnce() + Send + 'static) -> Result<Watch> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.context("cannot wait for signals")?;
    let signals = runtime.block_on(async { both() }).context("cannot wait for signals")?;
    let came = Arc::new(AtomicBool::new(false));
    let watch = Watch { came: Arc::clone(&came) };
    std::thread::spawn(move || {
        let (name, number) = runtime.block_on(first(signals));
        came.store(true, Ordering::Release);
        clean();
        say(name);
        std::process::exit(128 + number);
    });
    Ok(watch)
}

fn both() -> std::io::Result<[Signal; 2]> {
    Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?])
}

/// The signal's name and number.
async fn first([mut interrupt, mut terminate]: [Signal; 2]) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
    }
}

#[expect(clippy::print_stderr, reason = "the last line before the end")]
fn say(signal: &str) {
    // A bar may stand in the line.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
    let error = terminal::red("error:");
    eprintln!("{clear}{error} ended by {signal}; what was unfinished has been removed");
}
