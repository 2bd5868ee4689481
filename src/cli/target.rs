//! Where a command's result goes: what may be replaced is settled before the long work, the folders
//! above it are made, and an interruption leaves nothing there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use formats::whole::{self, Existing};

use super::interrupt::{self, Watch};

/// What a result is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One file.
    File,
    /// A folder of files.
    Folder,
}

/// A place that is claimed for a result.
pub(super) struct Target {
    _made: Made,
    _watch: Watch,
}

/// Folders that were made for a result. They go again if they stay empty.
#[derive(Clone)]
pub(super) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes each of `folders`, and those above it.
    pub(super) fn folders(folders: &[PathBuf]) -> std::io::Result<Self> {
        let mut made = Self(Vec::new());
        for folder in folders {
            made.0.extend(make_missing(folder)?);
        }
        Ok(made)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        remove_empty(&self.0);
    }
}

impl Target {
    /// Checks the place as [`check`] does, makes the folders above it, and cleans up should a signal
    /// end the program.
    pub(super) fn claim(path: &Path, kind: Kind, force: bool, inputs: &[&Path]) -> Result<Self> {
        check(path, kind, force, inputs)?;
        if path.file_name().is_none() {
            bail!("{} is no place for a result; give a path that ends in a name", path.display());
        }
        let parent = folder_of(path);
        let made = Made::folders(&[parent.to_owned()])
            .with_context(|| format!("cannot make the folder of {}", path.display()))?;
        let (target, folder, folders) = (path.to_owned(), parent.to_owned(), made.clone());
        let watch = interrupt::clean_up(move || {
            abandon(&folder);
            // What stood there may have been on its way aside. If not even that can be put right, the
            // next run does it.
            let _left = whole::recover_dir(&target);
            drop(folders);
        })?;
        Ok(Self { _made: made, _watch: watch })
    }
}

/// Renames a finished file to its place.
pub(super) fn put_in_place(draft: &Path, path: &Path, existing: Existing) -> Result<()> {
    if existing == Existing::Refuse && path.exists() {
        bail!(
            "{} has come to exist meanwhile; choose another name or give --force",
            path.display()
        );
    }
    let put =
        fs_err::rename(draft, path).and_then(|()| fs_err::File::open(folder_of(path))?.sync_all());
    put.with_context(|| format!("cannot put the finished file at {}", path.display()))
}

/// The folder above a path.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes this process's drafts from a folder in which threads may still be writing.
pub(super) fn abandon(folder: &Path) {
    for _ in 0..100 {
        if whole::abandon_drafts(folder).is_ok() {
            return;
        }
    }
}

/// Makes a folder and those above it; gives those that were missing, the outermost first.
fn make_missing(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    fs_err::create_dir_all(folder)?;
    Ok(missing)
}

/// The system refuses to remove those that hold something.
fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _holds_something = fs_err::remove_dir(folder);
    }
}

/// Files of which every folder that this program writes holds one.
const OURS: [&str; 4] = ["config.json", "adapter_config.json", "Modelfile", "oci-layout"];

/// Checks that the result may be written to `path`. With `force` it may replace what is of its kind; but
/// never one of `inputs` or a folder above one, and no folder of other things.
pub(super) fn check(path: &Path, kind: Kind, force: bool, inputs: &[&Path]) -> Result<()> {
    let shown = path.display();
    if kind == Kind::File && path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        bail!("{shown} names a folder, but a file is written; give the file's name");
    }
    if !path.exists() {
        if path.is_symlink() {
            bail!("{shown} is a link to nothing; choose another name or remove it");
        }
        return Ok(());
    }
    if !force {
        bail!("{shown} exists already; choose another name or give --force");
    }
    let real = fs_err::canonicalize(path)?;
    for input in inputs {
        // An input that is not there is somebody else's error, and a hub id is no path.
        let Ok(read) = fs_err::canonicalize(input) else { continue };
        if read == real {
            bail!("{shown} is what this command reads; choose another name");
        }
        if read.starts_with(&real) {
            let input = input.display();
            bail!("{shown} holds {input}, which this command reads; choose another name");
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
        for (output, expected) in [
            (model.as_path(), "is what this command reads"),
            (dir.path(), "which this command reads"),
        ] {
            let sentence = refused(output, Kind::Folder, true, &[&model]);
            assert!(sentence.contains(expected), "{sentence}");
        }
    }

    #[test]
    fn a_name_that_cannot_become_the_result_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let slash = format!("{}/x/", dir.path().display());
        assert!(refused(Path::new(&slash), Kind::File, true, &[]).contains("give the file's name"));
        check(Path::new(&slash), Kind::Folder, false, &[]).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nothing"), &link).unwrap();
        assert!(refused(&link, Kind::Folder, true, &[]).contains("a link to nothing"));
    }

    #[test]
    fn missing_folders_are_made_and_go_again_while_they_are_empty() {
        let dir = tempfile::tempdir().unwrap();
        let made = make_missing(&dir.path().join("a/b/c")).unwrap();
        assert_eq!(made.len(), 3);
        fs_err::write(dir.path().join("a/file"), "").unwrap();
        remove_empty(&made);
        assert!(dir.path().join("a").exists() && !dir.path().join("a/b").exists());
        assert!(make_missing(dir.path()).unwrap().is_empty());
    }
}
