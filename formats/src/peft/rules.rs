//! PEFT's rules: which modules an adapter targets, and each one's rank, alpha and scale.
//! Sources: `check_target_module_exists` and `_maybe_include_all_linear_layers` in
//! `peft/tuners/tuners_utils.py`, `get_pattern_key` and `_set_trainable` in
//! `peft/utils/other.py`.

use super::config::{AdapterConfig, TargetModules};
use super::pattern::ModulePattern;

/// The linear layers of the supported models, the head apart.
const LINEAR: [&str; 7] =
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

const EMBEDDING: &str = "model.embed_tokens";
const HEAD: &str = "lm_head";

impl AdapterConfig {
    /// Whether the module has a pair A, B. `module` is its full name in the base model, for instance
    /// `model.layers.0.self_attn.q_proj`.
    pub fn targets(&self, module: &str) -> bool {
        self.names_or_ties(module, Self::targets_by_name)
    }

    /// Whether the file replaces the module whole. Unlike the modules that are kept free of A and B, these
    /// are found by the mere end of their name or of a name above theirs (`_set_trainable`): `norm` means
    /// `input_layernorm` too.
    pub fn saves(&self, module: &str) -> bool {
        self.names_or_ties(module, Self::saves_by_name)
    }

    fn targets_by_name(&self, module: &str) -> bool {
        let kept_free = self.modules_to_save.iter().any(|pattern| pattern.matches(module));
        if kept_free || self.excludes(module) {
            return false;
        }
        match &self.target_modules {
            TargetModules::List(names) => self.lists(names, module),
            other => other.names(module),
        }
    }

    fn saves_by_name(&self, module: &str) -> bool {
        let above = module.match_indices('.').map(|(dot, _)| &module[..dot]);
        let mut names = above.chain([module]);
        let ends = |name: &str| self.modules_to_save.iter().any(|m| name.ends_with(m.source()));
        names.any(ends)
    }

    /// With `ensure_weight_tying`, what is said of the embedding is said of the head, and the reverse.
    fn names_or_ties(&self, module: &str, names: impl Fn(&Self, &str) -> bool) -> bool {
        let tied = match module {
            EMBEDDING => Some(HEAD),
            HEAD => Some(EMBEDDING),
            _ => None,
        };
        let tied = tied.filter(|_| self.ensure_weight_tying);
        names(self, module) || tied.is_some_and(|tied| names(self, tied))
    }

    /// Whether `exclude_modules` names the module.
    pub fn excludes(&self, module: &str) -> bool {
        self.exclude_modules.as_ref().is_some_and(|excluded| excluded.names(module))
    }

    /// The rank of the module's A and B.
    pub fn rank_for(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.rank)
    }

    /// The module's alpha.
    pub fn alpha_for(&self, module: &str) -> f64 {
        first_match(&self.alpha_pattern, module).unwrap_or(self.alpha)
    }

    /// What the module's `B·A` is multiplied by: `alpha / rank`, or `alpha / sqrt(rank)` for rsLoRA.
    pub fn scale_for(&self, module: &str) -> f64 {
        // Ranks stay far below 2^53: exact.
        let rank = self.rank_for(module) as f64;
        let divisor = if self.use_rslora { rank.sqrt() } else { rank };
        self.alpha_for(module) / divisor
    }

    /// A module listed by its whole name is taken in any layer; one listed by the end of its name only
    /// in the layers asked for.
    fn lists(&self, names: &[String], module: &str) -> bool {
        if names.iter().any(|name| name == module) {
            return true;
        }
        names.iter().any(|name| ends_in(module, name)) && self.transforms_layer_of(module)
    }

    fn transforms_layer_of(&self, module: &str) -> bool {
        if self.layers_to_transform.is_empty() {
            return true;
        }
        let layer = if self.layers_pattern.is_empty() {
            first_layer(module)
        } else {
            self.layers_pattern.iter().find_map(|pattern| pattern.index_in(module)).flatten()
        };
        layer.is_some_and(|layer| self.layers_to_transform.contains(&layer))
    }
}

impl TargetModules {
    /// Whether the module is named, by itself and regardless of layers.
    pub fn names(&self, module: &str) -> bool {
        match self {
            Self::List(names) => names.iter().any(|name| name == module || ends_in(module, name)),
            Self::Regex(pattern) => pattern.matches(module),
            Self::AllLinear => LINEAR.contains(&module.rsplit('.').next().unwrap_or_default()),
        }
    }
}

/// `module.endswith("." + name)`.
fn ends_in(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|head| head.ends_with('.'))
}

/// The first part of the name that is a number, with at least two parts before and one behind it:
/// Python's `re.match(r".*?\.[^.]*\.(?P<idx>\d+)\.", module)`.
fn first_layer(module: &str) -> Option<usize> {
    let parts: Vec<&str> = module.split('.').collect();
    let inner = parts.len().checked_sub(1).and_then(|last| parts.get(2..last))?;
    let number = |part: &&&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    inner.iter().find(number).and_then(|part| part.parse().ok())
}

fn first_match<T: Copy>(patterns: &[(ModulePattern, T)], module: &str) -> Option<T> {
    patterns.iter().find(|(pattern, _)| pattern.matches(module)).map(|&(_, value)| value)
}
