//! `wardrobe push`: a GGUF file or a package's folder to a model repository of the hub, with a card
//! that says where it comes from.

mod card;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args};
use formats::model_folder::{self, MORE_TEMPLATES};
use serde_json::json;

use super::export::report_path;
use super::hub::{self, HubConfig, PushFile};
use super::terminal;

/// Arguments of `wardrobe push`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["gguf", "dir"])))]
#[command(after_help = "\
Examples:
  wardrobe push --gguf demo.gguf me/demo-GGUF
  wardrobe push --dir demo-ollama me/demo-GGUF      then: ollama run hf.co/me/demo-GGUF

HF_TOKEN is a token that may write; HF_ENDPOINT names another hub. A push that was cut goes on where it
stopped: large files that the hub has are not sent again.")]
pub(super) struct PushArgs {
    /// A GGUF file
    #[arg(long, value_name = "FILE")]
    gguf: Option<PathBuf>,
    /// A folder: every file in it, and a model's additional chat templates
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The repository; it is made if there is none
    #[arg(value_name = "ORG/NAME")]
    repo: String,
    /// Make the repository a private one
    #[arg(long)]
    private: bool,
    /// The commit's message
    #[arg(long, value_name = "TEXT", default_value = "Upload with wardrobe")]
    message: String,
    /// Print what was pushed as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &PushArgs) -> Result<()> {
    let fits = hub::parse_id(&args.repo).is_some() && !args.repo.contains('@');
    if !fits {
        bail!("`{}` is no repository of the hub; expected ORG/NAME", args.repo);
    }
    let paths = paths(args)?;
    let mut files = Vec::new();
    for (name, path) in &paths {
        files.push(PushFile::open(name.clone(), path)?);
    }
    if !paths.iter().any(|(name, _)| name == "README.md") {
        let card = card::card(&args.repo, &paths, &files)?;
        files.push(PushFile::text("README.md", card));
    }
    let pushed =
        hub::push(&HubConfig::from_env(), &args.repo, args.private, &args.message, &files)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let listed = files
            .iter()
            .map(|file| json!({"name": file.name(), "sha256": file.sha256(), "size": file.size()}));
        let listed: Vec<_> = listed.collect();
        let report = json!({
            "repo": args.repo, "commit": pushed.url, "files": listed,
            "sent_bytes": pushed.sent, "shared_bytes": pushed.there,
        });
        writeln!(out, "{report:#}")?;
    } else {
        let (count, sent) = (files.len(), pushed.sent);
        writeln!(out, "{} {count} files, {sent} bytes sent", terminal::green("pushed"))?;
        writeln!(out, "{}", pushed.url)?;
    }
    Ok(())
}

/// Names in the repository and files here, sorted by name.
fn paths(args: &PushArgs) -> Result<Vec<(String, PathBuf)>> {
    if let Some(file) = &args.gguf {
        let report = report_path(file);
        let both = [Some(file.clone()), report.is_file().then_some(report)];
        return both.into_iter().flatten().map(|path| Ok((name_of(&path)?, path))).collect();
    }
    let dir = args.dir.as_deref().context("give --gguf or --dir")?;
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        let name = name_of(&path)?;
        if path.is_dir() {
            if name == MORE_TEMPLATES {
                continue;
            }
            bail!("{} is a folder; the files of a package lie in one folder", path.display());
        }
        if !name.starts_with('.') {
            paths.push((name, path));
        }
    }
    let deeper = model_folder::text_files(dir)?.into_iter().filter(|name| name.contains('/'));
    paths.extend(deeper.map(|name| (name.clone(), dir.join(name))));
    if paths.is_empty() {
        bail!("{} has no files to push", dir.display());
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has no name that is text", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn of_folders_the_additional_templates_alone_go_along() {
        let dir = tempfile::tempdir().unwrap();
        let command = PushArgs::augment_args(clap::Command::new("push"));
        let given = ["push", "--dir", dir.path().to_str().unwrap(), "org/name"];
        let args = PushArgs::from_arg_matches(&command.get_matches_from(given)).unwrap();
        fs_err::create_dir(dir.path().join(MORE_TEMPLATES)).unwrap();
        for name in ["README.md", "additional_chat_templates/rag.jinja", ".hidden"] {
            fs_err::write(dir.path().join(name), name).unwrap();
        }
        let names: Vec<String> = paths(&args).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["README.md", "additional_chat_templates/rag.jinja"]);
        fs_err::create_dir(dir.path().join("other")).unwrap();
        let error = paths(&args).unwrap_err().to_string();
        assert!(error.contains("other is a folder"), "{error}");
    }
}
