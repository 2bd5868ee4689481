//! Which tensors the file will hold, in llama-quantize's order, and where each one's values come from.

use std::collections::HashMap;
use std::path::Path;

use formats::{Architecture, ModelConfig};
use rayon::prelude::*;

use super::rope;
use crate::{Error, Result, TensorInfo, Weights};

/// A tensor of the file.
pub(super) struct Planned<'a> {
    /// llama.cpp's name.
    pub(super) name: String,
    /// Extents, outermost first.
    pub(super) shape: Vec<usize>,
    pub(super) source: Source<'a>,
}

/// Where values come from.
pub(super) enum Source<'a> {
    /// The rows of a tensor of the model.
    Rows(&'a TensorInfo),
    /// The same with each head's rows in another order; see [`interleave`].
    Heads(&'a TensorInfo, usize),
    /// These very values.
    Values(Vec<f32>),
}

/// A tensor that the configuration calls for.
struct Expected {
    theirs: String,
    ours: String,
    shape: Vec<usize>,
    /// The width of heads whose rows are reordered.
    head: Option<usize>,
}

/// Lays out the model's tensors; `path` is named where something does not fit.
pub(super) fn plan<'a>(
    weights: &'a dyn Weights,
    config: &ModelConfig,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<Planned<'a>>> {
    let found = weights.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor));
    let mut found: HashMap<&str, &TensorInfo> = found.collect();
    let mut planned = Vec::new();
    for expected in expected(config, path)? {
        let tensor = take(&mut found, &expected.theirs, &expected.shape, path)?;
        let source = match expected.head {
            Some(head) => Source::Heads(tensor, head),
            None => Source::Rows(tensor),
        };
        planned.push(Planned { name: expected.ours, shape: expected.shape, source });
    }
    if let Some(tensor) = head(weights, config, &mut found, path, warnings)? {
        let (name, shape) = ("output.weight".to_owned(), tensor.shape.clone());
        planned.push(Planned { name, shape, source: Source::Rows(tensor) });
    }
    if let Some(factors) = rope::factors(config) {
        let (name, shape) = ("rope_freqs.weight".to_owned(), vec![factors.len()]);
        planned.push(Planned { name, shape, source: Source::Values(factors) });
    }
    refuse_leftovers(&found, path)?;
    planned.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
    Ok(planned)
}

/// llama-quantize's order: tensors of no layer first, then by layer, each by name.
fn order(name: &str) -> (Option<usize>, &str) {
    let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    (number.and_then(|number| number.parse().ok()), name)
}

fn take<'a>(
    found: &mut HashMap<&str, &'a TensorInfo>,
    name: &str,
    shape: &[usize],
    path: &Path,
) -> Result<&'a TensorInfo> {
    let (path, owned) = (path.to_owned(), name.to_owned());
    match found.remove(name) {
        None => Err(formats::Error::MissingTensor { path, name: owned }.into()),
        Some(tensor) if tensor.shape == shape => Ok(tensor),
        Some(tensor) => {
            let (expected, found) = (shape.to_owned(), tensor.shape.clone());
            Err(formats::Error::WrongShape { path, name: owned, expected, found }.into())
        }
    }
}

/// The head, if it is a matrix of its own.
fn head<'a>(
    weights: &dyn Weights,
    config: &ModelConfig,
    found: &mut HashMap<&str, &'a TensorInfo>,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<&'a TensorInfo>> {
    let shape = [config.vocab_size, config.hidden_size];
    if !found.contains_key("lm_head.weight") && config.tie_word_embeddings {
        return Ok(None);
    }
    let head = take(found, "lm_head.weight", &shape, path)?;
    let embedding = weights.tensors().iter().find(|t| t.name == "model.embed_tokens.weight");
    if let Some(embedding) = embedding
        && same(weights, embedding, head)?
    {
        return Ok(None);
    }
    if config.tie_word_embeddings {
        warnings.push(
            "the weights hold an lm_head.weight that differs from the embedding, but config.json ties \
             the two: the embedding is the head, as everywhere else"
                .to_owned(),
        );
        return Ok(None);
    }
    Ok(Some(head))
}

/// Whether two matrices of one shape hold the same values to the bit.
fn same(weights: &dyn Weights, a: &TensorInfo, b: &TensorInfo) -> Result<bool> {
    let (rows, columns) = (a.rows(), a.columns());
    let step = (1_usize << 18).div_ceil(columns.max(1)).max(1);
    let starts: Vec<usize> = (0..rows).step_by(step).collect();
    let differ = |&start: &usize| -> Result<bool> {
        let range = start..rows.min(start + step);
        let mut left = vec![0.0; range.len() * columns];
        let mut right = vec![0.0; range.len() * columns];
        weights.read_rows(a, range.clone(), &mut left)?;
        weights.read_rows(b, range, &mut right)?;
        Ok(left.iter().zip(&right).any(|(x, y)| x.to_bits() != y.to_bits()))
    };
    let first = starts.par_iter().map(differ).find_any(|found| !matches!(found, Ok(false)));
    weights.release(a);
    weights.release(b);
    first.map_or(Ok(true), |found| found.map(|_| false))
}

/// Tensors that no rule names would be lost: only those that hold no weights may be.
fn refuse_leftovers(found: &HashMap<&str, &TensorInfo>, path: &Path) -> Result<()> {
    let computed = |name: &str| {
        let buffers = [".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias"];
        buffers.iter().any(|end| name.ends_with(end))
    };
    match found.keys().filter(|name| !computed(name)).min() {
        None => Ok(()),
        Some(name) => {
            let problem = format!(
                "holds the tensor `{name}`, which config.json does not call for and GGUF has no place \
                 for; are weights and configuration of one model?"
            );
            Err(Error::refused(path, problem))
        }
    }
}

/// Every tensor but the head.
fn expected(config: &ModelConfig, path: &Path) -> Result<Vec<Expected>> {
    let plain = |theirs: &str, ours: &str, shape: &[usize]| Expected {
        theirs: theirs.to_owned(),
        ours: ours.to_owned(),
        shape: shape.to_vec(),
        head: None,
    };
    let hidden = config.hidden_size;
    let mut all = vec![
        plain("model.embed_tokens.weight", "token_embd.weight", &[config.vocab_size, hidden]),
        plain("model.norm.weight", "output_norm.weight", &[hidden]),
    ];
    let llama = config.architecture == Architecture::Llama;
    if (config.o_bias || config.mlp_bias) && !llama {
        let problem = "has biases on o_proj or the MLP, which llama.cpp does not read for this \
                       architecture; merge to safetensors instead (wardrobe merge)";
        return Err(Error::refused(path, problem));
    }
    for layer in 0..config.num_hidden_layers {
        let sites = sites(config).into_iter().chain(norms(config));
        for (theirs, ours, shape) in sites {
            let rotated = llama && matches!(ours.split('.').next(), Some("attn_q" | "attn_k"));
            all.push(Expected {
                theirs: format!("model.layers.{layer}.{theirs}"),
                ours: format!("blk.{layer}.{ours}"),
                shape,
                head: rotated.then_some(config.head_dim),
            });
        }
    }
    Ok(all)
}

type Named = (String, String, Vec<usize>);

/// The linear layers of one decoder layer, with their biases.
fn sites(config: &ModelConfig) -> Vec<Named> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let q = config.num_attention_heads * config.head_dim;
    let kv = config.num_key_value_heads * config.head_dim;
    let sites = [
        ("self_attn.q_proj", "attn_q", q, hidden, config.qkv_bias),
        ("self_attn.k_proj", "attn_k", kv, hidden, config.qkv_bias),
        ("self_attn.v_proj", "attn_v", kv, hidden, config.qkv_bias),
        ("self_attn.o_proj", "attn_output", hidden, q, config.o_bias),
        ("mlp.gate_proj", "ffn_gate", inner, hidden, config.mlp_bias),
        ("mlp.up_proj", "ffn_up", inner, hidden, config.mlp_bias),
        ("mlp.down_proj", "ffn_down", hidden, inner, config.mlp_bias),
    ];
    let mut named = Vec::new();
    for (theirs, ours, rows, columns, bias) in sites {
        named.push((format!("{theirs}.weight"), format!("{ours}.weight"), vec![rows, columns]));
        if bias {
            named.push((format!("{theirs}.bias"), format!("{ours}.bias"), vec![rows]));
        }
    }
    named
}

fn norms(config: &ModelConfig) -> Vec<Named> {
    let hidden = config.hidden_size;
    let mut norms = vec![
        ("input_layernorm.weight", "attn_norm.weight", hidden),
        ("post_attention_layernorm.weight", "ffn_norm.weight", hidden),
    ];
    if config.architecture == Architecture::Qwen3 {
        norms.push(("self_attn.q_norm.weight", "attn_q_norm.weight", config.head_dim));
        norms.push(("self_attn.k_norm.weight", "attn_k_norm.weight", config.head_dim));
    }
    let named = norms.into_iter();
    named.map(|(theirs, ours, width)| (theirs.to_owned(), ours.to_owned(), vec![width])).collect()
}

/// Reorders rows of `columns` values within each head of `head` rows, from Hugging Face's two halves to
/// llama.cpp's neighbours for Llama: row `2j + p` of a head is its row `p · head/2 + j`.
pub(crate) fn interleave(rows: &[f32], columns: usize, head: usize, out: &mut [f32]) {
    for (theirs, ours) in
        rows.chunks_exact(head * columns).zip(out.chunks_exact_mut(head * columns))
    {
        for (at, row) in ours.chunks_exact_mut(columns).enumerate() {
            let from = (at % 2) * (head / 2) + at / 2;
            row.copy_from_slice(&theirs[from * columns..(from + 1) * columns]);
        }
    }
}
