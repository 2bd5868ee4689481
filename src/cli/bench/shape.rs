//! The shapes a random model can take, as the `config.json` of the model they are named after.

use serde_json::{Value, json};

/// A known architecture and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shape {
    /// Qwen2.5-0.5B: 494 million parameters, 988 MB in bf16.
    #[value(name = "qwen2.5-0.5b")]
    Qwen25Half,
    /// Qwen3-0.6B: 596 million parameters, 1192 MB in bf16.
    #[value(name = "qwen3-0.6b")]
    Qwen3Small,
    /// Qwen2.5-7B: 7616 million parameters, 15.2 GB in bf16.
    #[value(name = "qwen2.5-7b")]
    Qwen25Seven,
    /// Two layers of width 64, for trying the commands out.
    Tiny,
}

impl Shape {
    /// The `config.json`; special tokens are those of [`super::tokenizer`].
    pub(super) fn config(self) -> Value {
        let mut config = match self {
            Self::Qwen25Half => qwen25_half(),
            Self::Qwen3Small => qwen3_small(),
            Self::Qwen25Seven => qwen25_seven(),
            Self::Tiny => tiny(),
        };
        let common = json!({
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000.0,
            "tie_word_embeddings": self != Self::Qwen25Seven,
            "torch_dtype": "bfloat16",
            "initializer_range": 0.02,
            "bos_token_id": super::tokenizer::END_OF_TEXT,
            "eos_token_id": super::tokenizer::END_OF_TURN,
            "pad_token_id": super::tokenizer::END_OF_TEXT,
        });
        if let (Value::Object(config), Value::Object(common)) = (&mut config, common) {
            config.extend(common);
        }
        config
    }
}

fn qwen25_half() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": 151_936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32_768,
        "use_sliding_window": false,
    })
}

fn qwen3_small() -> Value {
    json!({
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": 151_936,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "attention_bias": false,
        "max_position_embeddings": 40_960,
        "use_sliding_window": false,
    })
}

fn qwen25_seven() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": 152_064,
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32_768,
        "use_sliding_window": false,
    })
}

fn tiny() -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "use_sliding_window": false,
    })
}
