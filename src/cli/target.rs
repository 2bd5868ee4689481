//! Where a command's result goes: what may be replaced is settled before the long work.

use std::path::Path;

use anyhow::{Result, bail};

/// What a result is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One file.
    File,
    /// A folder of files.
    Folder,
}

/// Files of which every folder that this program writes holds one.
const OURS: [&str; 4] = ["config.json", "adapter_config.json", "Modelfile", "oci-layout"];

/// Checks that the result may be written to `path`. With `force` it may replace what is of its kind; but
/// never one of `inputs` or a folder above one, and no folder of other things.
pub(super) fn check(path: &Path, kind: Kind, force: bool, inputs: &[&Path]) -> Result<()> {
    let shown = path.display();
    if !path.exists() {
        return Ok(());
    }
    if !force {
        bail!("{shown} exists already; choose another name or give --force");
    }
    let real = fs_err::canonicalize(path)?;
    for input in inputs {
        // An input that is not there is somebody else's error, and a hub id is no path.
        if fs_err::canonicalize(input).is_ok_and(|input| input.starts_with(&real)) {
            bail!(
                "{shown} holds {}, which this command reads; choose another name",
                input.display()
            );
        }
    }
    match kind {
        Kind::File if !real.is_file() => {
            bail!("{shown} is no file that can be replaced; choose another name")
        }
        Kind::Folder if !real.is_dir() => {
            bail!("{shown} is no folder; choose another name")
        }
        Kind::Folder if !is_ours(&real)? => bail!(
            "{shown} holds other things than a model, an adapter or a package; choose another name, or \
             remove it yourself"
        ),
        Kind::File | Kind::Folder => Ok(()),
    }
}

/// Whether a folder may have been written by this program, or is empty.
fn is_ours(dir: &Path) -> Result<bool> {
    Ok(OURS.iter().any(|name| dir.join(name).exists()) || fs_err::read_dir(dir)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path, kind: Kind, force: bool, inputs: &[&Path]) -> String {
        check(path, kind, force, inputs).unwrap_err().to_string()
    }

    #[test]
    fn only_what_is_of_its_kind_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        check(&at("new"), Kind::Folder, false, &[]).unwrap();
        fs_err::create_dir(at("empty")).unwrap();
        check(&at("empty"), Kind::Folder, true, &[]).unwrap();
        assert!(refused(&at("empty"), Kind::Folder, false, &[]).contains("exists already"));
        assert!(refused(&at("empty"), Kind::File, true, &[]).contains("is no file"));

        fs_err::create_dir(at("thesis")).unwrap();
        fs_err::write(at("thesis/chapter.txt"), "1").unwrap();
        assert!(refused(&at("thesis"), Kind::Folder, true, &[]).contains("holds other things"));
        assert!(refused(&at("thesis/chapter.txt"), Kind::Folder, true, &[]).contains("no folder"));
        check(&at("thesis/chapter.txt"), Kind::File, true, &[]).unwrap();
        assert!(refused(Path::new("/dev/null"), Kind::File, true, &[]).contains("is no file"));
    }

    #[test]
    fn what_is_read_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("model");
        fs_err::create_dir(&model).unwrap();
        fs_err::write(model.join("config.json"), "{}").unwrap();
        check(&model, Kind::Folder, true, &[Path::new("hub/id")]).unwrap();
        for output in [model.as_path(), dir.path()] {
            let sentence = refused(output, Kind::Folder, true, &[&model]);
            assert!(sentence.contains("which this command reads"), "{sentence}");
        }
    }
}
