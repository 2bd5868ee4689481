//! Training: recipes as straight lines over small parts.
//!
//! * [`pretrain`] and [`sft`] are the recipes; read them first.
//! * [`run`] is the loop that they share; it sees what is trained only through [`subject::Subject`].
//! * [`resolve`](mod@resolve), [`settings`], [`text`], [`corpus`], [`plan`] and [`batch`] bring the data to it;
//!   [`window`], [`backward`], [`parameters`], [`clip`], [`schedule`], [`adamw`] and [`workers`]
//!   are a step's parts;
//!   [`preflight`], [`metrics`], [`trainer_state`], [`checkpoint`], [`tensors`], [`lora`] and
//!   [`output`] check, measure and keep it.
//!
//! Runs are reproducible to the byte: every random number follows from the seed and its place
//! ([`random`]), so a run that was killed and resumed ends as one that was not.
//!
//! What is not here: the terminal (`cli` shows [`Event`]s) and serving what was trained.

pub mod adamw;
pub mod backward;
pub mod batch;
pub mod checkpoint;
pub mod clip;
pub mod corpus;
mod error;
pub mod events;
pub mod lora;
pub mod metrics;
pub mod output;
pub mod parameters;
pub mod plan;
pub mod preflight;
pub mod pretrain;
pub mod random;
pub mod record;
pub mod resolve;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod sft;
pub mod stop;
pub mod subject;
pub mod tensors;
pub mod text;
pub mod trainer_state;
pub mod window;
pub mod workers;

pub use error::TrainError;
pub use events::{Event, Progress, Report};
pub use resolve::resolve;
pub use run::Summary;
