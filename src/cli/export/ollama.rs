//! `wardrobe export ollama`: a model, or a base and its adapters, as Ollama takes it.
//!
//! One adapter is merged into the model; several (or `--keep-adapters`) become one model each that
//! share the base's blob. Leaves out the daemon: a store is written directly.

mod files;
mod template;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args};
use export::gguf::FileType;
use export::ollama::{Contents, ModelName, Package, Store, Written, write_oci};
use formats::whole::DraftRoom;
use serde_json::{Value, json};

use super::display;
use super::gguf::file_type;
use super::verify::VerifyArgs;
use crate::cli::interrupt::{self, Watch};
use crate::cli::model_args::DEFAULT_MODEL;
use crate::cli::result_args::ResultArgs;
use crate::cli::target::{self, Kind, Made};
use crate::cli::terminal;

/// Arguments of `wardrobe export ollama`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["output", "store", "oci"])))]
#[command(after_help = "\
Examples:
  wardrobe export ollama --model checkpoints/initial --adapter checkpoints/sft --name demo --output demo-ollama
  ollama create demo -f demo-ollama/Modelfile
  wardrobe export ollama --adapter checkpoints/sft --type q8_0 --name demo:q8 --store ~/.ollama/models
  wardrobe export ollama --adapter adapters/a --adapter adapters/b --name demo --store ~/.ollama/models
      writes demo, demo-a and demo-b, which share the base
  wardrobe export ollama --gguf demo.gguf --model checkpoints/initial --name demo --oci demo-layout")]
pub(super) struct OllamaArgs {
    /// The base: a folder in Hugging Face layout, a GGUF file, or a hub id [default: the file of --gguf,
    /// else checkpoints/initial]
    #[arg(long, value_name = "PATH|HUB_ID")]
    model: Option<String>,
    /// An adapter's folder (or GGUF file); again for more, which then share the base
    #[arg(long, value_name = "[NAME=]PATH")]
    adapter: Vec<String>,
    /// Give a single adapter as a layer on the base too, instead of merging it
    #[arg(long)]
    keep_adapters: bool,
    /// llama.cpp's type of the weights: f32, f16, bf16, q8_0, q4_0, q4_k_m, q5_k_m, q6_k, ...
    #[arg(long = "type", value_name = "TYPE", default_value = "q4_k_m", value_parser = file_type)]
    file_type: FileType,
    /// Package this GGUF file as it is instead of writing one from --model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file_type"])]
    gguf: Option<PathBuf>,
    /// The model's name in Ollama
    #[arg(long, value_name = "NAME[:TAG]")]
    name: ModelName,
    /// Write a folder with GGUF, Modelfile and proof
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write into an Ollama store (OLLAMA_MODELS, ~/.ollama/models); no daemon is needed
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Write an OCI image layout
    #[arg(long, value_name = "DIR")]
    oci: Option<PathBuf>,
    /// The system prompt for conversations that have none
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// A licence's text; again for more [default: the LICENSE in the model's folder]
    #[arg(long, value_name = "FILE")]
    license: Vec<PathBuf>,
    /// A Go template of your own instead of the tested one
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    #[command(flatten)]
    verify: VerifyArgs,
    #[command(flatten)]
    result: ResultArgs,
}

impl OllamaArgs {
    /// The model whose tokenizer, template and stops the package takes.
    fn model(&self) -> &str {
        let gguf = || self.gguf.as_deref().and_then(Path::to_str);
        self.model.as_deref().or_else(gguf).unwrap_or(DEFAULT_MODEL)
    }
}

/// Where the package goes.
enum Target<'a> {
    Folder(&'a Path),
    Store(Store),
    Oci(&'a Path),
}

/// What is held until the package is there.
enum Claim {
    /// A place of its own.
    Own { _target: target::Target },
    /// A store, of which other models are part.
    Shared { _made: Made, _watch: Watch },
}

/// Runs the command.
pub(super) fn run(args: &OllamaArgs) -> Result<()> {
    let texts = texts(args)?;
    let (target, _claimed) = target(args)?;
    // Files of our own lie beside the target, so that they can be moved there.
    let drafts = drafts(&target)?;
    let source = files::open(args, drafts.path())?;
    let licenses = match texts.licenses.is_empty() {
        true => own_license(source.dir())?,
        false => Licenses { texts: texts.licenses, warning: None },
    };
    let prompt = template::choose(&source, args.template.as_deref(), texts.template)?;
    let parts = files::write(args, source, drafts.path())?;
    let package = Package::new(Contents {
        name: args.name.clone(),
        gguf: parts.gguf,
        adapters: parts.adapters,
        template: prompt.choice,
        system: args.system.clone(),
        parameters: prompt.parameters,
        licenses: licenses.texts,
        template_proof: prompt.proof,
        report: parts.report,
    })?;
    let mut warnings = [prompt.warnings, parts.warnings].concat();
    warnings.extend(licenses.warning);
    warnings.extend(package_warnings(&package, &target));
    display::warn(&warnings);
    let written = write(&package, &target, args)?;
    report(args, &package, prompt.family.as_deref(), &warnings, &written)
}

struct Texts {
    template: Option<String>,
    licenses: Vec<String>,
}

/// Reads the small files first: what is wrong with them shows before the long work.
fn texts(args: &OllamaArgs) -> Result<Texts> {
    let template = args.template.as_ref().map(fs_err::read_to_string).transpose()?;
    let licenses =
        args.license.iter().map(fs_err::read_to_string).collect::<Result<_, std::io::Error>>()?;
    Ok(Texts { template, licenses })
}

/// Licences' texts, and what is to be said of them.
struct Licenses {
    texts: Vec<String>,
    warning: Option<String>,
}

/// The licence in the model's folder. Nobody asked for it, so its encoding is no reason to fail.
fn own_license(model: &Path) -> Result<Licenses> {
    let own = ["LICENSE", "LICENSE.txt", "LICENSE.md"].map(|name| model.join(name));
    let Some(path) = own.iter().find(|path| path.is_file()) else {
        return Ok(Licenses { texts: Vec::new(), warning: None });
    };
    Ok(match String::from_utf8(fs_err::read(path)?) {
        Ok(text) => Licenses { texts: vec![text], warning: None },
        Err(error) => Licenses {
            texts: vec![String::from_utf8_lossy(error.as_bytes()).into_owned()],
            warning: Some(format!(
                "{} is not UTF-8: what cannot be read of it stands as \u{fffd} in the package; \
                 give a readable text as --license",
                path.display()
            )),
        },
    })
}

/// Claims the target, before the long work.
fn target(args: &OllamaArgs) -> Result<(Target<'_>, Claim)> {
    if let Some(root) = &args.store {
        return claim_store(root, args);
    }
    let (path, target) = match (&args.output, &args.oci) {
        (Some(path), _) => (path, Target::Folder(path)),
        (_, Some(path)) => (path, Target::Oci(path)),
        _ => bail!("give one of --output, --store and --oci"),
    };
    let adapters = args.adapter.iter().map(Path::new);
    let inputs: Vec<&Path> =
        adapters.chain([Path::new(args.model())]).chain(args.gguf.as_deref()).collect();
    let claim = target::Target::claim(path, Kind::Folder, args.result.force, &inputs)?;
    Ok((target, Claim::Own { _target: claim }))
}

/// A store that was not there goes again if nothing comes into it.
fn claim_store<'a>(root: &Path, args: &OllamaArgs) -> Result<(Target<'a>, Claim)> {
    let made = match root.exists() {
        true => Made::folders(&[]),
        false => Made::folders(&[root.join("blobs"), root.join("manifests")]),
    };
    let made = made.with_context(|| format!("cannot make the store {}", root.display()))?;
    let store = Store::open(root)?;
    store.refuse_existing(&args.name, args.result.force)?;
    let (folders, empty) = (store.folders(&args.name), made.clone());
    let clean = move || {
        folders.iter().for_each(|folder| target::abandon(folder));
        drop(empty);
    };
    let watch = interrupt::clean_up(clean)?;
    Ok((Target::Store(store), Claim::Shared { _made: made, _watch: watch }))
}

fn drafts(target: &Target) -> Result<DraftRoom> {
    Ok(match target {
        Target::Store(store) => DraftRoom::beside(&store.root().join("export"))?,
        Target::Folder(path) | Target::Oci(path) => DraftRoom::beside(path)?,
    })
}

/// What a user should know of the package itself.
fn package_warnings(package: &Package, target: &Target) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Target::Folder(_) = target {
        for (name, modelfile) in package.modelfiles().into_iter().take(1) {
            for (instruction, c) in modelfile.dropped() {
                warnings.push(format!(
                    "`ollama create` drops the character {} from the {instruction} in {name}; \
                     --store keeps it",
                    c.escape_unicode()
                ));
            }
        }
    }
    if package.facts().chat_template.is_none() {
        warnings.push(
            "the GGUF holds no chat template; programs that read it alone will not know the \
             model's format"
                .to_owned(),
        );
    }
    warnings
}

fn write(package: &Package, target: &Target, args: &OllamaArgs) -> Result<Written> {
    let existing = args.result.existing();
    match target {
        Target::Folder(path) => package.write_folder(path, existing)?,
        Target::Oci(path) => write_oci(path, existing, &package.images()?)?,
        Target::Store(store) => return Ok(store.write(&package.images()?, args.result.force)?),
    }
    Ok(Written::default())
}

fn report(
    args: &OllamaArgs,
    package: &Package,
    family: Option<&str>,
    warnings: &[String],
    written: &Written,
) -> Result<()> {
    let target = args.output.as_ref().or(args.store.as_ref()).or(args.oci.as_ref());
    let target = target.map_or_else(String::new, |path| path.display().to_string());
    let names: Vec<String> = package.images()?.iter().map(|(name, _)| name.to_string()).collect();
    let (facts, gguf) = (package.facts(), package.gguf().digest());
    let digest = package.digest()?;
    let object = json!({
        "models": names,
        "target": target,
        "template": family,
        "type": facts.file_type,
        "parameters": facts.parameters,
        "gguf": gguf,
        "digest": format!("sha256:{digest}"),
        "new_bytes": written.new_bytes,
        "shared_bytes": written.shared_bytes,
        "warnings": warnings,
        "export": package.report(),
    });
    let next = match (&args.output, &args.store) {
        (Some(_), _) => format!("next    ollama create {} -f {target}/Modelfile\n", names[0]),
        (_, Some(_)) => format!("next    ollama run {}\n", names[0]),
        _ => String::new(),
    };
    let proven = package.report().pointer("/proof/summary").and_then(Value::as_str);
    let proven = proven.map(|summary| format!("proven  {summary}\n")).unwrap_or_default();
    let lines = format!(
        "{} {} in {target}\nGGUF    {} {gguf}\ndigest  sha256:{digest}\n{proven}{next}",
        terminal::green("wrote"),
        names.join(", "),
        facts.file_type,
    );
    display::result(args.result.json, &object, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_in_another_encoding_fails_no_export() {
        let dir = tempfile::tempdir().unwrap();
        assert!(own_license(dir.path()).unwrap().texts.is_empty());
        fs_err::write(dir.path().join("LICENSE.md"), b"\xa9 Somebody").unwrap();
        let found = own_license(dir.path()).unwrap();
        assert_eq!(found.texts, ["\u{fffd} Somebody"]);
        let warning = found.warning.unwrap();
        assert!(warning.contains("LICENSE.md is not UTF-8"), "{warning}");
        fs_err::write(dir.path().join("LICENSE"), "© Somebody").unwrap();
        let found = own_license(dir.path()).unwrap();
        assert_eq!((found.texts, found.warning), (vec!["© Somebody".to_owned()], None));
    }
}
