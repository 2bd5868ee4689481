//! Results for a terminal: the headline's table, its tests, and the notes.

use super::results::Results;
use super::tables;
use super::text::{SENTENCE, line};

/// A table that is wider gets a row for each arm.
const WIDE: usize = 120;

impl Results {
    /// The headline measure's table, its tests, the other measures' tables, the arms, and the notes, as
    /// plain text in columns.
    pub fn terminal(&self) -> String {
        let mut parts = Vec::new();
        for (at, measure) in self.run.measures.iter().enumerate() {
            let wide = tables::rates(self, measure);
            parts.push(match wide.width() {
                0..=WIDE => wide.terminal(),
                _ => tables::rates_by_arm(self, measure).terminal(),
            });
            if let Some(half) = tables::against_half(self, measure).filter(|_| at == 0) {
                parts.push(half.terminal());
            }
            let tests = tables::tests(self, measure);
            if at == 0 && !tests.rows.is_empty() {
                parts.push(tests.terminal());
            }
        }
        parts.extend(tables::length_controlled(self).map(|table| table.terminal()));
        parts.extend(tables::agreements(self).map(|table| table.terminal()));
        parts.push(tables::arms(self).terminal());
        parts.extend(self.notes.iter().map(|note| format!("note: {}\n", line(note, SENTENCE))));
        parts.join("\n")
    }
}
