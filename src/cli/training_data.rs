//! What an adapter was trained on, where its run left a record: beside a finished result, or the run state
//! of a checkpoint folder, or of the newest checkpoint below a result.

use std::path::Path;

use anyhow::{Context, Result};
use export::gguf::Origin;

use crate::train::checkpoint::{self, RUN_STATE};
use crate::train::record::TrainingRecord;

/// The files' names and the digest of the examples in them, as tokens. `None` for an adapter without
/// a record: one of another program.
///
/// # Errors
/// When there is a record and it cannot be read.
pub(super) fn training_data(adapter: &Path) -> Result<Option<Origin>> {
    if !adapter.is_dir() {
        return Ok(None);
    }
    let about = || format!("cannot tell what {} was trained on", adapter.display());
    if let Some(record) = TrainingRecord::read(adapter).with_context(about)? {
        let TrainingRecord { data, data_digest, .. } = record;
        return Ok(Some(Origin { name: data.join(", "), digest: data_digest }));
    }
    let newest = || checkpoint::list(adapter).map(|found| found.last().map(|(_, dir)| dir.clone()));
    let dir = if adapter.join(RUN_STATE).is_file() { Some(adapter.to_owned()) } else { newest()? };
    let recorded = dir.filter(|dir| dir.join(RUN_STATE).is_file());
    let Some(dir) = recorded else { return Ok(None) };
    let settings = checkpoint::read_run_state(&dir).with_context(about)?.settings;
    let files = settings.get("data").and_then(|data| data.as_array()).into_iter().flatten();
    let names = files.filter_map(|file| Path::new(file.as_str()?).file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    let digest = settings.get("data_digest").and_then(|digest| digest.as_str()).unwrap_or_default();
    Ok((!names.is_empty()).then(|| Origin { name: names.join(", "), digest: digest.to_owned() }))
}
