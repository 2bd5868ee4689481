//! Finding a suite: one that comes with the program, by name, or a user's own, by the path of its
//! `suite.toml` or folder.

use std::path::{Path, PathBuf};

use crate::bundled::{Folder, SUITES};
use crate::{Error, Suite};

/// Where the files beside a `suite.toml` are.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// In the program.
    Bundled(&'static str),
    /// In a folder.
    Folder(PathBuf),
}

/// Where one file of problems is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In the program: its name, and what is in it.
    Bundled(String, &'static [u8]),
    /// On disk.
    File(PathBuf),
}

impl Source {
    /// As it is named to the user.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Bundled(name, _) => name.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// The suite of that name or path.
pub(crate) fn find(name: &str) -> Result<(Suite, Home), Error> {
    if let Some(folder) = SUITES.iter().find(|folder| folder.name == name) {
        return Ok((Suite::parse(folder.toml, name)?, Home::Bundled(folder.name)));
    }
    let path = Path::new(name);
    let file = if path.is_dir() { path.join("suite.toml") } else { path.to_owned() };
    if !file.is_file() {
        let known: Vec<&str> = SUITES.iter().map(|folder| folder.name).collect();
        return Err(Error::UnknownSuite { found: name.to_owned(), known: known.join(", ") });
    }
    let suite = Suite::parse(&fs_err::read_to_string(&file)?, &file.display().to_string())?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    Ok((suite, Home::Folder(folder)))
}

/// The files of problems: those that the user named, or the suite's own.
pub(crate) fn sources(suite: &Suite, home: &Home, named: &[PathBuf]) -> Result<Vec<Source>, Error> {
    if !named.is_empty() {
        return Ok(named.iter().cloned().map(Source::File).collect());
    }
    if suite.data.files.is_empty() {
        return Err(Error::Setting(format!(
            "suite {} has no data of its own; give it a file. {}",
            suite.name, suite.source
        )));
    }
    match home {
        Home::Folder(folder) => {
            Ok(suite.data.files.iter().map(|file| Source::File(folder.join(file))).collect())
        }
        Home::Bundled(name) => bundled(suite, name),
    }
}

fn bundled(suite: &Suite, name: &str) -> Result<Vec<Source>, Error> {
    let files: &[_] =
        SUITES.iter().find(|folder| folder.name == name).map_or(&[], |f: &Folder| f.files);
    let named = suite.data.files.iter().map(|file| {
        let found = files.iter().find(|(name, _)| name == file);
        let missing = || Error::Suite {
            path: name.to_owned(),
            reason: format!("the data file {file} is not in the program"),
        };
        let (_, bytes) = found.ok_or_else(missing)?;
        Ok(Source::Bundled(format!("{name}/{file}"), bytes))
    });
    named.collect()
}
