//! What Ollama's `config` says of a GGUF file: format, family, size and type. Read from its head.

use std::path::Path;

use formats::gguf::GgufFile;

use crate::{Error, Result};

/// What a GGUF file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufFacts {
    /// `general.architecture`, e.g. `qwen2`.
    pub architecture: String,
    /// Values in all tensors.
    pub parameters: u64,
    /// llama.cpp's name of `general.file_type`, e.g. `Q4_K_M`.
    pub file_type: String,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
    /// A LoRA (`general.type` is `adapter`) rather than a model.
    pub is_adapter: bool,
}

/// `llama_ftype` by number, as Ollama names them.
const FILE_TYPES: [(u64, &str); 19] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (21, "Q2_K_S"),
    (25, "IQ4_NL"),
    (32, "BF16"),
];

impl GgufFacts {
    /// Reads the head of a GGUF file.
    ///
    /// # Errors
    /// A file that is no GGUF, or names no architecture.
    pub fn read(path: &Path) -> Result<Self> {
        let file = GgufFile::open(path)?;
        let metadata = file.metadata();
        let Some(architecture) = metadata.str("general.architecture") else {
            let problem = "has no `general.architecture`; export the model again";
            return Err(Error::refused(path, problem));
        };
        let file_type = metadata.unsigned("general.file_type");
        let name = |id| FILE_TYPES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name);
        let elements = file.tensors().iter().map(|t| t.shape.iter().product::<usize>() as u64);
        Ok(Self {
            architecture: architecture.to_owned(),
            parameters: elements.sum(),
            file_type: file_type.and_then(name).unwrap_or("unknown").to_owned(),
            chat_template: metadata.str("tokenizer.chat_template").map(str::to_owned),
            is_adapter: metadata.str("general.type") == Some("adapter"),
        })
    }
}

/// A number of parameters as Ollama shows it: `494.03M`, `7.6B`, `3B`.
pub(super) fn human_number(count: u64) -> String {
    let in_units = |unit: u64, decimals: usize, letter: char| {
        // Below 2^53, where this is exact.
        let number = count as f64 / unit as f64;
        let decimals = if number.fract() == 0.0 { 0 } else { decimals };
        format!("{number:.decimals$}{letter}")
    };
    match count {
        1_000_000_000.. => in_units(1_000_000_000, 1, 'B'),
        1_000_000.. => in_units(1_000_000, 2, 'M'),
        1_000.. => in_units(1_000, 0, 'K'),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::human_number;

    #[test]
    fn numbers_look_as_ollama_shows_them() {
        for (count, shown) in [
            (999, "999"),
            (1_234, "1K"),
            (3_000_000, "3M"),
            (494_032_768, "494.03M"),
            (3_000_000_000, "3B"),
            (7_615_616_512, "7.6B"),
        ] {
            assert_eq!(human_number(count), shown);
        }
    }
}
