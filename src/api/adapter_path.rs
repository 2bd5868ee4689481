//! Which folders an HTTP client may name: those that truly lie below the adapter folder.
//!
//! No link below that folder is followed, wherever it leads. Leaves out what is in a folder: that is the
//! loader's to judge.

use std::path::{Component, Path, PathBuf};

use super::error::ApiError;
use super::fields::brief;
use crate::adapters::{ADAPTER_FILES as FILES, check_name};

/// The folder below which adapters may be loaded over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct AdapterFolder {
    /// As it was given.
    given: PathBuf,
}

impl AdapterFolder {
    /// The folder; it need not exist yet.
    pub(crate) fn new(given: PathBuf) -> Self {
        Self { given }
    }

    /// The names of the adapters directly below the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(&self.given) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| self.find(name).is_some())
            .collect();
        names.sort();
        names
    }

    /// The adapter directly below the folder that bears this name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        check_name(name).ok().filter(|()| !name.starts_with('.'))?;
        let path = self.given.join(name);
        let complete = FILES.iter().all(|file| path.join(file).is_file());
        (complete && self.contain(&path).is_some()).then_some(path)
    }

    /// The folder that a client's `lora_path` means: absolute, below the adapter folder, or as the
    /// server's working directory sees it.
    ///
    /// # Errors
    /// 400 for a path that leads out of the adapter folder, 404 for one that leads nowhere.
    pub(crate) fn admit(&self, asked: &str) -> Result<PathBuf, ApiError> {
        let (asked_path, asked) = (Path::new(asked), &*brief(asked));
        if asked_path.components().any(|part| part == Component::ParentDir) {
            return Err(outside(asked));
        }
        let below = self.given.join(asked_path);
        let path = if below.exists() { below } else { asked_path.to_owned() };
        if !path.exists() {
            return Err(self.missing(asked_path, asked));
        }
        let real = self.contain(&path).ok_or_else(|| outside(asked))?;
        match FILES.iter().find(|file| !real.join(file).is_file()) {
            None => Ok(real),
            Some(file) => Err(ApiError::NotFound(format!(
                "`{asked}` is no adapter folder: it holds no {file}"
            ))),
        }
    }

    /// Whether a loaded adapter's folder, which lies below this one, is now or comes after a link.
    /// Elsewhere links are the business of who started the server.
    pub(crate) fn is_now_linked(&self, path: &Path) -> bool {
        self.below(path).is_some() && self.contain(path).is_none()
    }

    /// The folder without links, and the part of the path below it.
    fn below(&self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let root = fs_err::canonicalize(&self.given).ok()?;
        let (path, given) =
            (std::path::absolute(path).ok()?, std::path::absolute(&self.given).ok()?);
        let below = path.strip_prefix(given).or_else(|_| path.strip_prefix(&root)).ok()?;
        Some((root, below.to_owned()))
    }

    /// The real path, if it lies below the folder and neither it nor an adapter file in it is a link or
    /// comes after one. The folder itself may be one.
    fn contain(&self, path: &Path) -> Option<PathBuf> {
        let (mut real, below) = self.below(path)?;
        for part in below.components() {
            real.push(part);
            if matches!(part, Component::ParentDir) || real.is_symlink() {
                return None;
            }
        }
        let linked = FILES.iter().any(|file| real.join(file).is_symlink());
        (below.components().next().is_some() && !linked).then_some(real)
    }

    /// Says no more than that nothing is there: outside the folder, existence is nobody's business.
    fn missing(&self, path: &Path, asked: &str) -> ApiError {
        if path.is_absolute() && !path.starts_with(&self.given) {
            return outside(asked);
        }
        ApiError::NotFound(format!("there is no adapter folder `{asked}` below the adapter folder"))
    }
}

fn outside(asked: &str) -> ApiError {
    ApiError::Invalid {
        message: format!(
            "`{asked}` does not lie below the server's adapter folder (--adapter-dir); adapters are \
             loaded over HTTP only from there, without `..` and symbolic links"
        ),
        param: Some("lora_path".into()),
        code: Some("path_not_allowed"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn adapter(dir: &Path) {
        fs_err::create_dir_all(dir).unwrap();
        FILES.iter().for_each(|file| fs_err::write(dir.join(file), "x").unwrap());
    }

    fn code(result: Result<PathBuf, ApiError>) -> String {
        let envelope = result.unwrap_err().envelope();
        envelope["error"]["code"].as_str().unwrap_or("none").to_owned()
    }

    #[test]
    fn only_what_truly_lies_below_the_folder_is_admitted() {
        let temp = tempfile::tempdir().unwrap();
        let (root, other) = (temp.path().join("adapters"), temp.path().join("other"));
        adapter(&root.join("a"));
        adapter(&root.join("deep/b"));
        adapter(&other);
        symlink(&other, root.join("leads-out")).unwrap();
        symlink(root.join("a"), root.join("leads-in")).unwrap();
        fs_err::create_dir(root.join("stolen")).unwrap();
        fs_err::write(root.join("stolen/adapter_config.json"), "x").unwrap();
        symlink(other.join(FILES[1]), root.join("stolen").join(FILES[1])).unwrap();
        let folder = AdapterFolder::new(root.clone());

        let real = |path: &str| fs_err::canonicalize(root.join(path)).unwrap();
        assert_eq!(folder.admit("a").unwrap(), real("a"));
        assert_eq!(folder.admit("deep/b").unwrap(), real("deep/b"));
        assert_eq!(folder.admit(root.join("a").to_str().unwrap()).unwrap(), real("a"));
        symlink(root.join("deep"), root.join("way")).unwrap();
        for path in
            ["leads-out", "leads-in", "way/b", "../other", "a/../../other", "stolen", "/etc", "."]
        {
            assert_eq!(code(folder.admit(path)), "path_not_allowed", "{path}");
        }
        assert_eq!(code(folder.admit(other.to_str().unwrap())), "path_not_allowed");
        assert!(matches!(folder.admit("nowhere"), Err(ApiError::NotFound(_))));
        assert!(matches!(folder.admit("deep"), Err(ApiError::NotFound(_))));
        assert_eq!(folder.names(), ["a"]);
        assert!(!folder.is_now_linked(&root.join("a")) && !folder.is_now_linked(&other));
        assert!(folder.is_now_linked(&root.join("stolen")));
        let linked = temp.path().join("linked");
        symlink(&root, &linked).unwrap();
        assert_eq!(
            AdapterFolder::new(linked).admit("a").unwrap(),
            real("a"),
            "the owner's own link"
        );
    }
}
