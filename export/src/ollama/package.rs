//! A package for Ollama: one model, or one base and the adapters that share it. It becomes a folder
//! with Modelfiles, or the images of a store or an OCI layout.

use std::path::Path;

use formats::digest::sha256;
use formats::whole::{self, Existing};
use serde_json::Value;

use super::gguf_facts::GgufFacts;
use super::image::{Blob, Image, LayerKind, Source, require_adapter, require_model};
use super::modelfile::{Instruction, Modelfile};
use super::name::ModelName;
use super::parameters::Parameters;
use super::proof::TemplateChoice;
use crate::{Error, Result};

/// What goes into a package.
pub struct Contents {
    /// The model's name; an adapter's model is called `MODEL-ADAPTER`.
    pub name: ModelName,
    /// The GGUF of the model or the base.
    pub gguf: Source,
    /// LoRAs as GGUF, by name.
    pub adapters: Vec<(String, Source)>,
    /// The Go template.
    pub template: TemplateChoice,
    /// The system prompt for conversations that have none.
    pub system: Option<String>,
    /// Sampling parameters and stops.
    pub parameters: Parameters,
    /// Licences' texts.
    pub licenses: Vec<String>,
    /// The proof file, see [`fn@super::proof`].
    pub template_proof: Value,
    /// How the GGUF was written and proven, for `export-report.json`; `null` for one that was given.
    pub report: Value,
}

/// A checked package, ready to be written.
pub struct Package {
    contents: Contents,
    facts: GgufFacts,
    gguf: Blob,
    adapters: Vec<(String, ModelName, Blob)>,
}

impl Package {
    /// Checks the parts and reads each file once for its digest.
    ///
    /// # Errors
    /// A GGUF that is not what it should be, two adapters of one name, or a name that Ollama refuses.
    pub fn new(contents: Contents) -> Result<Self> {
        let facts = facts(&contents.gguf)?;
        if let Some(path) = contents.gguf.path() {
            require_model(path, &facts)?;
        }
        let mut adapters: Vec<(String, ModelName, Blob)> = Vec::new();
        for (name, source) in &contents.adapters {
            let model = format!("{}-{name}", contents.name.model());
            let model =
                contents.name.with_model(&model).map_err(|error| Error::Name(error.to_string()))?;
            if adapters.iter().any(|(_, other, _)| *other == model) {
                let problem = format!("two adapters are called `{name}`; rename one");
                return Err(Error::Name(problem));
            }
            if let Some(path) = source.path() {
                require_adapter(path, &GgufFacts::read(path)?, &facts)?;
            }
            adapters.push((name.clone(), model, Blob::file(source.clone())?));
        }
        let gguf = Blob::file(contents.gguf.clone())?;
        Ok(Self { contents, facts, gguf, adapters })
    }

    /// What the model's GGUF is.
    pub fn facts(&self) -> &GgufFacts {
        &self.facts
    }

    /// The digest of the model's GGUF.
    pub fn gguf(&self) -> &Blob {
        &self.gguf
    }

    /// Every model of the package with its image: the base, then one an adapter.
    ///
    /// # Errors
    /// None in practice.
    pub fn images(&self) -> Result<Vec<(ModelName, Image)>> {
        let mut images = vec![(self.contents.name.clone(), self.image(None)?)];
        for (_, name, blob) in &self.adapters {
            images.push((name.clone(), self.image(Some(blob))?));
        }
        Ok(images)
    }

    fn image(&self, adapter: Option<&Blob>) -> Result<Image> {
        let mut layers = vec![(LayerKind::Model, self.gguf.clone())];
        layers.extend(adapter.map(|blob| (LayerKind::Adapter, blob.clone())));
        let text = |kind, text: String| (kind, Blob::bytes(text.into_bytes()));
        let contents = &self.contents;
        layers.extend(contents.template.text().map(|it| text(LayerKind::Template, it)));
        layers.extend(contents.system.clone().map(|it| text(LayerKind::System, it)));
        layers.extend(contents.licenses.iter().map(|it| text(LayerKind::License, it.clone())));
        let params = contents.parameters.to_json();
        layers.extend(params.map(|it| text(LayerKind::Params, format!("{it}\n"))));
        Image::new(&self.facts, layers)
    }

    /// How the GGUF was written and proven; `null` for one that was given.
    pub fn report(&self) -> &Value {
        &self.contents.report
    }

    /// The file name of the model in a folder, e.g. `demo-Q4_K_M.gguf`.
    pub fn gguf_name(&self) -> String {
        format!("{}-{}.gguf", self.contents.name.model(), self.facts.file_type)
    }

    /// The Modelfiles of a folder by file name: `Modelfile`, and `Modelfile.ADAPTER` for each adapter.
    pub fn modelfiles(&self) -> Vec<(String, Modelfile)> {
        let own = self.adapters.iter().map(|(name, _, _)| {
            let adapter = Instruction::Adapter(format!("./{}", adapter_name(name)));
            (format!("Modelfile.{name}"), self.modelfile(Some(adapter)))
        });
        [("Modelfile".to_owned(), self.modelfile(None))].into_iter().chain(own).collect()
    }

    fn modelfile(&self, adapter: Option<Instruction>) -> Modelfile {
        let contents = &self.contents;
        let mut instructions = vec![Instruction::From(format!("./{}", self.gguf_name()))];
        instructions.extend(adapter);
        instructions.extend(contents.template.text().map(Instruction::Template));
        instructions.extend(contents.system.clone().map(Instruction::System));
        let parameters = contents.parameters.instructions().into_iter();
        instructions.extend(parameters.map(|(name, value)| Instruction::Parameter(name, value)));
        instructions.extend(contents.licenses.iter().cloned().map(Instruction::License));
        Modelfile { instructions }
    }

    /// Writes a folder; it appears whole or not at all. Besides what `ollama create` reads it holds
    /// `template`, `system` and `params`, which Ollama reads when it pulls from the hub.
    ///
    /// # Errors
    /// A folder that exists where it may not be replaced, a text that a Modelfile cannot hold, or
    /// whatever the operating system says.
    pub fn write_folder(&self, path: &Path, existing: Existing) -> Result<()> {
        let mut texts = self.texts();
        for (name, modelfile) in self.modelfiles() {
            let text = modelfile.to_text().map_err(|error| Error::Name(error.to_string()))?;
            texts.push((name, text));
        }
        let adapters = self.adapters.iter().map(|(name, _, blob)| (adapter_name(name), blob));
        let blobs: Vec<(String, &Blob)> =
            [(self.gguf_name(), &self.gguf)].into_iter().chain(adapters).collect();
        whole::write_dir(path, existing, |draft| {
            for (name, blob) in &blobs {
                place(&draft.join(name), blob)?;
            }
            for (name, text) in &texts {
                fs_err::write(draft.join(name), text)?;
            }
            Ok::<(), Error>(())
        })
    }

    /// The folder's texts but for the Modelfiles.
    fn texts(&self) -> Vec<(String, String)> {
        let contents = &self.contents;
        let mut texts = vec![("template-proof.json".to_owned(), pretty(&contents.template_proof))];
        let mut add = |name: &str, text: Option<String>| {
            texts.extend(text.map(|text| (name.to_owned(), text)));
        };
        add("export-report.json", (!contents.report.is_null()).then(|| pretty(&contents.report)));
        add("template", contents.template.text());
        add("system", contents.system.clone());
        add("params", contents.parameters.to_json().map(|params| format!("{params}\n")));
        let licenses = (!contents.licenses.is_empty()).then(|| contents.licenses.join("\n\n"));
        add("LICENSE", licenses);
        texts
    }

    /// The digest of what the images' manifests say: two packages with the same digest are the same.
    ///
    /// # Errors
    /// None in practice.
    pub fn digest(&self) -> Result<String> {
        let mut all = Vec::new();
        for (name, image) in self.images()? {
            all.extend(name.to_string().into_bytes());
            all.extend(image.manifest()?);
        }
        Ok(sha256(all))
    }
}

fn facts(source: &Source) -> Result<GgufFacts> {
    match source.path() {
        Some(path) => GgufFacts::read(path),
        None => Err(Error::Name("a model's GGUF must be a file".to_owned())),
    }
}

fn adapter_name(adapter: &str) -> String {
    format!("adapter-{adapter}.gguf")
}

/// Moves a file of ours, copies any other.
fn place(path: &Path, blob: &Blob) -> Result<()> {
    if let Source::Draft(draft) = &blob.source
        && fs_err::rename(draft, path).is_ok()
    {
        return Ok(());
    }
    let mut out = fs_err::File::create(path)?;
    Ok(blob.copy_to(&mut out)?)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
