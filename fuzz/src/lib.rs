//! What the fuzz targets share: a folder to put a file in, and reading everything of a model. A target
//! is one file in `fuzz_targets/`; `examples/seeds.rs` makes what they start from.

use std::path::{Path, PathBuf};

use export::Weights;

/// A folder of this process, for formats that are read from disk; set `TMPDIR` to a RAM disk.
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// The folder of the target `name`, which stays for the next input.
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("fuzz-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("the temporary folder can be written");
        Self { dir }
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

/// Reads every row of every tensor, one by one, up to the first that is refused.
pub fn read_all(weights: &dyn Weights) {
    for info in weights.tensors() {
        let rows = info.rows();
        if info.elements() == 0 {
            continue;
        }
        let mut row = vec![0.0; info.columns()];
        for at in 0..rows {
            if weights.read_rows(info, at..at + 1, &mut row).is_err() {
                return;
            }
        }
    }
}
