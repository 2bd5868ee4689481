//! The flags that say how weights are stored and how a result is put in place and shown: the verbs
//! that write models share them.

use clap::{Args, ValueEnum};
use export::Storage;
use formats::Dtype;
use formats::whole::Existing;

use super::size;

/// What becomes of what is there, and of the report.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ResultArgs {
    /// Replace what is there under this name
    #[arg(long)]
    pub(super) force: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl ResultArgs {
    /// Whether what is there already is replaced.
    pub(super) fn existing(self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }
}

/// How the weights of a model folder are stored.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct StorageArgs {
    /// Type of the weights [default: the base's; of a quantized one, what it was before]
    #[arg(long, value_enum)]
    dtype: Option<DtypeArg>,
    /// Largest file of weights
    #[arg(long, value_name = "BYTES", default_value = "5GB", value_parser = size::parse)]
    max_shard_size: usize,
}

impl StorageArgs {
    /// As the writer takes it.
    pub(super) fn storage(self) -> Storage {
        Storage {
            dtype: self.dtype.map(DtypeArg::dtype),
            max_shard_bytes: self.max_shard_size as u64,
        }
    }
}

/// Types that weights can be written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum DtypeArg {
    /// 16-bit brain floats
    Bf16,
    /// 16-bit floats
    F16,
    /// 32-bit floats: nothing is rounded
    F32,
}

impl DtypeArg {
    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::Bf16 => Dtype::BF16,
            Self::F16 => Dtype::F16,
            Self::F32 => Dtype::F32,
        }
    }
}
