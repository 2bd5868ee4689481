//! How a download looks.

use hf_hub::api::Progress;
use indicatif::DecimalBytes;

use crate::cli::progress::Shown;

/// Of smaller files nothing is said but how far they are.
const SMALL: usize = 10_000_000;

/// One file on its way.
pub(super) struct Download {
    name: String,
    total: usize,
    done: usize,
    shown: Shown,
}

impl Download {
    /// A download that begins now.
    pub(super) fn new(name: &str) -> Self {
        let shape =
            "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        Self { name: name.to_owned(), total: 0, done: 0, shown: Shown::new(shape) }
    }

    fn line(&self) -> String {
        let (done, total) = (DecimalBytes(self.done as u64), DecimalBytes(self.total as u64));
        format!("fetching {}: {done} of {total}", self.name)
    }
}

impl Progress for Download {
    /// Called at the start, and again when a download goes on: then `update` tells what was there.
    fn init(&mut self, size: usize, _name: &str) {
        (self.total, self.done) = (size, 0);
        self.shown.note(|| self.name.clone());
    }

    fn update(&mut self, size: usize) {
        let first = self.done == 0;
        self.done += size;
        let (done, total) = (self.done as u64, self.total as u64);
        if first {
            self.shown.begin_at(done, total);
        }
        self.shown.at(done, total, || self.line());
    }

    fn finish(&mut self) {
        self.shown.finish();
        if self.total >= SMALL {
            let size = DecimalBytes(self.total as u64);
            self.shown.say(&format!("fetched {}, {size}", self.name));
        }
    }
}
