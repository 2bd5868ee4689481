//! Adapters merged into their base: [`Merged`] is a source of weights like any other, and
//! [`merge`](fn@merge) writes it as a model folder with a report.
//!
//! What is left out: running the result.

mod adapter;
mod arithmetic;
mod base;
mod card;
mod change;
mod combine;
mod low_rank;
mod merged;
mod random;
mod report;
mod svd;
mod truncate;
mod write;

pub use arithmetic::{Arithmetic, MajoritySign, Prune};
pub use combine::Combination;
pub use merged::Merged;
pub use report::{
    BaseChoice, Change, ChosenBase, MergeReport, ModuleReport, Source, WeightedSource,
};
pub(crate) use truncate::truncated;
pub use write::{MergeRequest, merge};
