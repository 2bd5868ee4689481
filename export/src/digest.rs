//! What a model folder is called by its content: one hash over the files that decide what it computes.

use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::Result;

/// SHA-256, in hexadecimal, over the SHA-256 digests of a model's `config.json` and weights files, in the
/// order of their names; of a single file, over its own digest alone.
///
/// # Errors
/// A file that cannot be read.
pub fn model_digest(model: &Path) -> Result<String> {
    let mut files = vec![model.to_owned()];
    if model.is_dir() {
        files = weights_files(model)?;
    }
    let digests: Result<Vec<_>> = files.par_iter().map(|file| file_digest(file)).collect();
    Ok(hexadecimal(&Sha256::digest(digests?.concat())))
}

/// Bytes as two hexadecimal digits each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn weights_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        let weights = path.extension().is_some_and(|extension| extension == "safetensors");
        if weights || path.file_name().is_some_and(|name| name == "config.json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn file_digest(path: &Path) -> Result<[u8; 32]> {
    let (mut file, mut digest) = (fs_err::File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}
