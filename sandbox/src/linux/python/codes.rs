//! Compiled programs, so that the tests of one solution compile it once. The first child compiles
//! before it runs anything of the program, and hands the code over; this side never looks at it, and
//! gives it to children with the very same text alone.

use std::collections::VecDeque;
use std::sync::Arc;

/// So many programs are remembered: more than threads that run tests at a time.
const MOST: usize = 64;

/// The code of the latest programs.
#[derive(Default)]
pub(super) struct Codes {
    latest: VecDeque<(Vec<u8>, Arc<[u8]>)>,
}

impl Codes {
    /// The code of this text, where it is remembered.
    pub(super) fn get(&self, text: &[u8]) -> Option<Arc<[u8]>> {
        self.latest.iter().find(|one| one.0 == text).map(|one| Arc::clone(&one.1))
    }

    /// Remembers it in place of the oldest.
    pub(super) fn put(&mut self, text: Vec<u8>, code: Vec<u8>) {
        if self.get(&text).is_none() {
            self.latest.truncate(MOST - 1);
            self.latest.push_front((text, code.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_by_their_whole_text() {
        let mut codes = Codes::default();
        for n in 0..=MOST {
            codes.put(n.to_string().into(), vec![n as u8]);
        }
        codes.put("5".into(), vec![99]);
        assert_eq!(codes.get(b"0"), None);
        assert_eq!(codes.get(b"5").as_deref(), Some(&[5][..]));
        assert_eq!(codes.get(b"64").as_deref(), Some(&[64][..]));
        assert_eq!((codes.get(b"6 "), codes.latest.len()), (None, MOST));
    }
}
