//! A tiny random Qwen3 on disk, and adapters of several kinds that PEFT saved for it.

use super::driver::{Driver, ROOMY, Size};
use super::support::{Answer, Random, write_tokenizer};
use crate::tiny::{checkpoint, golden};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use wardrobe::adapters::{BaseInfo, Generation, Limits, LoadPolicy, Registry};
use wardrobe::engine::{ModelRunner, PrefixCaching, Request, SamplingParams};
use wardrobe::model::{Decoder, WeightFormat};

const BASE: &str = "qwen3_untied_gqa2";
/// A base whose linears have biases.
const BIASED_BASE: &str = "qwen2_tied_gqa7";
/// Adapters of that base that add to biases, or put others in their place.
pub(crate) const BIASED: [&str; 4] = ["lora_bias", "bias_all", "bias_lora_only", "dora_bias_all"];
/// Plain LoRA on every linear, DoRA, whole embedding and head, a low-rank head under DoRA.
pub(crate) const ADAPTERS: [&str; 4] = ["all_linear", "dora", "save_both", "dora_head"];
/// Its end-of-sequence token.
pub(crate) const EOS: u32 = 2;

pub(crate) struct World {
    pub(crate) decoder: Arc<Decoder>,
    pub(crate) registry: Registry,
    pub(crate) folder: TempDir,
}

pub(crate) fn adapter_folder(name: &str) -> PathBuf {
    golden("adapters", name)
}

impl World {
    /// The base in bf16, as it is served, with no adapter loaded.
    pub(crate) fn new() -> Self {
        Self::with_room_for(16)
    }

    /// The same, for at most so many adapters.
    pub(crate) fn with_room_for(max_adapters: usize) -> Self {
        Self::on(BASE, max_adapters)
    }

    /// A base with biases, with [`BIASED`] loaded under their own names.
    pub(crate) fn biased() -> (Self, Vec<Arc<Generation>>) {
        let world = Self::on(BIASED_BASE, 16);
        let wearers = world.load(&BIASED);
        (world, wearers)
    }

    fn on(base: &str, max_adapters: usize) -> Self {
        let folder = checkpoint(&golden("model", base));
        write_tokenizer(folder.path());
        let decoder = Arc::new(Decoder::load(folder.path(), WeightFormat::Bf16).unwrap());
        let base = Arc::new(BaseInfo::open(folder.path(), "base").unwrap());
        let limits = Limits { max_adapters, max_bytes: 1 << 30 };
        Self { decoder, registry: Registry::new(base, limits), folder }
    }

    /// Loads [`ADAPTERS`] under their own names.
    pub(crate) fn load_adapters(&self) -> Vec<Arc<Generation>> {
        self.load(&ADAPTERS)
    }

    fn load(&self, names: &[&str]) -> Vec<Arc<Generation>> {
        let load = |name| self.registry.load(name, &adapter_folder(name), LoadPolicy::Create);
        names.iter().map(|name| load(name).unwrap()).collect()
    }

    pub(crate) fn runner(&self, num_blocks: usize) -> ModelRunner {
        ModelRunner::new(Arc::clone(&self.decoder), num_blocks)
    }

    /// The answer of a request by itself: its prompt in one piece, on a cold cache.
    pub(crate) fn alone(&self, request: &Request) -> Answer {
        let size = Size { num_blocks: 8, prefix_caching: PrefixCaching::Off, ..ROOMY };
        let mut engine = Driver::new(self.runner(size.num_blocks), EOS, size);
        engine.answer(std::slice::from_ref(request)).remove(0)
    }

    /// A random request of a random wearer (or none). Prompts begin alike, so that they share
    /// blocks, and often fill several.
    pub(crate) fn random_request(
        &self,
        random: &mut Random,
        wearers: &[Arc<Generation>],
    ) -> Request {
        let mut prompt: Vec<u32> = (0..random.below(100)).map(|i| 3 + i as u32 % 150).collect();
        prompt.extend((0..1 + random.below(40)).map(|_| random.below(160) as u32));
        let params = SamplingParams {
            max_tokens: random.below(40),
            seed: Some(random.next()),
            temperature: [0.0, 0.9][random.below(2)],
            top_p: [0.95, 1.0][random.below(2)],
            logprobs: Some(random.below(3)),
            prompt_logprobs: (random.below(4) == 0).then_some(2),
            ignore_eos: random.below(2) == 0,
            ..SamplingParams::default()
        };
        let adapter = wearers.get(random.below(wearers.len() + 1)).cloned();
        Request { prompt, params, adapter }
    }
}
