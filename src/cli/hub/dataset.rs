//! Files of a data set of the hub, by name or pattern. Names come from a server, so nothing that leads
//! out of its folder is taken.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hf_hub::RepoType;

use super::{Hub, HubConfig, ModelId};

/// The files of the data set whose names match one of `patterns` (one `*` each, that stands for
/// anything), in the patterns' order, with their places in the cache; fetched where they are not there.
pub(in crate::cli) fn fetch_files(
    id: &ModelId,
    patterns: &[String],
    config: &HubConfig,
) -> Result<Vec<(String, PathBuf)>> {
    if config.offline {
        bail!("HF_HUB_OFFLINE is set; unset it to fetch a data set");
    }
    let hub = Hub::new(id, RepoType::Dataset, config)?;
    let info = hub.remote.info().map_err(|error| hub.explain(error))?;
    let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
    let local = hub.cache.repo(hub.repo.clone());
    let folder = local.pointer_path(&info.sha);
    let mut fetched = Vec::new();
    for name in chosen(&names, patterns, &id.id)? {
        hub.file(&folder, name)?;
        fetched.push((name.to_owned(), folder.join(name)));
    }
    local.create_ref(&info.sha).context("cannot write to the hub cache")?;
    Ok(fetched)
}

/// The names that each pattern matches; a pattern that matches none is an error.
fn chosen<'n>(names: &'n [String], patterns: &[String], id: &str) -> Result<Vec<&'n str>> {
    let mut chosen = Vec::new();
    for pattern in patterns {
        let mut found: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| is_plain(name) && matches(name, pattern))
            .collect();
        if found.is_empty() {
            let some: Vec<&str> = names.iter().map(String::as_str).take(10).collect();
            bail!("{id} has no file {pattern}; it has: {}", some.join(", "));
        }
        found.sort_unstable();
        found.retain(|name| !chosen.contains(name));
        chosen.extend(found);
    }
    Ok(chosen)
}

fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}

/// Whether a name stays below the folder that it is put into.
fn is_plain(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
    name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn patterns_choose_in_their_order() {
        let names = all(&["data/b-2.parquet", "data/b-1.parquet", "data/a.parquet", "README.md"]);
        let choose = |patterns: &[&str]| chosen(&names, &all(patterns), "org/set");
        let found = choose(&["data/b-*.parquet", "data/*.parquet"]).unwrap();
        assert_eq!(found, ["data/b-1.parquet", "data/b-2.parquet", "data/a.parquet"]);
        assert_eq!(choose(&["README.md"]).unwrap(), ["README.md"]);
        let error = choose(&["data/b-1*1.parquet"]).unwrap_err().to_string();
        assert!(
            error.contains("org/set has no file data/b-1*1.parquet; it has: data/b-2"),
            "{error}"
        );
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        let names =
            all(&["../x.parquet", "/x.parquet", "a/../x.parquet", ".x.parquet", "a//x.parquet"]);
        assert!(chosen(&names, &all(&["*.parquet"]), "org/set").is_err());
    }
}
