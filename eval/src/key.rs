//! What a sample is the answer to, as a hash: the same question gets the same key wherever and
//! whenever it is asked, so that runs go on and shards come together by keys alone.

use serde_json::json;

use crate::digest::sha256_of;
use crate::{Arm, Sampling};

/// A key's bytes; 32 hex digits in files.
pub(crate) type Key = [u8; 16];

/// A problem with its question, before it is known who is asked and how often.
pub(crate) struct Topic {
    digest: String,
}

impl Topic {
    /// From the digest of the problem and of its question.
    pub(crate) fn new(problem: &str, question: &str) -> Self {
        Self { digest: sha256_of(&json!([problem, question])) }
    }

    /// The seed of its `index`th sample: the same for every arm, below 2^31, which every server
    /// takes.
    pub(crate) fn seed(&self, sampling: &Sampling, index: usize) -> u64 {
        let digest = sha256_of(&json!(["seed", sampling.seed, self.digest, index]));
        u64::from_str_radix(&digest[..8], 16).unwrap_or_default() & 0x7fff_ffff
    }

    /// The key of its `index`th sample by `arm`, and the seed.
    pub(crate) fn key(&self, arm: &Arm, sampling: &Sampling, index: usize) -> (String, u64) {
        let seed = self.seed(sampling, index);
        let drawn = [json!(sampling.temperature), json!(sampling.top_p), json!(sampling.top_k)];
        let digest = sha256_of(&json!({
            "topic": self.digest,
            "model": arm.model,
            "generation": arm.generation,
            "base_generation": arm.base_generation,
            "drawn": drawn,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
            "index": index,
        }));
        (digest[..32].to_owned(), seed)
    }
}

/// The bytes of a key as files write it.
pub(crate) fn bytes(text: &str) -> Option<Key> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everything_that_decides_an_answer_changes_the_key_and_nothing_else() {
        let arm = |model: &str, generation: Option<&str>| Arm {
            label: "x".into(),
            model: model.into(),
            generation: generation.map(str::to_owned),
            base_generation: Some("b".into()),
        };
        let sampling = Sampling {
            samples: 1,
            temperature: 0.6,
            top_p: 1.0,
            top_k: None,
            max_tokens: 9,
            seed: 0,
        };
        let key = |topic: (&str, &str), arm: &Arm, sampling: &Sampling, index| {
            Topic::new(topic.0, topic.1).key(arm, sampling, index).0
        };
        let (topic, one) = (("p", "q"), arm("m", Some("g")));
        let mut keys = vec![
            key(topic, &one, &sampling, 0),
            key(topic, &one, &sampling, 1),
            key(("p2", "q"), &one, &sampling, 0),
            key(("p", "q2"), &one, &sampling, 0),
            key(topic, &arm("m2", Some("g")), &sampling, 0),
            key(topic, &arm("m", Some("g2")), &sampling, 0),
            key(topic, &arm("m", None), &sampling, 0),
            key(topic, &Arm { base_generation: Some("b2".into()), ..one.clone() }, &sampling, 0),
        ];
        for changed in [
            Sampling { temperature: 0.7, ..sampling.clone() },
            Sampling { top_p: 0.9, ..sampling.clone() },
            Sampling { top_k: Some(5), ..sampling.clone() },
            Sampling { max_tokens: 10, ..sampling.clone() },
            Sampling { seed: 1, ..sampling.clone() },
        ] {
            keys.push(key(topic, &one, &changed, 0));
        }
        let distinct: HashSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        let more = Sampling { samples: 8, ..sampling.clone() };
        let renamed = Arm { label: "other".into(), ..one.clone() };
        assert_eq!(key(topic, &renamed, &more, 0), keys[0], "labels and counts decide nothing");
    }

    #[test]
    fn keys_are_sixteen_bytes() {
        assert_eq!(
            bytes("000102030405060708090a0b0c0d0e0f"),
            Some(std::array::from_fn(|i| i as u8))
        );
        for bad in ["", "00", "+00102030405060708090a0b0c0d0e0", "zz0102030405060708090a0b0c0d0e0f"]
        {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
