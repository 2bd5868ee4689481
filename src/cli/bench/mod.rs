//! `wardrobe bench`: reproducible speed and memory figures of what serves. Every report names the
//! machine and shows median, extremes and count; nothing here is asserted, so no test depends on it.

mod batch;
mod common;
mod decode;
mod load;
mod machine;
mod memory;
mod peer;
mod random;
mod random_adapter;
mod random_model;
mod report;
mod session;
mod shape;
mod stats;
mod tokenizer;

use anyhow::Result;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wardrobe bench model --shape qwen2.5-0.5b --output bench-model
  wardrobe bench decode --model bench-model
  wardrobe bench batch --model bench-model --adapters 8 --rank 16
  wardrobe bench memory --model checkpoints/initial --json")]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// Make a model folder of a known shape with random weights.
    Model(random_model::ModelArgs),
    /// Time one request: reading its prompt and writing its answer.
    Decode(decode::DecodeArgs),
    /// Time a batch of different adapters against a batch of the base.
    Batch(batch::BatchArgs),
    /// Compare resident memory with what weights and cache need.
    Memory(memory::MemoryArgs),
    /// Time loading an adapter until its first token.
    Load(load::LoadArgs),
    /// Time one request against llama.cpp on the same weights.
    Peer(peer::PeerArgs),
}

impl BenchArgs {
    /// Runs the benchmark and prints its report on standard output.
    ///
    /// # Errors
    /// When something cannot be read, run or measured.
    pub(super) fn run(&self) -> Result<()> {
        match &self.command {
            BenchCommand::Model(args) => args.run(),
            BenchCommand::Decode(args) => args.run(),
            BenchCommand::Batch(args) => args.run(),
            BenchCommand::Memory(args) => args.run(),
            BenchCommand::Load(args) => args.run(),
            BenchCommand::Peer(args) => args.run(),
        }
    }
}
