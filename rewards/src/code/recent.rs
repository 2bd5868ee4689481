//! Unpacked tests of the problems that are being graded: many samples of one problem are graded one
//! after the other, and unpacking it may take longer than a grading. Bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::problem::Test;

/// Tests shared by those who grade.
pub(super) type Shared = Arc<[Test]>;

/// Which problem: its name, and a hash of what is packed.
type Key = (String, u64);

/// The tests that were asked for last.
pub(super) struct Recent {
    /// The last one asked for at the end.
    entries: Mutex<VecDeque<Arc<Entry>>>,
    /// Most bytes of tests that are kept while nobody grades by them.
    limit: usize,
}

struct Entry {
    key: Key,
    /// Unpacked once, by the first who asks; the others wait for it.
    tests: OnceLock<Result<Shared, String>>,
}

impl Entry {
    /// Bytes of the tests; of those that are still being unpacked nobody knows.
    fn bytes(&self) -> usize {
        let size = |test: &Test| size_of::<Test>() + test.input.len() + test.output.len();
        match self.tests.get() {
            Some(Ok(tests)) => tests.iter().map(size).sum(),
            Some(Err(_)) | None => 0,
        }
    }
}

impl Recent {
    /// Keeps up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), limit }
    }

    /// The tests of `key`, by `unpack` where they are not at hand.
    pub(super) fn get(
        &self,
        key: &Key,
        unpack: impl FnOnce() -> Result<Vec<Test>, String>,
    ) -> Result<Shared, String> {
        let entry = self.entry(key);
        let tests = entry.tests.get_or_init(|| unpack().map(Shared::from)).clone();
        self.forget();
        tests
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: &Key) -> Arc<Entry> {
        let mut entries = self.lock();
        let known = entries.iter().position(|entry| entry.key == *key);
        let entry = known
            .and_then(|at| entries.remove(at))
            .unwrap_or_else(|| Arc::new(Entry { key: key.clone(), tests: OnceLock::new() }));
        entries.push_back(Arc::clone(&entry));
        entry
    }

    /// Lets go of those that were asked for longest ago, until the others are within the limit.
    fn forget(&self) {
        let mut entries = self.lock();
        let mut bytes: usize = entries.iter().map(|entry| entry.bytes()).sum();
        while bytes > self.limit {
            let Some(oldest) = entries.pop_front() else { return };
            bytes -= oldest.bytes().min(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn tests(bytes: usize) -> Vec<Test> {
        vec![Test { input: "x".repeat(bytes), output: String::new() }]
    }

    #[test]
    fn tests_are_unpacked_once_while_they_are_asked_for() {
        let (recent, unpacked) = (Recent::new(10_000), AtomicUsize::new(0));
        let ask = |name: &str, bytes: usize| {
            let unpack = || {
                unpacked.fetch_add(1, Ordering::SeqCst);
                Ok(tests(bytes))
            };
            recent.get(&(name.to_owned(), 0), unpack).unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(ask("a", 4_000).len(), 1));
            }
        });
        assert_eq!(unpacked.load(Ordering::SeqCst), 1);
        ask("b", 4_000);
        ask("a", 4_000);
        assert_eq!(unpacked.load(Ordering::SeqCst), 2);
        ask("c", 4_000);
        assert_eq!(recent.lock().len(), 2, "b was asked for longest ago");
        ask("b", 4_000);
        assert_eq!(unpacked.load(Ordering::SeqCst), 4);
        // What is larger than the limit serves who asked for it, and is not kept.
        assert_eq!(ask("d", 20_000)[0].input.len(), 20_000);
        assert_eq!(recent.lock().len(), 0);
    }

    #[test]
    fn what_cannot_be_unpacked_says_why_to_everyone() {
        let recent = Recent::new(1);
        let ask = || recent.get(&("a".to_owned(), 0), || Err("no".to_owned()));
        assert_eq!((ask(), ask()), (Err("no".to_owned()), Err("no".to_owned())));
    }
}
