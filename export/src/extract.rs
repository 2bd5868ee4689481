//! The difference of two models as an adapter: each linear's difference cut to a rank by a singular
//! value decomposition; biases, embedding and head whole where they differ. Norms have no place in a
//! LoRA adapter: a difference there is reported.

use crate::blocks::map_blocks;
use crate::merge::truncated;
use crate::{Error, Result, TensorInfo, Weights, open_weights};
use formats::peft::{AdapterConfig, Bias, ModulePattern, Part, Place, TargetModules};
use formats::whole::{Existing, write_dir};
use formats::{CheckpointWriter, Dtype, ModelConfig, Site, TensorPlan, round_to};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An extraction that is asked for.
pub struct ExtractRequest {
    /// The base's folder.
    pub model: PathBuf,
    /// What the adapter shall call its base.
    pub model_name: String,
    /// The folder of the model that was made from it.
    pub tuned: PathBuf,
    /// Rank of every pair A, B.
    pub rank: usize,
    /// The type that the adapter is stored as.
    pub dtype: Dtype,
    /// What to do if there is a folder already.
    pub existing: Existing,
}

/// How much of the difference the adapter holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExtractReport {
    /// Every linear that differs, in the model's order.
    pub modules: Vec<ExtractedModule>,
    /// Share of the squared difference of all linears that A and B hold.
    pub energy_kept: f64,
    /// Modules that are saved whole.
    pub saved: Vec<String>,
    /// Whether biases are saved.
    pub biases: bool,
    /// What a user should know, each a sentence.
    pub warnings: Vec<String>,
}

/// One linear.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExtractedModule {
    /// Its full name.
    pub module: String,
    /// Euclidean length of tuned − base.
    pub delta_norm: f64,
    /// Share of its square that A and B hold.
    pub energy_kept: f64,
}

/// Writes the PEFT adapter folder `output`. `progress` is told the values done and all.
///
/// # Errors
/// Models of different shapes or without a difference, a rank beyond a module's size, a target that
/// exists; nothing is left behind then.
pub fn extract(
    request: &ExtractRequest,
    output: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<ExtractReport> {
    let pair = Pair::open(request)?;
    let plan = pair.plan(request)?;
    let mut report = None;
    write_dir(output, request.existing, |dir| {
        report = Some(pair.write(request, &plan, dir, progress)?);
        Ok::<_, Error>(())
    })?;
    report.ok_or_else(|| Error::refused(output, "was not written"))
}

/// Two models of one shape.
struct Pair {
    config: ModelConfig,
    base: Box<dyn Weights>,
    tuned: Box<dyn Weights>,
    /// The tuned model's, for messages.
    dir: PathBuf,
    untied: bool,
}

/// What the adapter will hold.
struct Plan {
    sites: Vec<Site>,
    saved: Vec<Place>,
    biases: bool,
    warnings: Vec<String>,
}

impl Pair {
    fn open(request: &ExtractRequest) -> Result<Self> {
        let ExtractRequest { model, tuned, .. } = request;
        let (config, other) = (ModelConfig::read_shape(model)?, ModelConfig::read_shape(tuned)?);
        let untied = config.tie_word_embeddings && !other.tie_word_embeddings;
        let shape = |c: &ModelConfig| {
            let linears: Vec<_> = Place::all(c).map(|p| (p.shape(c), p.has_bias(c))).collect();
            (c.architecture, linears, c.num_attention_heads, c.head_dim)
        };
        if shape(&config) != shape(&other) {
            let problem = "is a model of another shape than the base; expected one that was made \
                           from it by training";
            return Err(Error::refused(tuned, problem));
        }
        if other.tie_word_embeddings && !config.tie_word_embeddings {
            return Err(Error::refused(tuned, "ties embedding and head, which the base does not"));
        }
        let (base, dir) = (open_weights(model)?, tuned.clone());
        Ok(Self { config, base, tuned: open_weights(tuned)?, dir, untied })
    }

    /// Looks for what differs.
    fn plan(&self, request: &ExtractRequest) -> Result<Plan> {
        let mut plan = Plan { sites: vec![], saved: vec![], biases: false, warnings: vec![] };
        let mut norms = 0;
        for tensor in self.base.tensors() {
            let place = Place::all(&self.config).find(|place| {
                let module = tensor.name.rsplit_once('.').map(|(module, _)| module);
                module == Some(place.path().as_str())
            });
            let tied_copy = place == Some(Place::Head) && self.config.tie_word_embeddings;
            if tied_copy || !self.differ(tensor, tensor)? {
                continue;
            }
            match place {
                Some(_) if tensor.name.ends_with(".bias") => plan.biases = true,
                Some(Place::Linear(_, site)) if plan.sites.contains(&site) => {}
                Some(Place::Linear(_, site)) => plan.sites.push(site),
                Some(end) => plan.saved.push(end),
                None => norms += 1,
            }
        }
        if self.untied {
            let (embed, head) = (self.weight(Place::Embed), self.tuned_head()?);
            if self.differ(&embed, &head)? || plan.saved.contains(&Place::Embed) {
                plan.saved = vec![Place::Embed, Place::Head];
            }
        }
        if norms > 0 {
            plan.warnings.push(format!(
                "{norms} norms differ too; LoRA has no place for them, so they stay the base's"
            ));
        }
        plan.sites.sort();
        self.check(request, &plan)?;
        Ok(plan)
    }

    fn check(&self, request: &ExtractRequest, plan: &Plan) -> Result<()> {
        if plan.sites.is_empty() {
            let problem = "has the base's linears, so there is nothing to extract";
            return Err(Error::refused(&self.dir, problem));
        }
        for site in &plan.sites {
            let (n, k) = site.shape(&self.config);
            if request.rank > n.min(k) {
                let (rank, name) = (request.rank, site.name());
                let problem =
                    format!("rank {rank} is more than {name} of shape [{n}, {k}] can have");
                return Err(Error::refused(&self.dir, problem));
            }
        }
        Ok(())
    }

    fn weight(&self, place: Place) -> TensorInfo {
        let (n, k) = place.shape(&self.config);
        let name = format!("{}.weight", place.path());
        TensorInfo { name, shape: vec![n, k], dtype: Dtype::F32 }
    }

    fn tuned_head(&self) -> Result<TensorInfo> {
        let head = self.weight(Place::Head);
        match self.tuned.tensors().iter().any(|tensor| tensor.name == head.name) {
            true => Ok(head),
            false => {
                let (path, name) = (self.dir.clone(), head.name);
                Err(formats::Error::MissingTensor { path, name }.into())
            }
        }
    }

    /// Whether a tensor of the base and one of the tuned model hold different values.
    fn differ(&self, base: &TensorInfo, tuned: &TensorInfo) -> Result<bool> {
        let equal = map_blocks(base, |rows| {
            let mut old = vec![0.0; rows.len() * base.columns()];
            let mut new = old.clone();
            self.base.read_rows(base, rows.clone(), &mut old)?;
            self.tuned.read_rows(tuned, rows, &mut new)?;
            Ok(old == new)
        })?;
        self.base.release(base);
        self.tuned.release(tuned);
        Ok(!equal.into_iter().all(|equal| equal))
    }

    /// tuned − base, `[n, k]`, and its squared length.
    fn difference(&self, tensor: &TensorInfo) -> Result<(Vec<f32>, f64)> {
        let blocks = map_blocks(tensor, |rows| {
            let mut old = vec![0.0; rows.len() * tensor.columns()];
            let mut new = old.clone();
            self.base.read_rows(tensor, rows.clone(), &mut old)?;
            self.tuned.read_rows(tensor, rows, &mut new)?;
            new.iter_mut().zip(&old).for_each(|(new, old)| *new -= old);
            let squares: f64 = new.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            Ok((new, squares))
        })?;
        self.base.release(tensor);
        self.tuned.release(tensor);
        let energy = blocks.iter().map(|(_, squares)| squares).sum();
        Ok((blocks.into_iter().flat_map(|(block, _)| block).collect(), energy))
    }

    fn write(
        &self,
        request: &ExtractRequest,
        plan: &Plan,
        dir: &Path,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<ExtractReport> {
        let config = self.adapter_config(request, plan);
        let json = serde_json::to_string_pretty(&config.to_json()).map_err(std::io::Error::from)?;
        fs_err::write(dir.join("adapter_config.json"), json + "\n")?;
        let tensors = self.tensors(request, plan);
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        let path = dir.join("adapter_model.safetensors");
        let writer = CheckpointWriter::create_file(&path, &tensors, &metadata)?;
        let out = Out { writer, dtype: request.dtype };
        let (modules, energy_kept) = self.write_pairs(request, plan, &out, progress)?;
        self.write_whole(plan, &out)?;
        Ok(ExtractReport {
            modules,
            energy_kept,
            saved: plan.saved.iter().map(|place| place.path()).collect(),
            biases: plan.biases,
            warnings: plan.warnings.clone(),
        })
    }

    fn adapter_config(&self, request: &ExtractRequest, plan: &Plan) -> AdapterConfig {
        let targets = plan.sites.iter().map(|site| site.name().to_owned()).collect();
        let alpha = request.rank as f64;
        let mut config = AdapterConfig::new(request.rank, alpha, TargetModules::List(targets));
        config.base_model_name_or_path = Some(request.model_name.clone());
        config.bias = if plan.biases { Bias::All } else { Bias::None };
        // Both ends of a tied pair are loaded from one tensor that the config does not name.
        let tied = self.config.tie_word_embeddings && plan.saved.len() == 1;
        let saved = plan.saved.iter().filter(|_| !tied);
        let patterns = saved.filter_map(|place| ModulePattern::within(place.name()).ok());
        config.modules_to_save = patterns.collect();
        config
    }

    /// Places of the linears that have a pair A, B.
    fn targets(&self, plan: &Plan) -> impl Iterator<Item = Place> {
        let is_target =
            |place: &Place| matches!(place, Place::Linear(_, site) if plan.sites.contains(site));
        Place::all(&self.config).filter(is_target).collect::<Vec<_>>().into_iter()
    }

    fn tensors(&self, request: &ExtractRequest, plan: &Plan) -> Vec<TensorPlan> {
        let (dtype, rank) = (request.dtype, request.rank);
        let mut tensors = Vec::new();
        let mut add = |name, shape| tensors.push(TensorPlan { name, dtype, shape });
        for place in self.targets(plan) {
            let (n, k) = place.shape(&self.config);
            add(Part::A.tensor_name(place, true), vec![rank, k]);
            add(Part::B.tensor_name(place, true), vec![n, rank]);
        }
        for place in self.biased(plan) {
            let name = bias_name(plan, place);
            add(name, vec![place.shape(&self.config).0]);
        }
        for place in &plan.saved {
            let (n, k) = place.shape(&self.config);
            add(Part::Weight.tensor_name(*place, false), vec![n, k]);
        }
        tensors
    }

    fn biased(&self, plan: &Plan) -> impl Iterator<Item = Place> {
        let all = Place::all(&self.config).filter(|place| place.has_bias(&self.config));
        all.filter(|_| plan.biases).collect::<Vec<_>>().into_iter()
    }

    fn write_pairs(
        &self,
        request: &ExtractRequest,
        plan: &Plan,
        out: &Out,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Vec<ExtractedModule>, f64)> {
        let (mut modules, mut kept, mut whole, mut done) = (Vec::new(), 0.0, 0.0, 0);
        let all = self.targets(plan).map(|place| self.weight(place).elements() as u64).sum();
        for place in self.targets(plan) {
            let tensor = self.weight(place);
            let (difference, energy) = self.difference(&tensor)?;
            let cut = truncated(&difference, place.shape(&self.config), request.rank);
            out.write(&Part::A.tensor_name(place, true), &cut.a)?;
            out.write(&Part::B.tensor_name(place, true), &cut.b)?;
            (kept, whole) = (kept + cut.energy, whole + energy);
            done += tensor.elements() as u64;
            progress(done, all);
            if energy > 0.0 {
                modules.push(ExtractedModule {
                    module: place.path(),
                    delta_norm: energy.sqrt(),
                    energy_kept: cut.energy / energy,
                });
            }
        }
        Ok((modules, kept / whole))
    }

    fn write_whole(&self, plan: &Plan, out: &Out) -> Result<()> {
        for place in self.biased(plan) {
            let name = format!("{}.bias", place.path());
            let shape = vec![place.shape(&self.config).0];
            let tensor = TensorInfo { name, shape, dtype: Dtype::F32 };
            let mut values = vec![0.0; tensor.elements()];
            self.tuned.read_rows(&tensor, 0..1, &mut values)?;
            out.write(&bias_name(plan, place), &values)?;
        }
        for place in &plan.saved {
            let (tensor, name) = (self.weight(*place), Part::Weight.tensor_name(*place, false));
            let row_bytes = (tensor.columns() * out.dtype.bits() / 8) as u64;
            map_blocks(&tensor, |rows| {
                let mut values = vec![0.0; rows.len() * tensor.columns()];
                self.tuned.read_rows(&tensor, rows.clone(), &mut values)?;
                out.write_at(&name, rows.start as u64 * row_bytes, &values)
            })?;
            self.tuned.release(&tensor);
        }
        Ok(())
    }
}

fn bias_name(plan: &Plan, place: Place) -> String {
    let wrapped = matches!(place, Place::Linear(_, site) if plan.sites.contains(&site));
    Part::Bias.tensor_name(place, wrapped)
}

/// The adapter's file.
struct Out {
    writer: CheckpointWriter,
    dtype: Dtype,
}

impl Out {
    fn write(&self, tensor: &str, values: &[f32]) -> Result<()> {
        self.write_at(tensor, 0, values)
    }

    fn write_at(&self, tensor: &str, offset: u64, values: &[f32]) -> Result<()> {
        let bytes = round_to(self.dtype, values).unwrap_or_default();
        Ok(self.writer.write(tensor, offset, &bytes)?)
    }
}
