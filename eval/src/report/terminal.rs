//! Results for a terminal: the headline's table, its tests, and the notes.

use super::results::Results;
use super::tables;
use super::text::{SENTENCE, line};

impl Results {
    /// The headline measure's table, its tests, the other measures' tables, the arms, and the notes, as
    /// plain text in columns.
    pub fn terminal(&self) -> String {
        let mut parts = Vec::new();
        for (at, measure) in self.run.measures.iter().enumerate() {
            parts.push(tables::rates(self, measure).terminal());
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
