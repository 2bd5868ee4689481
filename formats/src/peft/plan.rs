//! The proof that an adapter's config, its tensors and the base belong together: every tensor has a
//! place, every targeted module has its tensors, ranks and shapes agree. No values are looked at.

use std::collections::BTreeMap;

use super::{
    AdapterConfig, AdapterFiles, AdapterTensor, AdapterTensorName, Bias, Part, Place, Problem,
    TargetModules,
};
use crate::{ModelConfig, Result, TensorView};

/// One module that the adapter changes, with the tensors that change it.
pub struct Change<'a> {
    /// The module.
    pub place: Place,
    /// What the file holds for it; shapes are proven.
    pub parts: BTreeMap<Part, TensorView<'a>>,
    /// Rank and scale, where the module has a pair A, B.
    pub pair: Option<(usize, f64)>,
}

/// The whole adapter, proven to fit.
pub struct Plan<'a> {
    /// Every module that the adapter changes, in the model's order; at least one.
    pub changes: Vec<Change<'a>>,
    /// What a user should look at.
    pub warnings: Vec<String>,
}

type Found<'a> = BTreeMap<Place, BTreeMap<Part, TensorView<'a>>>;

impl AdapterFiles {
    /// Lays every tensor of the file at its place in a base of this configuration.
    ///
    /// # Errors
    /// The first disagreement between config, tensors and base.
    pub fn plan(&self, base: &ModelConfig) -> Result<Plan<'_>> {
        let rules = Rules { files: self, base, config: self.config() };
        rules.check_saved_modules()?;
        let (mut found, training_state) = rules.sort_tensors()?;
        let mut changes = Vec::new();
        for place in Place::all(base) {
            let parts = found.remove(&place).unwrap_or_default();
            let change = rules.change(place, parts)?;
            changes.extend((!change.parts.is_empty()).then_some(change));
        }
        if changes.is_empty() {
            return Err(rules.problem(Problem::NothingTargeted { targets: rules.targets() }));
        }
        Ok(Plan { changes, warnings: rules.warnings(training_state) })
    }
}

struct Rules<'a, 'b> {
    files: &'a AdapterFiles,
    config: &'a AdapterConfig,
    base: &'b ModelConfig,
}

impl<'a> Rules<'a, '_> {
    /// Only the embedding and the head can be replaced whole.
    fn check_saved_modules(&self) -> Result<()> {
        for pattern in &self.config.modules_to_save {
            if ![Place::Embed, Place::Head].iter().any(|place| pattern.matches(&place.path())) {
                let feature = format!("`modules_to_save` with \"{}\"", pattern.source());
                let advice = "only embed_tokens and lm_head can be replaced whole; train the \
                              others through target_modules";
                return Err(self.problem(Problem::Unsupported { feature, advice }));
            }
        }
        Ok(())
    }

    /// Every tensor by place and part, and how many hold training state that nothing needs.
    fn sort_tensors(&self) -> Result<(Found<'a>, usize)> {
        let places: BTreeMap<String, Place> =
            Place::all(self.base).map(|place| (place.path(), place)).collect();
        let (mut found, mut training_state, mut unused) = (Found::new(), 0, Vec::new());
        for view in self.files.tensors().tensors() {
            let name = self.tensor_name(view.name)?;
            if name.kind == AdapterTensor::TrainingState {
                training_state += 1;
                continue;
            }
            let place = places.get(&name.module).copied();
            let slot = place.and_then(|place| Some((place, Part::of(place, &name.kind)?)));
            let taken = match slot.filter(|&(place, part)| self.allows(place, part)) {
                Some((place, part)) => found.entry(place).or_default().insert(part, view).is_some(),
                None => true,
            };
            if taken {
                unused.push(view.name);
            }
        }
        match unused.first() {
            Some(first) => Err(self.unused(first, unused.len())),
            None => Ok((found, training_state)),
        }
    }

    /// As PEFT names tensors; an embedding or head saved whole needs no mention in the config.
    fn tensor_name(&self, name: &str) -> Result<AdapterTensorName> {
        let module = name.strip_prefix("base_model.model.").and_then(|n| n.strip_suffix(".weight"));
        if let Some(module @ ("model.embed_tokens" | "lm_head")) = module {
            return Ok(AdapterTensorName {
                module: module.into(),
                kind: AdapterTensor::BaseWeight,
            });
        }
        AdapterTensorName::parse(name, self.config, self.files.tensors().path())
    }

    /// Checks what was found at one place against what the config and the base call for.
    fn change(&self, place: Place, parts: BTreeMap<Part, TensorView<'a>>) -> Result<Change<'a>> {
        let path = place.path();
        let pair = self
            .is_targeted(place)
            .then(|| (self.config.rank_for(&path), self.config.scale_for(&path)));
        let wanted = self.wanted(place);
        if let Some((part, because)) = wanted.iter().find(|(part, _)| !parts.contains_key(part)) {
            let tensor = part.tensor_name(place, pair.is_some());
            return Err(self.problem(Problem::Missing { tensor, because }));
        }
        for (&part, view) in &parts {
            self.check_shape(place, part, view, pair.map_or(0, |(rank, _)| rank))?;
        }
        Ok(Change { place, parts, pair })
    }

    /// Whether the module has a pair A, B. PEFT's `ensure_weight_tying` extends a targeted embedding
    /// to the head that is tied to it.
    fn is_targeted(&self, place: Place) -> bool {
        let tied = place == Place::Head
            && self.config.ensure_weight_tying
            && self.base.tie_word_embeddings;
        self.config.targets(&place.path()) || tied && self.config.targets(&Place::Embed.path())
    }

    /// Whether the file may hold the part. Embedding and head may be saved whole unasked.
    fn allows(&self, place: Place, part: Part) -> bool {
        let whole = part == Part::Weight && matches!(place, Place::Embed | Place::Head);
        whole || self.wanted(place).iter().any(|(wanted, _)| *wanted == part)
    }

    /// The parts that must be there, and what in the config asks for each.
    fn wanted(&self, place: Place) -> Vec<(Part, &'static str)> {
        let config = self.config;
        let targeted = self.is_targeted(place);
        let biased = place.has_bias(self.base);
        let saved = config.saves(&place.path());
        let rules = [
            (targeted, Part::A, "targets this module"),
            (targeted, Part::B, "targets this module"),
            (targeted && config.lora_bias, Part::BBias, "sets lora_bias"),
            (targeted && config.use_dora, Part::Magnitude, "sets use_dora"),
            (biased && config.bias == Bias::All, Part::Bias, "sets bias to \"all\""),
            (
                biased && targeted && config.bias == Bias::LoraOnly,
                Part::Bias,
                "sets bias to \"lora_only\"",
            ),
            (saved, Part::Weight, "lists this module in modules_to_save"),
        ];
        let asked = rules.into_iter().filter(|(asked, ..)| *asked);
        asked.map(|(_, part, because)| (part, because)).collect()
    }

    fn check_shape(&self, place: Place, part: Part, view: &TensorView, rank: usize) -> Result<()> {
        let (n, k) = place.shape(self.base);
        let (found, tensor) = (view.shape.to_vec(), view.name.to_owned());
        let tensors = match (part, view.shape) {
            (Part::A, &[r, _]) | (Part::B, &[_, r]) => r,
            _ => rank,
        };
        if tensors != rank {
            let module = place.path();
            return Err(self.problem(Problem::Rank { module, config: rank, tensors }));
        }
        let expected = match (part, place) {
            (Part::A, Place::Embed) => vec![rank, n],
            (Part::B, Place::Embed) => vec![k, rank],
            (Part::Magnitude, Place::Embed) => vec![k],
            (Part::A, _) => vec![rank, k],
            (Part::B, _) => vec![n, rank],
            (Part::BBias | Part::Magnitude | Part::Bias, _) => vec![n],
            (Part::Weight, _) => vec![n, k],
        };
        if found == expected {
            return Ok(());
        }
        let base = self.config.base_model_name_or_path.clone();
        Err(self.problem(Problem::Shape { tensor, found, expected, base }))
    }

    /// What the config asks for that the base does not have, or that has no meaning here.
    fn warnings(&self, training_state: usize) -> Vec<String> {
        let mut warnings = Vec::new();
        let names = |name: &str| {
            let target = TargetModules::List(vec![name.into()]);
            Place::all(self.base).any(|place| target.names(&place.path()))
        };
        if let TargetModules::List(listed) = &self.config.target_modules {
            for name in listed.iter().filter(|name| !names(name)) {
                warnings.push(format!("target_modules lists `{name}`, which the base has not"));
            }
        }
        if self.config.fan_in_fan_out {
            warnings.push("fan_in_fan_out is set; it means nothing for linear layers".into());
        }
        if training_state > 0 {
            warnings.push(format!("{training_state} tensors of training state are not needed"));
        }
        warnings
    }

    fn unused(&self, first: &str, count: usize) -> crate::Error {
        let hint = if first.ends_with(".bias") && !first.contains(".lora_") {
            let bias = match self.config.bias {
                Bias::None => "none",
                Bias::All => "all",
                Bias::LoraOnly => "lora_only",
            };
            format!(" (its bias is \"{bias}\")")
        } else {
            format!(
                " (targets: {}; the base has {} layers)",
                self.targets(),
                self.base.num_hidden_layers
            )
        };
        self.problem(Problem::Unused { first: first.into(), count, hint })
    }

    fn targets(&self) -> String {
        match &self.config.target_modules {
            TargetModules::List(names) if names.is_empty() => "none".into(),
            TargetModules::List(names) => names.join(", "),
            TargetModules::Regex(pattern) => pattern.source().to_owned(),
            TargetModules::AllLinear => "all-linear".into(),
        }
    }

    fn problem(&self, problem: Problem) -> crate::Error {
        problem.of(self.files.dir())
    }
}
