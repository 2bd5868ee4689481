//! Seeded damage to files, and what the text formats make of it.

use std::path::Path;

use formats::peft::AdapterConfig;
use formats::{GenerationConfig, ModelConfig};
use serde_json::Value;

use crate::golden;

/// A small generator with a fixed seed (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Changes, removes or repeats a few bytes, mostly digits and punctuation of JSON.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const USEFUL: &[u8] = b"0123456789{}[],:\"-.eFBU \0\xff";
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.below(256) as u8,
            1 | 2 => bytes[at] = USEFUL[random.below(USEFUL.len())],
            3 => drop(bytes.remove(at)),
            _ => bytes.insert(at, USEFUL[random.below(USEFUL.len())]),
        }
    }
}

/// Puts a value of another kind in place of a random field.
fn swap_a_field(file: &mut Value, random: &mut Random) {
    const OTHERS: [&str; 12] = [
        "null",
        "true",
        "-1",
        "0",
        "1e308",
        "18446744073709551615",
        "0.5",
        "\"x\"",
        "\"(\"",
        "[]",
        "[1,\"a\",null]",
        "{\"rope_type\":\"yarn\",\"factor\":3}",
    ];
    let fields = file.as_object_mut().unwrap();
    let at = random.below(fields.len());
    let value = fields.values_mut().nth(at).unwrap();
    *value = serde_json::from_str(OTHERS[random.below(OTHERS.len())]).unwrap();
}

/// Every damaged text is read or refused in one line that names the file.
fn damage(seeds: &[Value], read: impl Fn(&str) -> formats::Result<()>) {
    let mut random = Random(0xfade);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..4_000 {
        let mut file = seeds[round % seeds.len()].clone();
        if round % 2 == 0 {
            swap_a_field(&mut file, &mut random);
        }
        let mut bytes = file.to_string().into_bytes();
        if round % 2 == 1 {
            mutate(&mut bytes, &mut random);
        }
        match read(&String::from_utf8_lossy(&bytes)) {
            Ok(()) => accepted += 1,
            Err(error) => {
                refused += 1;
                let sentence = error.to_string();
                assert!(
                    sentence.starts_with("a.json: ") && sentence.lines().count() == 1,
                    "{sentence}"
                );
            }
        }
    }
    assert!(accepted > 200 && refused > 1_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_model_configurations_never_panic() {
    let seeds: Vec<Value> = golden::object("config/saved.v5.json").into_values().collect();
    damage(&seeds, |text| {
        let config = ModelConfig::parse(text, Path::new("a.json"))?;
        assert!(config.num_attention_heads.is_multiple_of(config.num_key_value_heads));
        Ok(())
    });
}

#[test]
fn damaged_generation_configurations_never_panic() {
    let seed =
        serde_json::json!({"eos_token_id": [1, 2], "temperature": 0.7, "top_k": 20, "top_p": 0.8});
    damage(&[seed], |text| GenerationConfig::parse(text, Path::new("a.json")).map(drop));
}

#[test]
fn damaged_adapter_configurations_never_panic() {
    let mut cases = golden::object("peft/cases.json");
    cases.shift_remove("modules");
    let seeds: Vec<Value> = cases.into_values().map(|mut case| case["saved"].take()).collect();
    damage(&seeds, |text| {
        let config = AdapterConfig::parse(text, Path::new("a.json"))?;
        let module = "model.layers.1.self_attn.q_proj";
        let _ = (config.targets(module), config.saves(module));
        assert!(config.scale_for(module).is_finite());
        Ok(())
    });
}
