//! `wardrobe data fetch`: a data set of the hub into the data folder. Files go through the hub's
//! cache, as models do: an interrupted download goes on where it stopped. Leaves out reading them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;

use crate::cli::hub::{self, HubConfig};
use crate::cli::usage::Usage;

/// The data sets that have a short name.
const SOURCES: &str = include_str!("../../../eval-suites/sources.toml");

/// Arguments of `wardrobe data fetch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe data fetch countdown                    data/countdown/train-00000-of-00001.parquet
  wardrobe data fetch livecodebench:v1
  wardrobe data fetch openai/gsm8k --file 'main/test-*.parquet'

Without a name, the data sets that have one are listed. HF_ENDPOINT, HF_TOKEN and HF_HOME are honoured.")]
pub(super) struct FetchArgs {
    /// A data set's short name, NAME:VARIANT, or the id of any data set of the hub
    name: Option<String>,
    /// File of the data set to fetch, one `*` allowed; may be repeated
    #[arg(long)]
    file: Vec<String>,
    /// Folder that data sets are put into
    #[arg(long, default_value = "data")]
    output: PathBuf,
}

/// Where one data set is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    about: String,
    repo: String,
    files: Vec<String>,
    #[serde(default)]
    variants: BTreeMap<String, Vec<String>>,
}

/// What to fetch, and the folder's name for it.
struct Wanted {
    repo: String,
    files: Vec<String>,
    folder: String,
}

/// Runs `wardrobe data fetch`.
pub(super) fn run(args: &FetchArgs) -> Result<()> {
    let sources: BTreeMap<String, Source> = toml::from_str(SOURCES)?;
    let mut out = std::io::stdout().lock();
    let Some(name) = &args.name else {
        for (name, source) in &sources {
            let variants: Vec<&str> = source.variants.keys().map(String::as_str).collect();
            let more = if variants.is_empty() {
                String::new()
            } else {
                format!(" [:{}]", variants.join(" :"))
            };
            writeln!(out, "{name}{more}: {}", source.about)?;
        }
        return Ok(());
    };
    let wanted = wanted(name, &args.file, &sources)?;
    for path in fetch(&wanted, &args.output, &HubConfig::from_env())? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

fn wanted(
    name: &str,
    files: &[String],
    sources: &BTreeMap<String, Source>,
) -> Result<Wanted, Usage> {
    let (short, variant) = match name.split_once(':') {
        Some((short, variant)) => (short, Some(variant)),
        None => (name, None),
    };
    if let Some(source) = sources.get(short) {
        let of_variant = variant.map(|variant| {
            source.variants.get(variant).ok_or_else(|| {
                let known: Vec<&str> = source.variants.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Usage(format!("{short} has no variant `{variant}`; it has: {known}"))
            })
        });
        let usual = of_variant.transpose()?.unwrap_or(&source.files);
        let files = if files.is_empty() { usual } else { files }.to_vec();
        return Ok(Wanted { repo: source.repo.clone(), files, folder: short.to_owned() });
    }
    if hub::parse_id(name).is_none() {
        let known: Vec<&str> = sources.keys().map(String::as_str).collect();
        return Err(Usage(format!(
            "there is no data set `{name}`; known are {}, or give a hub id ORG/NAME",
            known.join(", ")
        )));
    }
    if files.is_empty() {
        return Err(Usage(format!(
            "which files of {name}? Name them with --file, for instance --file 'data/train-*.parquet'"
        )));
    }
    let folder = name.split('@').next().unwrap_or(name).replace('/', "--");
    Ok(Wanted { repo: name.to_owned(), files: files.to_vec(), folder })
}

/// Fetches the files and puts each into its place, whole.
fn fetch(wanted: &Wanted, output: &Path, config: &HubConfig) -> Result<Vec<PathBuf>> {
    let id = hub::parse_id(&wanted.repo).context("a hub id looks like ORG/NAME")?;
    let folder = output.join(&wanted.folder);
    let fetched = hub::fetch_files(&id, &wanted.files, config)?;
    fs_err::create_dir_all(&folder)?;
    let names = places(fetched.iter().map(|(name, _)| name.as_str()));
    let mut paths = Vec::new();
    for ((_, cached), name) in fetched.iter().zip(names) {
        let path = folder.join(name);
        formats::whole::write_file_with(&path, |out| {
            std::io::copy(&mut fs_err::File::open(cached)?, out).map(drop)
        })?;
        paths.push(path);
    }
    Ok(paths)
}

/// The files' names without their folders, unless two would then be the same.
fn places<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let short: Vec<String> = names.clone().map(last).collect();
    let mut unique = short.clone();
    unique.sort();
    unique.dedup();
    if unique.len() == short.len() { short } else { names.map(|n| n.replace('/', "-")).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> BTreeMap<String, Source> {
        toml::from_str(SOURCES).unwrap()
    }

    #[test]
    fn names_variants_and_ids_are_understood() {
        let sources = sources();
        let of = |name: &str, files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            wanted(name, &files, &sources).map(|w| (w.repo, w.files, w.folder))
        };
        let (repo, files, folder) = of("livecodebench:v2", &[]).unwrap();
        assert_eq!(repo, "livecodebench/code_generation_lite");
        assert_eq!((files.len(), folder.as_str()), (2, "livecodebench"));
        assert_eq!(of("livecodebench", &[]).unwrap().1.len(), 6);
        let (repo, _, folder) = of("org/set@v1", &["a.csv"]).unwrap();
        assert_eq!((repo.as_str(), folder.as_str()), ("org/set@v1", "org--set"));
        // Wrong usage, all of it.
        let says = |name: &str| of(name, &[]).unwrap_err().0;
        assert!(
            says("livecodebench:v9").contains("it has: v1, v2"),
            "{}",
            says("livecodebench:v9")
        );
        assert!(says("nothing").contains("known are countdown"));
        assert!(says("org/set").contains("--file"));
    }

    #[test]
    fn every_source_is_an_id_of_the_hub() {
        for (name, source) in sources() {
            assert!(hub::parse_id(&source.repo).is_some() && !source.files.is_empty(), "{name}");
            assert!(source.files.iter().all(|file| file.matches('*').count() <= 1), "{name}");
        }
    }

    #[test]
    fn files_of_one_name_keep_their_folders() {
        assert_eq!(places(["a/x", "b/y"].into_iter()), ["x", "y"]);
        assert_eq!(places(["a/x", "b/x"].into_iter()), ["a-x", "b-x"]);
    }
}
