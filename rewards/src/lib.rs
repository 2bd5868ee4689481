//! Graders: (problem, completion) to a [`Grade`]. One function grades training and evaluation
//! alike. Leaves out where completions come from and what is made of many grades.
//!
//! [`Settings`] are what a suite's `[grader]` says; [`Grader::build`] makes the grader of them;
//! [`Grader::reference`] reads a problem's truth out of a row of its data; [`Grader::grade`] says what
//! an answer is worth. A grader is shared by threads.

mod choice;
pub mod code;
mod completion;
pub mod countdown;
mod exact;
mod fields;
mod grade;
mod grader;
mod measure;
mod normalise;
mod numeric;
mod pattern;

pub use choice::{ChoiceScore, ChoiceSettings};
pub use completion::Completion;
pub use countdown::CountdownSettings;
pub use exact::ExactSettings;
pub use grade::{Failure, Grade};
pub use grader::{Grader, Reference, Resources, Settings};
pub use measure::{Measure, MeasureKind};
pub use normalise::Normalise;
pub use numeric::NumericSettings;
pub use pattern::{Pick, RegexSettings};
