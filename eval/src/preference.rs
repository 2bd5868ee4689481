//! Arithmetic of preferences: what a judge's verdicts say once the length of answers is taken out.
//! Pure functions; whom a judge is and how it is asked is `judge`'s.

mod length_controlled;
mod logistic;

pub use length_controlled::{Comparison, LengthControlled, length_controlled};
