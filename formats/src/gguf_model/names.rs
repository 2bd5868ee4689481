//! llama.cpp's tensor names and Hugging Face's, for the decoders of this program.

/// Tensors of no layer: GGUF's names and Hugging Face's.
const WHOLE: [(&str, &str); 3] = [
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// Modules of a layer.
const MODULES: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The name that a tensor has in a Hugging Face checkpoint; `None` for names that this table lacks.
pub fn hf_name(name: &str) -> Option<String> {
    if let Some((_, theirs)) = WHOLE.iter().find(|(ours, _)| *ours == name) {
        return Some((*theirs).to_owned());
    }
    let (layer, module, kind) = parts(name.strip_prefix("blk.")?)?;
    let (_, theirs) = MODULES.iter().find(|(ours, _)| *ours == module)?;
    Some(format!("model.layers.{layer}.{theirs}.{kind}"))
}

/// The name that a tensor of a Hugging Face checkpoint has in a GGUF file; the inverse of [`hf_name`].
pub fn gguf_name(name: &str) -> Option<String> {
    if let Some((ours, _)) = WHOLE.iter().find(|(_, theirs)| *theirs == name) {
        return Some((*ours).to_owned());
    }
    let (layer, module, kind) = parts(name.strip_prefix("model.layers.")?)?;
    let (ours, _) = MODULES.iter().find(|(_, theirs)| *theirs == module)?;
    Some(format!("blk.{layer}.{ours}.{kind}"))
}

/// Layer, module, and `weight` or `bias`.
fn parts(rest: &str) -> Option<(usize, &str, &str)> {
    let (layer, rest) = rest.split_once('.')?;
    let (module, kind) = rest.rsplit_once('.')?;
    matches!(kind, "weight" | "bias").then_some((layer.parse().ok()?, module, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_or_unknown() {
        let is = |ours: &str, theirs: Option<&str>| assert_eq!(hf_name(ours).as_deref(), theirs);
        is("output.weight", Some("lm_head.weight"));
        is("blk.12.attn_q.bias", Some("model.layers.12.self_attn.q_proj.bias"));
        is("blk.0.ffn_norm.weight", Some("model.layers.0.post_attention_layernorm.weight"));
        is("blk.0.ffn_gate_exps.weight", None);
        is("blk.x.attn_q.weight", None);
        is("blk.0.attn_q.scale", None);
        is("rope_freqs.weight", None);
        for (ours, theirs) in WHOLE {
            assert_eq!(gguf_name(theirs).as_deref(), Some(ours));
        }
        for (ours, _) in MODULES {
            let ours = format!("blk.7.{ours}.weight");
            assert_eq!(gguf_name(&hf_name(&ours).unwrap()), Some(ours));
        }
        assert_eq!(gguf_name("model.layers.x.mlp.up_proj.weight"), None);
    }
}
