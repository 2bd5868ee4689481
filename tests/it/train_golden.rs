//! Training against TRL and PEFT: loss and gradients of one window, and a whole short run.
//!
//! `tests/golden/train/sft.py` and `pretrain.py` recorded the oracle; weights are made on both
//! sides from tensor names (see `tiny`).

use std::collections::HashMap;
use std::path::Path;

use candle_core::Var;
use formats::SafetensorsFile;
use formats::peft::{AdapterConfig, TargetModules};
use serde::Deserialize;
use serde_json::{Map, Value};
use wardrobe::model::{Decoder, InitConfig, TrainableAdapter, Wear, WeightFormat};
use wardrobe::train::TrainError;
use wardrobe::train::adamw::AdamWConfig;
use wardrobe::train::backward::{Memory, Run};
use wardrobe::train::batch::{PackedBatch, Sample, label_count};
use wardrobe::train::lora::LoraAdapter;
use wardrobe::train::parameters::{Gradients, Parameters};
use wardrobe::train::plan::{BatchSize, Plan, PlanConfig};
use wardrobe::train::run::{self, LoopConfig};
use wardrobe::train::schedule::{Schedule, SchedulerType};
use wardrobe::train::stop::Stop;
use wardrobe::train::subject::{Place, Stage, Subject};
use wardrobe::train::trainer_state::RunFacts;
use wardrobe::train::window;
use wardrobe::train::workers::Workers;

use super::tiny;

#[derive(Deserialize)]
struct Golden {
    config: Map<String, Value>,
    tensors: HashMap<String, Vec<usize>>,
    examples: Vec<Example>,
    logs: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
pub(super) struct Example {
    pub(super) input_ids: Vec<u32>,
    pub(super) completion_mask: Vec<u8>,
}

/// A base whose every tensor is made from its name, as a model folder.
pub(super) fn base_folder(
    (architecture, model_type): (&str, &str),
    config: &Map<String, Value>,
    tensors: &HashMap<String, Vec<usize>>,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config.clone();
    config.insert("architectures".into(), vec![architecture].into());
    config.insert("model_type".into(), model_type.into());
    let text = serde_json::to_string(&config).unwrap();
    fs_err::write(folder.path().join("config.json"), text).unwrap();
    let tensors: Vec<formats::NamedTensor> = tensors
        .iter()
        .map(|(name, shape)| {
            let values = tiny::values(name, shape).into_iter();
            let bytes = values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into();
            (name.clone(), formats::Dtype::F32, shape.clone(), bytes)
        })
        .collect();
    let path = folder.path().join("model.safetensors");
    formats::write_safetensors(&path, &tensors, &std::collections::BTreeMap::new()).unwrap();
    folder
}

impl Golden {
    fn read() -> Self {
        let text = fs_err::read_to_string(tiny::golden("train", "sft.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn base(&self) -> tempfile::TempDir {
        base_folder(("Qwen3ForCausalLM", "qwen3"), &self.config, &self.tensors)
    }

    fn masks(&self) -> Vec<Vec<bool>> {
        self.examples.iter().map(|e| e.completion_mask.iter().map(|&m| m == 1).collect()).collect()
    }

    fn samples<'a>(&'a self, masks: &'a [Vec<bool>]) -> Vec<Sample<'a>> {
        let each = self.examples.iter().zip(masks);
        each.map(|(e, trained)| Sample { ids: &e.input_ids, trained }).collect()
    }
}

/// A frozen base in f32 with an adapter whose every matrix is made from its name.
pub(super) struct Tiny {
    decoder: Decoder,
    adapter: LoraAdapter,
}

impl Tiny {
    fn new(golden: &Golden, dropout: f64) -> Self {
        Self::on(golden.base().path(), dropout)
    }

    pub(super) fn on(base: &Path, dropout: f64) -> Self {
        let decoder = Decoder::load(base, WeightFormat::F32).unwrap();
        let config =
            AdapterConfig { dropout, ..AdapterConfig::new(4, 6.0, TargetModules::AllLinear) };
        let adapter = LoraAdapter::fresh(config, decoder.config(), 11).unwrap();
        for (index, parameter) in adapter.parameters().iter().enumerate() {
            let values = tiny::values(&parameter.name, parameter.var.dims());
            adapter.parameters().set(index, values).unwrap();
        }
        Self { decoder, adapter }
    }

    /// Gradients and loss of the first window: two micro-batches of two examples.
    pub(super) fn first_window(&self, samples: &[Sample], memory: Memory) -> (Gradients, f64) {
        let parameters = self.adapter.parameters();
        let labels: usize = samples[..4].iter().map(|s| label_count(s.trained)).sum();
        let weight = 1.0 / labels as f64;
        let (mut gradients, mut loss) = (Gradients::zeros(parameters), 0.0);
        for (index, pair) in samples[..4].chunks(2).enumerate() {
            let place = Place::Training { step: 3, micro_batch: index as u64 };
            let worn = self.adapter.worn(place);
            let batch = PackedBatch::new(pair.iter().copied());
            let run = Run { decoder: &self.decoder, wear: Wear::Training(&worn), batch: &batch };
            let stats = run.backward(weight, memory, (parameters, &mut gradients)).unwrap();
            loss += stats.loss * weight;
        }
        (gradients, loss)
    }
}

impl Subject for Tiny {
    fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn parameters(&self) -> &Parameters {
        self.adapter.parameters()
    }

    fn adapter(&self, place: Place) -> Option<TrainableAdapter> {
        Some(self.adapter.worn(place))
    }

    fn starts_without_gradient(&self, _name: &str) -> bool {
        false
    }

    fn weights_file(&self) -> &'static str {
        "adapter_model.safetensors"
    }

    fn write(&self, dir: &Path, _stage: Stage) -> Result<(), TrainError> {
        self.adapter.write(dir)
    }
}

/// Largest difference relative to the largest expected value of the tensor.
pub(super) fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    tiny::largest_difference(found, expected) / largest
}

fn oracle(prefix: &str) -> HashMap<String, Vec<f32>> {
    let file = SafetensorsFile::open(&tiny::golden("train", "sft.safetensors")).unwrap();
    let tensors = file.names().filter_map(|name| {
        let values = file.get(name).unwrap().to_f32().unwrap();
        Some((name.strip_prefix(prefix)?.to_owned(), values))
    });
    tensors.collect()
}

#[test]
fn loss_and_gradients_equal_trl() {
    let golden = Golden::read();
    let (tiny, masks) = (Tiny::new(&golden, 0.0), golden.masks());
    let samples = golden.samples(&masks);
    let expected = oracle("grad.");
    let expected_loss = golden.logs[0]["loss"].as_f64().unwrap();
    for memory in [Memory::Keep, Memory::Recompute] {
        let (gradients, loss) = tiny.first_window(&samples, memory);
        let error = (loss - expected_loss).abs() / expected_loss;
        assert!(error <= 1e-5, "{memory:?}: loss {loss}, TRL has {expected_loss}");
        assert_eq!(expected.len(), tiny.parameters().len());
        let mut worst = 0.0f32;
        for (parameter, found) in tiny.parameters().iter().zip(&gradients.flat) {
            let error = relative_error(found, &expected[&parameter.name]);
            assert!(error <= 1e-4, "{memory:?}: gradient of {} is off by {error}", parameter.name);
            worst = worst.max(error);
        }
        eprintln!("{memory:?}: loss off by {error:.1e}, gradients by at most {worst:.1e}");
    }
}

#[test]
fn recomputing_layers_changes_no_bit_even_with_dropout() {
    let golden = Golden::read();
    let (tiny, masks) = (Tiny::new(&golden, 0.3), golden.masks());
    let samples = golden.samples(&masks);
    let (kept, _) = tiny.first_window(&samples, Memory::Keep);
    let (recomputed, _) = tiny.first_window(&samples, Memory::Recompute);
    assert_eq!(kept.flat, recomputed.flat);
    let without = Tiny::new(&golden, 0.0).first_window(&samples, Memory::Keep).0;
    assert_ne!(kept.flat, without.flat, "dropout did nothing");
}

#[test]
fn the_number_of_workers_changes_no_bit() {
    let golden = Golden::read();
    let (tiny, masks) = (Tiny::new(&golden, 0.3), golden.masks());
    let samples = golden.samples(&masks);
    let window: Vec<Vec<usize>> = (0..10).map(|i| vec![2 * i, 2 * i + 1]).collect();
    let gradients = |workers: Workers| {
        let how = (&workers, Memory::Keep);
        window::backward(&tiny, &samples, (&window, 7), how).unwrap().gradients.flat
    };
    assert_eq!(gradients(Workers::share(3).unwrap()), gradients(Workers::none()));
}

#[test]
fn gradients_are_slopes_of_the_loss() {
    let golden = Golden::read();
    let (tiny, masks) = (Tiny::new(&golden, 0.0), golden.masks());
    let samples = golden.samples(&masks);
    let (gradients, _) = tiny.first_window(&samples, Memory::Recompute);
    let parameters = tiny.parameters();
    const STEP: f32 = 1e-2;
    for (index, grad) in gradients.flat.iter().enumerate() {
        let at = (0..grad.len()).max_by(|&a, &b| grad[a].abs().total_cmp(&grad[b].abs())).unwrap();
        let start = parameters.values().unwrap()[index].clone();
        let loss_at = |delta: f32| {
            let mut moved = start.clone();
            moved[at] += delta;
            parameters.set(index, moved).unwrap();
            tiny.first_window(&samples, Memory::Keep).1
        };
        let slope = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * f64::from(STEP));
        loss_at(0.0);
        let error = (slope - f64::from(grad[at])).abs();
        let name = &parameters.iter().nth(index).unwrap().name;
        assert!(error <= 2e-3 + 1e-2 * slope.abs(), "{name}: slope {slope}, grad {}", grad[at]);
    }
}

#[test]
fn a_run_follows_trl_step_by_step() {
    let golden = Golden::read();
    let (tiny, masks) = (Tiny::new(&golden, 0.0), golden.masks());
    let samples = golden.samples(&masks);
    let output = tempfile::tempdir().unwrap();
    let config = loop_config(output.path());
    let lengths = samples.iter().map(|s| s.ids.len()).collect();
    let plan = Plan::new(plan_config(), lengths).unwrap();
    run::run(&tiny, (&samples, &[]), plan, &config, &mut |_| {}).unwrap();

    let text = fs_err::read_to_string(output.path().join("metrics.jsonl")).unwrap();
    let logs: Vec<Map<String, Value>> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(logs.len(), golden.logs.len());
    for (found, expected) in logs.iter().zip(&golden.logs) {
        for (name, tolerance) in [
            ("loss", 1e-5),
            ("grad_norm", 1e-4),
            ("learning_rate", 1e-9),
            ("entropy", 1e-5),
            ("num_tokens", 0.0),
            ("mean_token_accuracy", 1e-6),
            ("epoch", 1e-9),
        ] {
            let (f, e) = (found[name].as_f64().unwrap(), expected[name].as_f64().unwrap());
            assert!((f - e).abs() <= tolerance * e.abs(), "{}: {name} {f}, TRL {e}", found["step"]);
        }
    }
    let expected = oracle("final.");
    for (parameter, found) in tiny.parameters().iter().zip(tiny.parameters().values().unwrap()) {
        let error = relative_error(&found, &expected[&parameter.name]);
        assert!(error <= 1e-4, "{} ends off by {error}", parameter.name);
    }
}

pub(super) fn plan_config() -> PlanConfig {
    PlanConfig {
        batch: BatchSize::Examples(2),
        accumulation: 2,
        epochs: 1.0,
        max_steps: Some(5),
        shuffle: false,
        seed: 0,
    }
}

pub(super) fn loop_config(output: &Path) -> LoopConfig {
    LoopConfig {
        output: output.to_owned(),
        adamw: AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 },
        schedule: Schedule::new(SchedulerType::Linear, 1e-2, 2.0, 5),
        max_grad_norm: 0.5,
        memory: Memory::Recompute,
        eval_batch: BatchSize::Examples(2),
        facts: RunFacts {
            max_steps: 5,
            num_train_epochs: 1,
            train_batch_size: 2,
            logging_steps: 1,
            eval_steps: None,
            save_steps: None,
        },
        save_total_limit: None,
        resume: false,
        settings: Map::new(),
        stop: Stop::default(),
    }
}

#[derive(Deserialize)]
struct PretrainGolden {
    loss: f64,
    stride: usize,
    gradients: HashMap<String, Vec<f32>>,
}

/// Every parameter of a model from scratch, embedding tied to the head, against transformers.
#[test]
fn all_gradients_of_a_trainable_base_equal_transformers() {
    let golden = Golden::read();
    let text = fs_err::read_to_string(tiny::golden("train", "pretrain.json")).unwrap();
    let expected: PretrainGolden = serde_json::from_str(&text).unwrap();
    let config = formats::ModelConfig::read(golden.base().path()).unwrap();
    let decoder = Decoder::trainable(config, InitConfig { seed: 1, std: 0.02 }).unwrap();
    let named: Vec<(String, Var)> = decoder.named_vars().to_vec();
    let parameters = Parameters::new(named);
    for (index, parameter) in parameters.iter().enumerate() {
        parameters.set(index, tiny::values(&parameter.name, parameter.var.dims())).unwrap();
    }
    assert_eq!(parameters.len(), expected.gradients.len());
    let samples: Vec<Sample> = golden.examples[..4]
        .iter()
        .map(|e| Sample { ids: &e.input_ids, trained: &[true; 16][..e.input_ids.len()] })
        .collect();
    let batch = PackedBatch::new(samples);
    let weight = 1.0 / batch.rows.len() as f64;
    for memory in [Memory::Keep, Memory::Recompute] {
        let mut gradients = Gradients::zeros(&parameters);
        let run = Run { decoder: &decoder, wear: Wear::Base, batch: &batch };
        let stats = run.backward(weight, memory, (&parameters, &mut gradients)).unwrap();
        let error = (stats.loss * weight - expected.loss).abs() / expected.loss;
        assert!(error <= 1e-5, "loss {}", stats.loss * weight);
        for (parameter, grad) in parameters.iter().zip(&gradients.flat) {
            let found: Vec<f32> = grad.iter().step_by(expected.stride).copied().collect();
            let error = relative_error(&found, &expected.gradients[&parameter.name]);
            assert!(error <= 1e-4, "{memory:?}: gradient of {} off by {error}", parameter.name);
        }
    }
}
