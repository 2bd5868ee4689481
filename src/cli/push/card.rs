//! The model card: what the files are, what they were made from, what was proven. Everything in it is
//! read from the files; nothing is claimed that they do not hold.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use export::front_matter::{HubCard, Relation};
use export::license::License;
use formats::gguf::{GgufFile, Metadata};
use serde_json::Value;

use crate::cli::hub::PushFile;

/// The card of a repository with these files.
pub(super) fn card(repo: &str, paths: &[(String, PathBuf)], files: &[PushFile]) -> Result<String> {
    let is_gguf = |path: &Path| path.extension().is_some_and(|extension| extension == "gguf");
    let ggufs: Vec<&PathBuf> = paths.iter().map(|(_, path)| path).filter(|p| is_gguf(p)).collect();
    let mut heads = Vec::new();
    for path in ggufs {
        heads.push(GgufFile::open(path)?);
    }
    let metadata: Vec<&Metadata> = heads.iter().map(GgufFile::metadata).collect();
    let mut card = front_matter(&metadata);
    writeln!(card, "# {}\n", repo.rsplit('/').next().unwrap_or(repo))?;
    origins(&mut card, &metadata)?;
    writeln!(card, "## Files\n\n| file | bytes | SHA-256 |\n|---|---|---|")?;
    for file in files {
        writeln!(card, "| `{}` | {} | `{}` |", file.name(), file.size(), file.sha256())?;
    }
    for (name, path) in paths {
        match name.as_str() {
            "template-proof.json" => templates(&mut card, &read(path)?)?,
            name if name.ends_with("export-report.json") => report(&mut card, &read(path)?)?,
            _ => {}
        }
    }
    if !metadata.is_empty() {
        writeln!(card, "\n## Use\n\n    ollama run hf.co/{repo}")?;
    }
    Ok(card)
}

fn read(path: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs_err::read(path)?)?)
}

/// What the hub itself reads.
fn front_matter(metadata: &[&Metadata]) -> String {
    let texts = |key: &str| metadata.iter().find_map(|metadata| metadata.str(key));
    let is_adapter = |metadata: &&Metadata| metadata.str("general.type") == Some("adapter");
    let relation = match texts("wardrobe.adapter.0.name") {
        _ if metadata.iter().any(is_adapter) => Relation::Adapter,
        Some(_) => Relation::Finetune,
        None => Relation::Quantized,
    };
    let license = metadata.iter().find_map(|metadata| License::of_metadata(metadata));
    let named = |group: &str| named(metadata, group).map(|(name, _)| name).collect::<Vec<_>>();
    let adapter = (relation == Relation::Adapter).then_some("lora");
    let chats = texts("tokenizer.chat_template").is_some().then_some("conversational");
    let tags = ["gguf", "ollama", "wardrobe"].into_iter().chain(adapter).chain(chats);
    let card = HubCard {
        library: "gguf",
        bases: named("base"),
        relation,
        license,
        datasets: named("data").into_iter().flat_map(|names| names.split(", ")).collect(),
        tags: tags.collect(),
    };
    format!("{card}\n")
}

/// Names and digests of a group, as the files' metadata have them.
fn named<'m>(
    metadata: &[&'m Metadata],
    group: &str,
) -> impl Iterator<Item = (&'m str, Option<&'m str>)> {
    let of_one = move |metadata: &'m Metadata, at: usize| {
        let key = format!("wardrobe.{group}.{at}");
        let name = metadata.str(&format!("{key}.name"))?;
        Some((name, metadata.str(&format!("{key}.sha256"))))
    };
    metadata
        .iter()
        .flat_map(move |metadata| (0..).map_while(|at| of_one(metadata, at)).collect::<Vec<_>>())
}

/// Base, adapters and data, as the files' metadata name them.
fn origins(card: &mut String, metadata: &[&Metadata]) -> std::fmt::Result {
    let mut seen = Vec::new();
    for group in ["base", "adapter", "data"] {
        for (name, digest) in named(metadata, group) {
            let digest = digest.unwrap_or("not recorded");
            let line = format!("| {group} | {} | `{digest}` |", name.replace('|', "\\|"));
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    writeln!(card, "## Made from\n\n| | name | SHA-256 |\n|---|---|---|\n{}\n", seen.join("\n"))?;
    let tool = metadata.iter().find_map(|metadata| metadata.str("wardrobe.tool"));
    tool.map_or(Ok(()), |tool| writeln!(card, "Written by {tool}.\n"))
}

/// What `template-proof.json` holds.
fn templates(card: &mut String, proof: &Value) -> std::fmt::Result {
    writeln!(card, "\n## Chat template\n")?;
    let Some(family) = proof["family"].as_str() else {
        return writeln!(
            card,
            "No template was tested: {}.",
            proof["claim"].as_str().unwrap_or("")
        );
    };
    let all = proof["conversations"].as_array().map_or(&[][..], Vec::as_slice);
    let same = all.iter().filter(|it| it["verdict"] == "same bytes").count();
    let refused = all.len() - same;
    writeln!(
        card,
        "Ollama's template (family {family}) renders {same} recorded conversations byte for byte as \
         the model's own Jinja does; {refused} more the Jinja refuses. `template-proof.json` lists \
         them, and what a template in Ollama cannot do."
    )
}

/// The figures of `export-report.json`, whatever they are.
fn report(card: &mut String, report: &Value) -> std::fmt::Result {
    let mut rows = Vec::new();
    flatten("", report, &mut rows);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(card, "\n## Proof\n\n| figure | value |\n|---|---|")?;
    rows.into_iter().try_for_each(|(key, value)| writeln!(card, "| {key} | {value} |"))
}

/// Every single value below `value` with its path; lists (of modules) are left to the report itself.
fn flatten<'a>(path: &str, value: &'a Value, rows: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}: {name}") };
                flatten(&path, value, rows);
            }
        }
        Value::Array(_) | Value::Null => {}
        single => rows.push((path.to_owned(), single)),
    }
}

#[cfg(test)]
mod tests {
    use formats::gguf::{Value as Gguf, write_gguf};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_says_what_the_files_say() {
        let dir = tempfile::tempdir().unwrap();
        let gguf = dir.path().join("demo.gguf");
        let mut metadata = Metadata::new();
        for (key, value) in [
            ("wardrobe.tool", "wardrobe 1"),
            ("wardrobe.base.0.name", "Qwen/Qwen2.5-0.5B"),
            ("wardrobe.base.0.sha256", "aa"),
            ("wardrobe.adapter.0.name", "sft|x"),
            ("wardrobe.data.0.name", "org/set, own.jsonl"),
            ("general.license", "MIT"),
        ] {
            metadata.set(key, Gguf::String(value.into()));
        }
        write_gguf(&gguf, &metadata, &[], |_, _| Ok::<(), formats::Error>(())).unwrap();
        let proof = dir.path().join("template-proof.json");
        let verdicts = ["same bytes", "same bytes", "the Jinja refuses this conversation"];
        let verdicts = verdicts.map(|verdict| json!({"verdict": verdict}));
        let text = json!({"family": "qwen2.5", "conversations": verdicts}).to_string();
        fs_err::write(&proof, text).unwrap();
        let figures = dir.path().join("export-report.json");
        fs_err::write(&figures, r#"{"kl": 0.01, "behaviour": {"top1": 0.99}, "x": []}"#).unwrap();
        let paths: Vec<(String, PathBuf)> = [gguf, proof, figures]
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
            .into();
        let files: Vec<PushFile> =
            paths.iter().map(|(name, path)| PushFile::open(name.clone(), path).unwrap()).collect();
        let card = card("me/demo-GGUF", &paths, &files).unwrap();
        for line in [
            "---\nbase_model: Qwen/Qwen2.5-0.5B\nbase_model_relation: finetune\nlibrary_name: gguf\n",
            "pipeline_tag: text-generation\nlicense: mit\ndatasets:\n- org/set\ntags:\n- gguf\n",
            "# demo-GGUF\n",
            "| base | Qwen/Qwen2.5-0.5B | `aa` |\n",
            "| adapter | sft\\|x | `not recorded` |\n",
            "Written by wardrobe 1.\n",
            "(family qwen2.5) renders 2 recorded conversations",
            "; 1 more the Jinja refuses.",
            "| kl | 0.01 |\n| behaviour: top1 | 0.99 |\n",
            "    ollama run hf.co/me/demo-GGUF\n",
        ] {
            assert!(card.contains(line), "{line} is not in\n{card}");
        }
        assert!(card.contains(&format!("| `demo.gguf` | {} |", files[0].size())));
    }
}
