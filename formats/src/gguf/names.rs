//! How llama.cpp calls the tensors that Hugging Face checkpoints call otherwise.

/// Parts of a layer: behind `model.layers.N.` there, behind `blk.N.` here, the ending left out.
const PARTS: [(&str, &str); 11] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
];

/// GGUF's name of a tensor of a Qwen2, Qwen3 or Llama decoder; `None` for names of no such tensor.
pub fn tensor_name(hugging_face: &str) -> Option<String> {
    let whole = match hugging_face {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        "lm_head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(name) = whole {
        return Some(name.to_owned());
    }
    let (layer, rest) = hugging_face.strip_prefix("model.layers.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (module, ending) = rest.rsplit_once('.')?;
    let (_, part) = PARTS.iter().find(|(theirs, _)| *theirs == module)?;
    matches!(ending, "weight" | "bias").then(|| format!("blk.{layer}.{part}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_llama_cpps() {
        let name = |name| tensor_name(name).unwrap_or_default();
        assert_eq!(name("lm_head.weight"), "output.weight");
        assert_eq!(name("model.layers.12.self_attn.k_proj.bias"), "blk.12.attn_k.bias");
        assert_eq!(name("model.layers.0.post_attention_layernorm.weight"), "blk.0.ffn_norm.weight");
        for other in ["model.layers.x.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.scale", ""] {
            assert_eq!(tensor_name(other), None);
        }
    }
}
