//! A LoRA adapter as a GGUF file that llama.cpp applies to a GGUF base while it runs.
//!
//! llama.cpp scales every pair by one alpha over the pair's rank. Other scales (rsLoRA, `alpha_pattern`,
//! `rank_pattern`) are expressed exactly where one alpha can say them, and folded into B elsewhere; its
//! own converter ignores them. What the format cannot hold is refused.

use std::path::Path;

use formats::gguf::{GgufLayout, Metadata, NewTensor, Value};
use formats::peft::{AdapterFiles, Change, Part, Place};
use formats::{Architecture, ModelConfig, Site, whole};
use kernels::blocks::{BlockType, quantize_rows};
use kernels::transposed;

use super::tensors::interleave;
use super::write::{GgufOptions, GgufReport, WrittenTensor, hashed, tensor_type};
use crate::{Error, Result};

/// One of a pair, ready to be written.
struct Half {
    name: String,
    shape: [usize; 2],
    values: Vec<f32>,
}

/// Writes the adapter `files`, made for a base of configuration `base`, to `path`, whole or not at all.
/// The type must be F32, F16 or BF16.
///
/// # Errors
/// An adapter that does not fit the base, or that changes what GGUF adapters cannot (DoRA, biases, modules
/// saved whole, the head or the embedding of a base that ties the two): merge it instead.
pub fn write_gguf_adapter(
    files: &AdapterFiles,
    base: &ModelConfig,
    options: &GgufOptions,
    path: &Path,
) -> Result<GgufReport> {
    if options.existing == whole::Existing::Refuse && path.exists() {
        return Err(Error::refused(path, "exists already; choose another name or give --force"));
    }
    if options.file_type.is_quantized() {
        let problem =
            format!("adapters are written as f32, f16 or bf16, not {}", options.file_type);
        return Err(Error::refused(path, problem));
    }
    let plan = files.plan(base)?;
    for change in &plan.changes {
        refuse(change, base, files)?;
    }
    let alpha = common_alpha(&plan.changes);
    let mut halves = Vec::new();
    for change in &plan.changes {
        halves.extend(pair(change, base, alpha, files)?);
    }
    halves.sort_by(|a, b| a.name.cmp(&b.name));
    let metadata = metadata(base, options, alpha);
    let kind = options.file_type.default_block();
    let (sha256, bytes) = write(&halves, kind, &metadata, path)?;
    let tensors = halves.iter().map(|half| WrittenTensor {
        name: half.name.clone(),
        kind,
        elements: half.values.len(),
    });
    Ok(GgufReport { sha256, bytes, tensors: tensors.collect(), warnings: plan.warnings })
}

fn metadata(base: &ModelConfig, options: &GgufOptions, alpha: f32) -> Metadata {
    let mut metadata = Metadata::new();
    let text = |text: &str| Value::String(text.to_owned());
    metadata.set("general.architecture", text(base.architecture.model_type()));
    metadata.set("general.type", text("adapter"));
    metadata.set("adapter.type", text("lora"));
    metadata.set("general.name", text(&options.name));
    options.provenance.general(&mut metadata);
    metadata.set("adapter.lora.alpha", Value::F32(alpha));
    metadata.set("general.file_type", Value::U32(options.file_type.id()));
    metadata.set("general.quantization_version", Value::U32(2));
    options.provenance.own(&mut metadata);
    metadata
}

/// Only plain pairs A, B can be said, and only at tensors that the base's file has.
fn refuse(change: &Change<'_>, base: &ModelConfig, files: &AdapterFiles) -> Result<()> {
    let what = change.parts.keys().find_map(|part| match part {
        Part::A | Part::B => None,
        Part::BBias => Some("a bias on B (lora_bias)"),
        Part::Magnitude => Some("DoRA's magnitudes"),
        Part::Bias => Some("a trained bias"),
        Part::Weight => Some("a module saved whole (modules_to_save)"),
    });
    let tied = base.tie_word_embeddings;
    let what = what.or(match change.place {
        Place::Head if tied => Some("a LoRA on the head of a base that ties it to the embedding"),
        Place::Embed if tied => Some("a LoRA on the embedding of a base that ties the head to it"),
        _ => None,
    });
    let Some(what) = what else { return Ok(()) };
    let problem = format!(
        "{} has {what}, which a GGUF adapter cannot hold; merge it into the base instead: wardrobe \
         export gguf --model BASE --adapter {}",
        change.place.path(),
        files.dir().display()
    );
    Err(Error::refused(files.dir(), problem))
}

/// The alpha that most pairs have as `scale · rank`; never 0, which llama.cpp takes for "no alpha".
fn common_alpha(changes: &[Change<'_>]) -> f32 {
    let alphas: Vec<f32> = changes.iter().filter_map(own_alpha).filter(|a| *a != 0.0).collect();
    let count = |alpha: f32| alphas.iter().filter(|other| **other == alpha).count();
    let most = alphas.iter().copied().reduce(
        |best, alpha| {
            if count(alpha) > count(best) { alpha } else { best }
        },
    );
    most.unwrap_or(1.0)
}

/// The alpha that llama.cpp would have to divide by the pair's rank.
fn own_alpha(change: &Change<'_>) -> Option<f32> {
    change.pair.map(|(rank, scale)| (scale * rank as f64) as f32)
}

/// A and B of one module under llama.cpp's names; B carries what alpha does not say.
fn pair(
    change: &Change<'_>,
    base: &ModelConfig,
    alpha: f32,
    files: &AdapterFiles,
) -> Result<Vec<Half>> {
    let (Some(a), Some(b), Some((rank, _))) =
        (change.parts.get(&Part::A), change.parts.get(&Part::B), change.pair)
    else {
        return Ok(Vec::new());
    };
    let (mut a_values, mut b_values) = (a.to_f32()?, b.to_f32()?);
    let own = own_alpha(change).unwrap_or(alpha);
    if own != alpha {
        let fold = own / alpha;
        b_values.iter_mut().for_each(|value| *value *= fold);
    }
    if let Some(bad) = a_values.iter().chain(&b_values).find(|value| !value.is_finite()) {
        let problem = format!("{} holds {bad}; train the adapter again", change.place.path());
        return Err(Error::refused(files.dir(), problem));
    }
    let (rows, columns) = change.place.shape(base);
    let name = tensor_name(change.place);
    let (a_shape, b_shape) = match change.place {
        Place::Embed => {
            a_values = transposed(&a_values, rank, rows);
            ([rows, rank], [columns, rank])
        }
        _ => ([rank, columns], [rows, rank]),
    };
    let rotated = matches!(change.place, Place::Linear(_, Site::Q | Site::K));
    if rotated && base.architecture == Architecture::Llama {
        let mut reordered = vec![0.0; b_values.len()];
        interleave(&b_values, rank, base.head_dim, &mut reordered);
        b_values = reordered;
    }
    Ok(vec![
        Half { name: format!("{name}.lora_a"), shape: a_shape, values: a_values },
        Half { name: format!("{name}.lora_b"), shape: b_shape, values: b_values },
    ])
}

fn tensor_name(place: Place) -> String {
    match place {
        Place::Embed => "token_embd.weight".to_owned(),
        Place::Head => "output.weight".to_owned(),
        Place::Linear(layer, site) => {
            let name = match site {
                Site::Q => "attn_q",
                Site::K => "attn_k",
                Site::V => "attn_v",
                Site::O => "attn_output",
                Site::Gate => "ffn_gate",
                Site::Up => "ffn_up",
                Site::Down => "ffn_down",
            };
            format!("blk.{layer}.{name}.weight")
        }
    }
}

/// The file's SHA-256 and its bytes.
fn write(
    halves: &[Half],
    kind: BlockType,
    metadata: &Metadata,
    path: &Path,
) -> Result<(String, u64)> {
    let new = halves.iter().map(|half| NewTensor {
        name: half.name.clone(),
        shape: half.shape.to_vec(),
        kind: tensor_type(kind),
    });
    let layout = GgufLayout::new(path, metadata, &new.collect::<Vec<_>>())?;
    let digest = hashed(path, |out| {
        layout.write(out, |at, out| {
            let half = &halves[at];
            let mut bytes = vec![0; layout.tensor_bytes(at)];
            quantize_rows(kind, &half.values, half.shape[1], None, &mut bytes);
            Ok(out.write_all(&bytes)?)
        })
    })?;
    Ok((digest, layout.file_bytes()))
}
