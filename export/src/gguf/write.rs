//! The file itself: the layout is fixed first, then rows are read, encoded on all cores and written in
//! order by one thread, so that memory holds a few megabytes a core whatever the model's size.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use formats::digest::Hashed;
use formats::gguf::{GgufLayout, Metadata, NewTensor, TensorType, Value};
use formats::{GenerationConfig, ModelConfig, whole};
use kernels::blocks::{BlockType, quantize_rows};
use rayon::prelude::*;

use super::choice::{Sizes, choose};
use super::file_type::FileType;
use super::importance::Importance;
use super::provenance::Provenance;
use super::tensors::{Planned, Source, interleave, plan};
use super::{card, decoder, tokenizer};
use crate::{Error, Result, Weights};

/// Values that one thread encodes at a time.
const SLAB: usize = 1 << 18;

/// A model to be written.
#[derive(Clone, Copy)]
pub struct GgufModel<'a> {
    /// Its weights, as they shall be.
    pub weights: &'a dyn Weights,
    /// The configuration that describes these weights.
    pub config: &'a ModelConfig,
    /// The folder with its tokenizer, chat template, generation settings and card.
    pub dir: &'a Path,
}

/// How it is written.
#[derive(Clone, Debug)]
pub struct GgufOptions {
    /// The type.
    pub file_type: FileType,
    /// What errors cost in each column, where that was measured.
    pub importance: Option<Importance>,
    /// `general.name`.
    pub name: String,
    /// Where the weights came from.
    pub provenance: Provenance,
    /// Whether a file that stands in the way is replaced.
    pub existing: whole::Existing,
}

/// A tensor that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTensor {
    /// llama.cpp's name.
    pub name: String,
    /// How its values are stored.
    pub kind: BlockType,
    /// Values in all.
    pub elements: usize,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufReport {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// In the file's order.
    pub tensors: Vec<WrittenTensor>,
    /// What the user should know, each a sentence.
    pub warnings: Vec<String>,
}

/// Writes `model` to `path`, whole or not at all. `progress` is told the bytes written so far and in all.
///
/// The same model and options give the same bytes, whatever the number of threads.
///
/// # Errors
/// A model whose weights and configuration do not fit together, what GGUF cannot express, a file in the
/// way, or whatever goes wrong while reading or writing.
pub fn write_gguf(
    model: GgufModel<'_>,
    options: &GgufOptions,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<GgufReport> {
    if options.existing == whole::Existing::Refuse && path.exists() {
        return Err(Error::refused(path, "exists already; choose another name or give --force"));
    }
    let mut warnings = Vec::new();
    let planned = plan(model.weights, model.config, model.dir, &mut warnings)?;
    let kinds = kinds(&planned, model.config, options);
    let metadata = metadata(model, options, &planned, &mut warnings)?;
    let new: Vec<NewTensor> =
        planned.iter().zip(&kinds).map(|(tensor, &kind)| new_tensor(tensor, kind)).collect();
    let file = Plan {
        weights: model.weights,
        layout: GgufLayout::new(path, &metadata, &new)?,
        importance: options.importance.as_ref(),
        planned,
        kinds,
    };
    let sha256 = file.write(path, progress)?;
    let tensors = file.planned.iter().zip(&file.kinds).map(|(tensor, &kind)| WrittenTensor {
        name: tensor.name.clone(),
        kind,
        elements: tensor.shape.iter().product(),
    });
    let tensors = tensors.collect();
    Ok(GgufReport { sha256, bytes: file.layout.file_bytes(), tensors, warnings })
}

fn new_tensor(tensor: &Planned<'_>, kind: BlockType) -> NewTensor {
    let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
    NewTensor { name, shape, kind: tensor_type(kind) }
}

/// The container's view of a block type.
pub(super) fn tensor_type(kind: BlockType) -> TensorType {
    TensorType {
        id: kind.id(),
        name: kind.name(),
        block_len: kind.block_len(),
        block_bytes: kind.block_bytes(),
    }
}

fn kinds(planned: &[Planned<'_>], config: &ModelConfig, options: &GgufOptions) -> Vec<BlockType> {
    let sizes = Sizes {
        architecture: config.architecture,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        tied: !planned.iter().any(|tensor| tensor.name == "output.weight"),
        importance: options.importance.is_some(),
    };
    let kind = |tensor: &Planned<'_>| {
        let columns = tensor.shape.last().copied().unwrap_or(1);
        choose(options.file_type, &sizes, &tensor.name, tensor.shape.len(), columns)
    };
    planned.iter().map(kind).collect()
}

fn metadata(
    model: GgufModel<'_>,
    options: &GgufOptions,
    planned: &[Planned<'_>],
    warnings: &mut Vec<String>,
) -> Result<Metadata> {
    let generation = GenerationConfig::read(model.dir)?;
    let mut metadata = Metadata::new();
    let text = |text: &str| Value::String(text.to_owned());
    metadata.set("general.architecture", text(model.config.architecture.model_type()));
    metadata.set("general.type", text("model"));
    if let Some(generation) = &generation {
        sampling(generation, &mut metadata);
    }
    metadata.set("general.name", text(&options.name));
    let elements = planned.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    metadata.set("general.size_label", Value::String(size_label(elements)));
    options.provenance.general(&mut metadata);
    card::describe(model.dir, &mut metadata);
    if metadata.get("general.license").is_none()
        && let Some(license) = &options.provenance.license
    {
        license.describe(&mut metadata);
    }
    decoder::describe(model.config, options.file_type, model.dir, &mut metadata)?;
    warnings.extend(tokenizer::describe(
        model.dir,
        model.config,
        generation.as_ref(),
        &mut metadata,
    )?);
    if let Some(importance) = &options.importance {
        importance.describe(&mut metadata);
    }
    options.provenance.own(&mut metadata);
    Ok(metadata)
}

/// `general.sampling.*`: how the model's makers want it sampled.
fn sampling(generation: &GenerationConfig, metadata: &mut Metadata) {
    if let Some(top_k) = generation.top_k.and_then(|k| i32::try_from(k).ok()) {
        metadata.set("general.sampling.top_k", Value::I32(top_k));
    }
    for (key, value) in [
        ("top_p", generation.top_p),
        ("min_p", generation.min_p),
        ("temp", generation.temperature),
        ("penalty_repeat", generation.repetition_penalty),
    ] {
        if let Some(value) = value {
            metadata.set(format!("general.sampling.{key}"), decoder::float(value));
        }
    }
}

/// gguf-py's `size_label`: two digits or more, e.g. `494M`, `1.5B`.
fn size_label(elements: usize) -> String {
    let millions = elements as f64 / 1e6;
    let (scaled, suffix) = match elements {
        0..1_000_000 => (elements as f64 / 1e3, "K"),
        1_000_000..1_000_000_000 => (millions, "M"),
        1_000_000_000..1_000_000_000_000 => (millions / 1e3, "B"),
        _ => (millions / 1e6, "T"),
    };
    let decimals = usize::from(format!("{scaled:.0}").len() < 2);
    format!("{scaled:.decimals$}{suffix}")
}

/// Everything that is decided before the first byte is written.
struct Plan<'a> {
    weights: &'a dyn Weights,
    layout: GgufLayout,
    importance: Option<&'a Importance>,
    planned: Vec<Planned<'a>>,
    kinds: Vec<BlockType>,
}

/// Rows of one tensor.
struct Slab {
    tensor: usize,
    rows: Range<usize>,
}

impl Plan<'_> {
    fn write(&self, path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<String> {
        let slabs: Vec<Slab> = (0..self.planned.len()).flat_map(|at| self.slabs(at)).collect();
        let mut counts = vec![0; self.planned.len()];
        slabs.iter().for_each(|slab| counts[slab.tensor] += 1);
        let batch = 4 * rayon::current_num_threads();
        let (sender, receiver) = sync_channel(2 * batch);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_file(path, &self.layout, &counts, receiver));
            let encoded = self.encode_all(&slabs, batch, sender, progress);
            // Where the writer failed first, its reason is the one that counts.
            match writer.join() {
                Ok(Ok(digest)) => encoded.map(|()| digest),
                Ok(Err(error)) => Err(encoded.err().unwrap_or(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Encodes batch after batch and hands the bytes on in order; stops early if nobody takes them.
    fn encode_all(
        &self,
        slabs: &[Slab],
        batch: usize,
        sender: SyncSender<Vec<u8>>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let (mut done, all) = (0, self.layout.file_bytes());
        for slabs in slabs.chunks(batch) {
            let encoded: Result<Vec<Vec<u8>>> =
                slabs.par_iter().map(|slab| self.encode(slab)).collect();
            self.release(slabs);
            for bytes in encoded? {
                done += bytes.len() as u64;
                if sender.send(bytes).is_err() {
                    return Ok(());
                }
            }
            progress(done, all);
        }
        Ok(())
    }

    /// Gives back the memory of what was encoded. No slab reads what another one has read.
    fn release(&self, slabs: &[Slab]) {
        let mut tensors: Vec<usize> = slabs.iter().map(|slab| slab.tensor).collect();
        tensors.dedup();
        for at in tensors {
            match &self.planned[at].source {
                Source::Rows(tensor) | Source::Heads(tensor, _) => self.weights.release(tensor),
                Source::Values(_) => {}
            }
        }
    }

    /// Cuts a tensor into slabs of whole rows, and of whole heads where rows are reordered.
    fn slabs(&self, tensor: usize) -> Vec<Slab> {
        let planned = &self.planned[tensor];
        let columns = planned.shape.last().copied().unwrap_or(1);
        let rows: usize = planned.shape.iter().rev().skip(1).product();
        let mut step = SLAB.div_ceil(columns.max(1));
        if let Source::Heads(_, head) = planned.source {
            step = step.next_multiple_of(head);
            // A bias is one row; its values are reordered all at once.
            step = if planned.shape.len() == 1 { 1 } else { step };
        }
        let starts = (0..rows).step_by(step);
        starts.map(|start| Slab { tensor, rows: start..rows.min(start + step) }).collect()
    }

    fn encode(&self, slab: &Slab) -> Result<Vec<u8>> {
        let planned = &self.planned[slab.tensor];
        let kind = self.kinds[slab.tensor];
        let columns = planned.shape.last().copied().unwrap_or(1);
        let mut values = vec![0.0; slab.rows.len() * columns];
        match &planned.source {
            Source::Rows(tensor) => {
                self.weights.read_rows(tensor, slab.rows.clone(), &mut values)?;
            }
            Source::Heads(tensor, head) => {
                let mut theirs = vec![0.0; values.len()];
                self.weights.read_rows(tensor, slab.rows.clone(), &mut theirs)?;
                let width = if planned.shape.len() == 1 { 1 } else { columns };
                interleave(&theirs, width, *head, &mut values);
            }
            Source::Values(own) => values.copy_from_slice(own),
        }
        check_range(&planned.name, kind, &values)?;
        let weighed = match self.importance {
            Some(importance) => importance.of(&planned.name, columns)?,
            None => None,
        };
        let mut bytes = vec![0; slab.rows.len() * kind.row_bytes(columns)];
        quantize_rows(kind, &values, columns, weighed, &mut bytes);
        Ok(bytes)
    }
}

/// Writes what the encoder sends; returns the file's SHA-256.
fn write_file(
    path: &Path,
    layout: &GgufLayout,
    slabs: &[usize],
    encoded: Receiver<Vec<u8>>,
) -> Result<String> {
    hashed(path, |out| {
        layout.write(out, |tensor, out| {
            for _ in 0..slabs[tensor] {
                let stopped = |_| io::Error::other("the encoder stopped");
                out.write_all(&encoded.recv().map_err(stopped)?)?;
            }
            Ok(())
        })
    })
}

/// Writes a file whole; returns its SHA-256.
pub(super) fn hashed(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<String> {
    let mut sha256 = String::new();
    whole::stream_file::<Error>(path, |out| {
        let mut out = Hashed::new(out);
        fill(&mut out)?;
        sha256 = out.finish();
        Ok(())
    })?;
    Ok(sha256)
}

/// Refuses values that the type would turn into infinities. Block types have scales in half precision.
fn check_range(tensor: &str, kind: BlockType, values: &[f32]) -> Result<()> {
    let most = match kind {
        BlockType::F32 => f32::MAX,
        BlockType::BF16 => half::bf16::MAX.to_f32(),
        _ => half::f16::MAX.to_f32(),
    };
    let Some(bad) = values.iter().find(|value| value.is_nan() || value.abs() > most) else {
        return Ok(());
    };
    let advice = if bad.is_finite() {
        format!("which {} cannot hold; write bf16 or f32", kind.name())
    } else {
        "so the base or an adapter is broken".to_owned()
    };
    Err(Error::refused(Path::new(tensor), format!("tensor holds {bad}, {advice}")))
}
