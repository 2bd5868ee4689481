//! The seven linear sites of a decoder layer, which are the places an adapter can change.

/// One linear of a decoder layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// Query projection.
    Q,
    /// Key projection.
    K,
    /// Value projection.
    V,
    /// Attention output projection.
    O,
    /// Gate of the gated MLP.
    Gate,
    /// Up projection of the gated MLP.
    Up,
    /// Down projection of the gated MLP.
    Down,
}

impl Site {
    /// Every site, in the order in which per-layer arrays hold them.
    pub const ALL: [Site; 7] =
        [Site::Q, Site::K, Site::V, Site::O, Site::Gate, Site::Up, Site::Down];

    /// Path below `model.layers.{i}` in Hugging Face checkpoints.
    pub fn module_path(self) -> &'static str {
        match self {
            Site::Q => "self_attn.q_proj",
            Site::K => "self_attn.k_proj",
            Site::V => "self_attn.v_proj",
            Site::O => "self_attn.o_proj",
            Site::Gate => "mlp.gate_proj",
            Site::Up => "mlp.up_proj",
            Site::Down => "mlp.down_proj",
        }
    }

    /// The last part of [`Site::module_path`], as `target_modules` lists it.
    pub fn name(self) -> &'static str {
        match self {
            Site::Q => "q_proj",
            Site::K => "k_proj",
            Site::V => "v_proj",
            Site::O => "o_proj",
            Site::Gate => "gate_proj",
            Site::Up => "up_proj",
            Site::Down => "down_proj",
        }
    }

    /// Output and input width of this site, `(n, k)`, in a model of this configuration.
    pub fn shape(self, config: &crate::ModelConfig) -> (usize, usize) {
        let (hidden, mlp) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        match self {
            Site::Q => (queries, hidden),
            Site::K | Site::V => (keys, hidden),
            Site::O => (hidden, queries),
            Site::Gate | Site::Up => (mlp, hidden),
            Site::Down => (hidden, mlp),
        }
    }

    /// Whether the base linear at this site has a bias in a model of this configuration.
    pub fn has_bias(self, config: &crate::ModelConfig) -> bool {
        match self {
            Site::Q | Site::K | Site::V => config.qkv_bias,
            Site::O => config.o_bias,
            Site::Gate | Site::Up | Site::Down => config.mlp_bias,
        }
    }
}
