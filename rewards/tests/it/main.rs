//! Integration tests of the graders, in one binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod tinyzero;
