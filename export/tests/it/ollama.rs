//! Packages for Ollama, written as a folder, into a store and as an OCI layout, and read back as
//! Ollama reads them; interrupted and hostile writes.

use export::ollama::{
    Contents, Family, GoTemplate, Instruction, ModelName, Modelfile, Package, Parameters, Source,
    Store, TemplateChoice, write_oci,
};
use formats::digest::sha256;
use formats::gguf::{Metadata, NewTensor, TensorType, Value as Gguf, write_gguf};
use formats::whole::Existing;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A GGUF of one tensor; `seed` makes files differ.
fn gguf(path: &Path, kind: &str, architecture: &str, seed: u8) -> PathBuf {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", Gguf::String(architecture.into()));
    metadata.set("general.type", Gguf::String(kind.into()));
    metadata.set("general.file_type", Gguf::U32(15));
    let shape = vec![300, 32];
    let tensor = NewTensor { name: "blk.0.x".into(), shape, kind: TensorType::F32 };
    let bytes = vec![seed; 300 * 32 * 4];
    let data = |_, out: &mut dyn Write| Ok::<(), formats::Error>(out.write_all(&bytes)?);
    write_gguf(path, &metadata, &[tensor], data).unwrap();
    path.to_owned()
}

struct Parts {
    dir: tempfile::TempDir,
}

impl Parts {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        gguf(&dir.path().join("base.gguf"), "model", "qwen2", 1);
        for (name, seed) in [("a", 2), ("b", 3)] {
            gguf(&dir.path().join(format!("{name}.gguf")), "adapter", "qwen2", seed);
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn contents(&self, adapters: &[&str]) -> Contents {
        let adapter =
            |name: &&str| ((*name).to_owned(), Source::File(self.path(&format!("{name}.gguf"))));
        Contents {
            name: "demo:q4".parse().unwrap(),
            gguf: Source::File(self.path("base.gguf")),
            adapters: adapters.iter().map(adapter).collect(),
            template: TemplateChoice::Tested(GoTemplate::new(Family::Qwen2_5, "Be \"good\".")),
            system: Some("You are a pirate.\nSay \"Arr\".".into()),
            parameters: Parameters::new(None, &["<|im_end|>".into(), "<|endoftext|>".into()]),
            licenses: vec!["MIT".into(), "Two\nlines".into()],
            template_proof: json!({"claim": "x"}),
            report: json!({"sha256": "y"}),
        }
    }

    fn package(&self, adapters: &[&str]) -> Package {
        Package::new(self.contents(adapters)).unwrap()
    }
}

/// Holds every manifest of a store to its blobs: sizes, digests, media types. Returns the manifests.
fn check_store(store: &Path) -> Vec<(String, Value)> {
    let manifests = store.join("manifests");
    let mut found = Vec::new();
    let mut dirs = vec![manifests.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs_err::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(&manifests).unwrap().to_str().unwrap().to_owned();
            let manifest: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
            let layers = manifest["layers"].as_array().unwrap().iter();
            for blob in layers.chain([&manifest["config"]]) {
                let digest = blob["digest"].as_str().unwrap();
                let bytes =
                    fs_err::read(store.join("blobs").join(digest.replace(':', "-"))).unwrap();
                assert_eq!(digest, format!("sha256:{}", sha256(&bytes)), "{name}");
                assert_eq!(blob["size"].as_u64().unwrap(), bytes.len() as u64, "{name}");
            }
            found.push((name, manifest));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn blobs(store: &Path) -> usize {
    fs_err::read_dir(store.join("blobs")).unwrap().count()
}

fn write(
    store: &Path,
    package: &Package,
    replace: bool,
) -> export::Result<export::ollama::Written> {
    Store::open(store)?.write(&package.images()?, replace)
}

#[test]
fn a_store_gets_one_base_for_all_adapters() {
    let (parts, store) = (Parts::new(), tempfile::tempdir().unwrap());
    let package = parts.package(&["a", "b"]);
    let written = write(store.path(), &package, false).unwrap();
    let base = fs_err::metadata(parts.path("base.gguf")).unwrap().len();
    assert!(written.shared_bytes >= 2 * base && written.new_bytes < 4 * base, "{written:?}");

    let manifests = check_store(store.path());
    let names: Vec<&str> = manifests.iter().map(|(name, _)| name.as_str()).collect();
    let library = "registry.ollama.ai/library";
    assert_eq!(
        names,
        ["demo-a", "demo-b", "demo"].map(|name| format!("{library}/{name}/q4")),
        "a tag is a file in its model's folder"
    );
    let kinds = |manifest: &Value| -> Vec<String> {
        let layers = manifest["layers"].as_array().unwrap();
        let word = |layer: &Value| {
            layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()
        };
        layers.iter().map(word).collect()
    };
    let plain = ["model", "template", "system", "license", "license", "params"];
    assert_eq!(kinds(&manifests[2].1), plain);
    assert_eq!(kinds(&manifests[0].1)[..3], ["model", "adapter", "template"]);
    let digest = |manifest: &Value, layer: usize| manifest["layers"][layer]["digest"].clone();
    assert_eq!(digest(&manifests[0].1, 0), digest(&manifests[2].1, 0), "one base blob");
    assert_ne!(digest(&manifests[0].1, 1), digest(&manifests[1].1, 1));
    // base, two adapters, template, system, two licences, params, config
    assert_eq!(blobs(store.path()), 9);

    let read = |digest: &Value| {
        let name = digest.as_str().unwrap().replace(':', "-");
        fs_err::read_to_string(store.path().join("blobs").join(name)).unwrap()
    };
    let config: Value = serde_json::from_str(&read(&manifests[2].1["config"]["digest"])).unwrap();
    let expected = json!({"model_format": "gguf", "model_family": "qwen2", "model_families": ["qwen2"],
        "model_type": "10K", "file_type": "Q4_K_M", "architecture": "amd64", "os": "linux"});
    assert_eq!(config, expected);
    let params = read(&manifests[2].1["layers"][5]["digest"]);
    assert_eq!(params, "{\"stop\":[\"<|im_end|>\",\"<|endoftext|>\"]}\n");
}

#[test]
fn a_store_is_written_the_same_twice_and_refuses_names_that_are_taken() {
    let parts = Parts::new();
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let package = parts.package(&["a"]);
    for store in &stores {
        write(store.path(), &package, false).unwrap();
    }
    assert_eq!(check_store(stores[0].path()), check_store(stores[1].path()));
    assert_eq!(package.digest().unwrap(), parts.package(&["a"]).digest().unwrap());

    let error = write(stores[0].path(), &package, false).unwrap_err().to_string();
    assert!(
        error.contains("has demo:q4 already; choose another --name or give --force"),
        "{error}"
    );
    let before = check_store(stores[0].path());
    let written = write(stores[0].path(), &package, true).unwrap();
    assert_eq!(written.new_bytes, 0);
    assert_eq!(check_store(stores[0].path()), before);
}

#[test]
fn other_models_of_a_store_stay_as_they_are() {
    let (parts, store) = (Parts::new(), tempfile::tempdir().unwrap());
    write(store.path(), &parts.package(&[]), false).unwrap();
    let before = check_store(store.path());
    gguf(&parts.path("base.gguf"), "model", "qwen2", 9);
    let mut contents = parts.contents(&[]);
    contents.name = "me/other".parse().unwrap();
    write(store.path(), &Package::new(contents).unwrap(), false).unwrap();
    let after = check_store(store.path());
    assert!(before.iter().all(|manifest| after.contains(manifest)));
    assert_eq!(after.len(), 2);
}

#[test]
fn a_file_that_changes_under_our_hands_leaves_the_store_whole() {
    let (parts, store) = (Parts::new(), tempfile::tempdir().unwrap());
    write(store.path(), &parts.package(&[]), false).unwrap();
    let before = check_store(store.path());
    let mut contents = parts.contents(&["a"]);
    contents.name = "second".parse().unwrap();
    let package = Package::new(contents).unwrap();
    // Cut short at several places, as by another program, after the digest was taken.
    for length in [0, 1, 100, 5000] {
        gguf(&parts.path("a.gguf"), "adapter", "qwen2", 2);
        let file = fs_err::File::options().write(true).open(parts.path("a.gguf")).unwrap();
        file.set_len(length).unwrap();
        let error = write(store.path(), &package, false).unwrap_err().to_string();
        assert!(error.contains("changed while it was read"), "{error}");
        assert_eq!(check_store(store.path()), before);
        let drafts = fs_err::read_dir(store.path().join("blobs"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.'));
        assert_eq!(drafts.count(), 0, "nothing half-written stays");
    }
    gguf(&parts.path("a.gguf"), "adapter", "qwen2", 2);
    write(store.path(), &package, false).unwrap();
    assert_eq!(check_store(store.path()).len(), 3);
}

#[test]
fn a_blob_of_a_wrong_size_is_written_again() {
    let (parts, store) = (Parts::new(), tempfile::tempdir().unwrap());
    let package = parts.package(&[]);
    let opened = Store::open(store.path()).unwrap();
    let digest = package.gguf().digest();
    let blob = opened.blob(digest.strip_prefix("sha256:").unwrap());
    fs_err::write(&blob, b"cut short").unwrap();
    write(store.path(), &package, false).unwrap();
    check_store(store.path());
}

#[test]
fn a_store_that_cannot_be_written_is_refused_with_its_path() {
    let parts = Parts::new();
    let file = parts.path("file");
    fs_err::write(&file, "x").unwrap();
    let error = write(&file, &parts.package(&[]), false).unwrap_err().to_string();
    assert!(error.contains("file: is no folder"), "{error}");
    let error = write(&file.join("below"), &parts.package(&[]), false).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
    // A name under which the store has a folder: `demo:q4` beside a folder `demo/q4/`.
    let store = tempfile::tempdir().unwrap();
    let opened = Store::open(store.path()).unwrap();
    let name: ModelName = "demo:q4".parse().unwrap();
    fs_err::create_dir_all(opened.manifest(&name)).unwrap();
    let error = write(store.path(), &parts.package(&[]), true).unwrap_err().to_string();
    assert!(error.contains("is a folder where a manifest should be"), "{error}");
}

#[test]
fn a_draft_becomes_a_blob_without_a_copy() {
    let (parts, store) = (Parts::new(), tempfile::tempdir().unwrap());
    let mut contents = parts.contents(&[]);
    contents.gguf = Source::Draft(parts.path("base.gguf"));
    write(store.path(), &Package::new(contents).unwrap(), false).unwrap();
    check_store(store.path());
    assert!(!parts.path("base.gguf").exists());
}

#[test]
fn a_folder_has_all_that_ollama_create_reads() {
    let (parts, out) = (Parts::new(), tempfile::tempdir().unwrap());
    let path = out.path().join("package");
    let package = parts.package(&["a"]);
    package.write_folder(&path, Existing::Refuse).unwrap();
    let mut files: Vec<String> = fs_err::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "LICENSE",
        "Modelfile",
        "Modelfile.a",
        "adapter-a.gguf",
        "demo-Q4_K_M.gguf",
        "export-report.json",
        "params",
        "system",
        "template",
        "template-proof.json",
    ];
    assert_eq!(files, expected);
    let read = |name: &str| fs_err::read(path.join(name)).unwrap();
    assert_eq!(read("demo-Q4_K_M.gguf"), fs_err::read(parts.path("base.gguf")).unwrap());

    let contents = parts.contents(&["a"]);
    let modelfile = Modelfile::parse(&String::from_utf8(read("Modelfile.a")).unwrap()).unwrap();
    let parameter = |value: &str| Instruction::Parameter("stop".into(), value.into());
    let expected = [
        Instruction::From("./demo-Q4_K_M.gguf".into()),
        Instruction::Adapter("./adapter-a.gguf".into()),
        Instruction::Template(contents.template.text().unwrap()),
        Instruction::System(contents.system.unwrap()),
        parameter("<|im_end|>"),
        parameter("<|endoftext|>"),
        Instruction::License("MIT".into()),
        Instruction::License("Two\nlines".into()),
    ];
    assert_eq!(modelfile.instructions, expected);
    assert_eq!(modelfile.dropped(), []);

    let error = package.write_folder(&path, Existing::Refuse).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    package.write_folder(&path, Existing::Replace).unwrap();
}

#[test]
fn a_folder_that_fails_is_not_there() {
    let (parts, out) = (Parts::new(), tempfile::tempdir().unwrap());
    let package = parts.package(&["a"]);
    fs_err::write(parts.path("a.gguf"), "changed").unwrap();
    let path = out.path().join("package");
    package.write_folder(&path, Existing::Refuse).unwrap_err();
    assert_eq!(fs_err::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn an_oci_layout_holds_the_stores_blobs_and_manifests() {
    let (parts, out) = (Parts::new(), tempfile::tempdir().unwrap());
    let package = parts.package(&["a"]);
    let path = out.path().join("layout");
    write_oci(&path, Existing::Refuse, &package.images().unwrap()).unwrap();
    let store = tempfile::tempdir().unwrap();
    write(store.path(), &package, false).unwrap();
    let layout: Value =
        serde_json::from_slice(&fs_err::read(path.join("oci-layout")).unwrap()).unwrap();
    assert_eq!(layout, json!({"imageLayoutVersion": "1.0.0"}));
    let index: Value =
        serde_json::from_slice(&fs_err::read(path.join("index.json")).unwrap()).unwrap();
    let names: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["demo:q4", "demo-a:q4"]);
    let opened = Store::open(store.path()).unwrap();
    for (entry, name) in index["manifests"].as_array().unwrap().iter().zip(names) {
        let hex = entry["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        let manifest = fs_err::read(path.join("blobs/sha256").join(hex)).unwrap();
        assert_eq!(entry["size"].as_u64().unwrap(), manifest.len() as u64);
        let stored = fs_err::read(opened.manifest(&name.parse().unwrap())).unwrap();
        assert_eq!(stored, manifest);
        let json: Value = serde_json::from_slice(&manifest).unwrap();
        for blob in json["layers"].as_array().unwrap() {
            let hex = blob["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = fs_err::read(path.join("blobs/sha256").join(hex)).unwrap();
            assert_eq!(bytes, fs_err::read(opened.blob(hex)).unwrap());
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let parts = Parts::new();
    let refused = |change: &dyn Fn(&mut Contents)| {
        let mut contents = parts.contents(&["a"]);
        change(&mut contents);
        Package::new(contents).err().unwrap().to_string()
    };
    let file = |name: &str| Source::File(parts.path(name));
    let error = refused(&|c| c.gguf = file("a.gguf"));
    assert!(error.contains("a.gguf: is an adapter; give a GGUF that holds a model"), "{error}");
    let error = refused(&|c| c.adapters[0].1 = file("base.gguf"));
    assert!(error.contains("base.gguf: is no adapter"), "{error}");
    gguf(&parts.path("llama.gguf"), "adapter", "llama", 4);
    let error = refused(&|c| c.adapters[0].1 = file("llama.gguf"));
    assert!(error.contains("adapter of a llama model, and the base is qwen2"), "{error}");
    let error = refused(&|c| c.adapters[0].0 = "../x".into());
    assert!(error.contains("`/` cannot stand"), "{error}");
    let error = refused(&|c| c.adapters.push(c.adapters[0].clone()));
    assert!(error.contains("two adapters are called `a`"), "{error}");
    let error = refused(&|c| c.gguf = file("none.gguf"));
    assert!(error.contains("none.gguf"), "{error}");
    fs_err::write(parts.path("bad.gguf"), b"GGUF\x03\0\0\0").unwrap();
    assert!(refused(&|c| c.gguf = file("bad.gguf")).contains("bad.gguf"));
}
