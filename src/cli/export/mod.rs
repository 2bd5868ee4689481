//! `wardrobe export`: packages for other programs, straight from a base and its adapters. One file a
//! package; what they share (where weights come from, how progress looks) has files of its own.

mod display;
mod gguf;
mod gguf_adapter;
mod imatrix;
mod ollama;
mod source;
mod verify;

pub(super) use gguf::report_path;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Arguments of `wardrobe export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(subcommand)]
    package: Package,
}

#[derive(Debug, Subcommand)]
enum Package {
    /// One GGUF file for llama.cpp: base and adapters merged, quantized, with tokenizer and template
    Gguf(gguf::GgufArgs),
    /// A LoRA adapter as a GGUF file, for llama.cpp to apply to a GGUF base while it runs
    GgufAdapter(gguf_adapter::GgufAdapterArgs),
    /// What a text says about which weights matter, for `export gguf --imatrix` and llama-quantize
    Imatrix(imatrix::ImatrixArgs),
    /// A model for Ollama: a folder for `ollama create`, straight into its store, or an OCI layout
    Ollama(Box<ollama::OllamaArgs>),
}

/// Makes the package.
pub(super) fn run(args: &ExportArgs) -> Result<()> {
    match &args.package {
        Package::Gguf(args) => gguf::run(args),
        Package::GgufAdapter(args) => gguf_adapter::run(args),
        Package::Imatrix(args) => imatrix::run(args),
        Package::Ollama(args) => ollama::run(args),
    }
}
