//! Training against PEFT on families with biases: loss and LoRA gradients on tiny Qwen2 and Llama models, recorded
//! by `tests/golden/train/families.py`; and what a run does when gradients stay away.

use std::collections::HashMap;
use std::path::Path;

use formats::SafetensorsFile;
use serde::Deserialize;
use serde_json::{Map, Value};
use wardrobe::model::{Decoder, TrainableAdapter};
use wardrobe::train::TrainError;
use wardrobe::train::backward::Memory;
use wardrobe::train::batch::Sample;
use wardrobe::train::parameters::Parameters;
use wardrobe::train::plan::Plan;
use wardrobe::train::run;
use wardrobe::train::subject::{Place, Stage, Subject};

use super::tiny;
use super::train_golden::{Example, Tiny, base_folder, loop_config, plan_config, relative_error};

#[derive(Deserialize)]
struct Golden {
    families: HashMap<String, Family>,
    examples: Vec<Example>,
}

#[derive(Deserialize)]
struct Family {
    config: Map<String, Value>,
    tensors: HashMap<String, Vec<usize>>,
    loss: f64,
}

impl Golden {
    fn read() -> Self {
        let text = fs_err::read_to_string(tiny::golden("train", "families.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn base(&self, family: &str) -> tempfile::TempDir {
        let names = match family {
            "qwen2" => ("Qwen2ForCausalLM", "qwen2"),
            _ => ("LlamaForCausalLM", "llama"),
        };
        let golden = &self.families[family];
        base_folder(names, &golden.config, &golden.tensors)
    }

    fn masks(&self) -> Vec<Vec<bool>> {
        self.examples.iter().map(|e| e.completion_mask.iter().map(|&m| m == 1).collect()).collect()
    }

    fn samples<'a>(&'a self, masks: &'a [Vec<bool>]) -> Vec<Sample<'a>> {
        let each = self.examples.iter().zip(masks);
        each.map(|(e, trained)| Sample { ids: &e.input_ids, trained }).collect()
    }
}

#[test]
fn gradients_equal_pefts_where_linears_have_biases() {
    let golden = Golden::read();
    let masks = golden.masks();
    let oracle = SafetensorsFile::open(&tiny::golden("train", "families.safetensors")).unwrap();
    assert_eq!(golden.families.len(), 2);
    for (name, family) in &golden.families {
        let tiny = Tiny::on(golden.base(name).path(), 0.0);
        for memory in [Memory::Keep, Memory::Recompute] {
            let (gradients, loss) = tiny.first_window(&golden.samples(&masks), memory);
            let error = (loss - family.loss).abs() / family.loss;
            assert!(error <= 1e-5, "{name}: loss {loss}, PEFT has {}", family.loss);
            assert_eq!(tiny.parameters().len(), 28);
            for (parameter, found) in tiny.parameters().iter().zip(&gradients.flat) {
                let expected = oracle.get(&format!("{name}.{}", parameter.name)).unwrap();
                let error = relative_error(found, &expected.to_f32().unwrap());
                assert!(error <= 1e-4, "{name}: gradient of {} is off by {error}", parameter.name);
            }
        }
    }
}

/// An adapter that is worn detached, so that no gradient reaches it, in the steps from this one on.
struct Unreached {
    tiny: Tiny,
    from: u64,
}

impl Subject for Unreached {
    fn decoder(&self) -> &Decoder {
        self.tiny.decoder()
    }

    fn parameters(&self) -> &Parameters {
        self.tiny.parameters()
    }

    fn adapter(&self, place: Place) -> Option<TrainableAdapter> {
        match place {
            Place::Training { step, .. } if step < self.from => self.tiny.adapter(place),
            _ => self.tiny.adapter(Place::Evaluation),
        }
    }

    fn starts_without_gradient(&self, name: &str) -> bool {
        name.contains("lora_A")
    }

    fn weights_file(&self) -> &'static str {
        self.tiny.weights_file()
    }

    fn write(&self, dir: &Path, stage: Stage) -> Result<(), TrainError> {
        self.tiny.write(dir, stage)
    }
}

/// The second step is the first after an update of the weights: warm-up leaves the very first without one.
#[test]
fn a_run_whose_tensors_get_no_gradient_ends_at_its_first_steps() {
    let golden = Golden::read();
    let (base, masks) = (golden.base("qwen2"), golden.masks());
    let samples = golden.samples(&masks);
    let error = |from: u64| {
        let output = tempfile::tempdir().unwrap();
        let subject = Unreached { tiny: Tiny::on(base.path(), 0.0), from };
        let plan = Plan::new(plan_config(), samples.iter().map(|s| s.ids.len()).collect()).unwrap();
        let config = loop_config(output.path());
        run::run(&subject, (&samples, &[]), plan, &config, &mut |_| {}).err().map(|e| e.to_string())
    };
    for from in [0, 1, 2] {
        let error = error(from).expect("the run must end");
        assert!(
            error.contains("28 of 28 trainable tensors") && error.contains("no gradient"),
            "{error}"
        );
    }
    assert_eq!(error(5), None);
}
