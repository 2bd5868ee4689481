//! The output folder: whose it is, and what lies beside the weights in a result (tokenizer files,
//! a README card).

use std::path::Path;

use formats::peft::AdapterConfig;
use formats::whole;

use super::checkpoint;
use super::error::TrainError;
use super::trainer_state::METRICS;

/// Refuses a folder that holds a result, checkpoints or anything that a run would not have begun
/// with, unless its run is to be gone on with and there is a checkpoint to go on from. `weights` is
/// the file that makes a result.
///
/// # Errors
/// Names what is in the way.
pub fn claim(output: &Path, weights: &str, resume: bool) -> Result<(), TrainError> {
    let newest = checkpoint::list(output)?.pop();
    let finished = output.join(weights).exists();
    let problem = match newest {
        Some((step, _)) if !resume => format!(
            "holds checkpoint-{step} of an earlier run; go on with --resume, choose another \
             --output, or remove it"
        ),
        None if finished => format!(
            "holds {weights} of an earlier run and no checkpoint to go on from; choose another \
             --output, or remove it"
        ),
        None => match foreign(output)? {
            Some(name) => format!(
                "holds {name}, which no run has put there and this one might replace; choose \
                 another --output, or an empty folder"
            ),
            None => return Ok(()),
        },
        Some(_) => return Ok(()),
    };
    Err(TrainError::Output { path: output.to_owned(), problem })
}

/// What stands in a folder without checkpoints beside the log of a run that failed early and hidden
/// files.
fn foreign(output: &Path) -> Result<Option<String>, TrainError> {
    if !output.exists() {
        return Ok(None);
    }
    let names = fs_err::read_dir(output)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<String>>>()?;
    Ok(names.into_iter().filter(|name| !name.starts_with('.') && name != METRICS).min())
}

/// Writes files that are held in memory, and the folders of those that lie deeper.
///
/// # Errors
/// When a file cannot be written.
pub fn write_files(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), TrainError> {
    for (name, contents) in files {
        if let Some((folder, _)) = name.rsplit_once('/') {
            fs_err::create_dir_all(dir.join(folder))?;
        }
        whole::write_file(&dir.join(name), contents)?;
    }
    Ok(())
}

/// Writes the README card of an adapter, in the Hub's form.
///
/// # Errors
/// When the file cannot be written.
pub fn write_adapter_card(
    dir: &Path,
    base: &str,
    config: &AdapterConfig,
) -> Result<(), TrainError> {
    let (rank, alpha, dropout) = (config.rank, config.alpha, config.dropout);
    let text = format!(
        "---\nbase_model: {base}\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n\
         - lora\n- sft\n- wardrobe\n---\n\n# LoRA adapter\n\nTrained on `{base}` with \
         `wardrobe train sft`: rank {rank}, alpha {alpha}, dropout {dropout}.\n"
    );
    Ok(whole::write_file(&dir.join("README.md"), text.as_bytes())?)
}

/// Writes the README card of a base model.
///
/// # Errors
/// When the file cannot be written.
pub fn write_base_card(dir: &Path, facts: &str) -> Result<(), TrainError> {
    let text = format!(
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- wardrobe\n---\n\n\
         # Base model\n\nTrained from scratch with `wardrobe train pretrain`.\n\n{facts}\n"
    );
    Ok(whole::write_file(&dir.join("README.md"), text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_run_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let claim = |resume| claim(dir.path(), "w.safetensors", resume);
        assert!(claim(false).is_ok() && claim(true).is_ok());
        fs_err::write(dir.path().join("w.safetensors"), "").unwrap();
        assert!(claim(false).is_err() && claim(true).is_err());
        fs_err::create_dir(dir.path().join("checkpoint-3")).unwrap();
        assert!(claim(false).unwrap_err().to_string().contains("--resume"));
        assert!(claim(true).is_ok());
    }

    #[test]
    fn files_that_no_run_wrote_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let claim = |resume| claim(dir.path(), "w.safetensors", resume);
        fs_err::write(dir.path().join(METRICS), "").unwrap();
        fs_err::write(dir.path().join(".hidden"), "").unwrap();
        assert!(claim(false).is_ok());
        fs_err::write(dir.path().join("README.md"), "mine").unwrap();
        for resume in [false, true] {
            let error = claim(resume).unwrap_err().to_string();
            assert!(error.contains("holds README.md") && error.contains("--output"), "{error}");
        }
    }
}
