//! llama.cpp's tensor names and Hugging Face's, for the decoders of this program.

/// The name that a tensor has in a Hugging Face checkpoint; `None` for names that this table lacks.
pub fn hf_name(name: &str) -> Option<String> {
    let whole = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight"),
        "output_norm.weight" => Some("model.norm.weight"),
        "output.weight" => Some("lm_head.weight"),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some(whole.to_owned());
    }
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (module, kind) = rest.split_once('.')?;
    let module = match module {
        "attn_norm" => "input_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        _ => return None,
    };
    matches!(kind, "weight" | "bias").then(|| format!("model.layers.{layer}.{module}.{kind}"))
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
    }
}
