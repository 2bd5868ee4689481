//! The registry of adapters: names, sharing, limits, and readers that are never disturbed.

use crate::tiny::{checkpoint, golden};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wardrobe::adapters::{
    AdapterError, BaseInfo, Generation, GenerationId, Limits, LoadPolicy, Registry,
};

const PLENTY: Limits = Limits { max_adapters: 100, max_bytes: 1 << 30 };

/// A registry for `qwen3_untied_gqa2`. The base's folder may go: adapters that need it are not used.
fn registry(limits: Limits) -> Registry {
    let model = checkpoint(&golden("model", "qwen3_untied_gqa2"));
    Registry::new(Arc::new(BaseInfo::open(model.path(), "base").unwrap()), limits)
}

fn case(name: &str) -> PathBuf {
    golden("adapters", name)
}

fn copy(case_name: &str, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs_err::copy(case(case_name).join(file), to.join(file)).unwrap();
    }
}

fn names(generations: &[Arc<Generation>]) -> Vec<&str> {
    generations.iter().map(|generation| generation.name.as_str()).collect()
}

#[test]
fn a_name_lives_from_load_to_unload() {
    let registry = registry(PLENTY);
    assert!(registry.get("a").is_none());
    let a = registry.load("a", &case("lora_bf16"), LoadPolicy::Create).unwrap();
    let b = registry.load("b", &case("rslora"), LoadPolicy::Replace).unwrap();
    assert!(Arc::ptr_eq(&registry.get("a").unwrap(), &a));
    assert_eq!(names(&registry.list()), ["a", "b"]);
    assert_ne!(a.id, b.id);
    assert_eq!((a.name.as_str(), &a.path), ("a", &case("lora_bf16")));
    assert_eq!(registry.bytes(), a.weights.bytes() + b.weights.bytes());

    registry.unload("a").unwrap();
    assert!(registry.get("a").is_none());
    let error = registry.unload("a").unwrap_err().to_string();
    assert_eq!(error, "no adapter named `a` is loaded; loaded are: b");
    // Still in hand, still whole.
    assert!(a.weights.bytes() > 0);
}

#[test]
fn create_refuses_and_replace_replaces() {
    let registry = registry(PLENTY);
    let old = registry.load("a", &case("lora_bf16"), LoadPolicy::Create).unwrap();
    let error = registry.load("a", &case("rslora"), LoadPolicy::Create).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "an adapter named `a` is loaded already (generation {}); replace it, unload it first, \
             or choose another name",
            old.id
        )
    );
    let new = registry.load("a", &case("rslora"), LoadPolicy::Replace).unwrap();
    assert!(Arc::ptr_eq(&registry.get("a").unwrap(), &new));
    assert_ne!(old.id, new.id);
    // A folder that cannot be loaded leaves what is there.
    registry.load("a", &case("nowhere"), LoadPolicy::Replace).unwrap_err();
    assert!(Arc::ptr_eq(&registry.get("a").unwrap(), &new));
}

#[test]
fn equal_content_is_one_generation() {
    let (registry, folder) = (registry(PLENTY), tempfile::tempdir().unwrap());
    copy("rslora", &folder.path().join("copy"));
    let a = registry.load("a", &case("rslora"), LoadPolicy::Create).unwrap();
    let again = registry.load("a", &folder.path().join("copy"), LoadPolicy::Replace).unwrap();
    assert!(Arc::ptr_eq(&a, &again));
    let b = registry.load("b", &folder.path().join("copy"), LoadPolicy::Create).unwrap();
    assert_eq!((a.id, "b"), (b.id, b.name.as_str()));
    assert!(Arc::ptr_eq(&a.weights, &b.weights));
    assert_eq!(registry.bytes(), a.weights.bytes());
}

#[test]
fn limits_are_kept() {
    let one = registry(PLENTY).load("a", &case("rslora"), LoadPolicy::Create).unwrap();
    let bytes = one.weights.bytes();
    let registry = registry(Limits { max_adapters: 2, max_bytes: bytes + bytes / 2 });
    registry.load("a", &case("rslora"), LoadPolicy::Create).unwrap();
    let error = registry.load("b", &case("fan_in_fan_out"), LoadPolicy::Create).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`b` takes {bytes} bytes and other adapters hold {bytes}, but adapters may hold at most \
             {} bytes together; unload one first",
            bytes + bytes / 2
        )
    );
    // The same content again takes no memory, nor does what replaces it.
    registry.load("b", &case("rslora"), LoadPolicy::Create).unwrap();
    let error = registry.load("c", &case("rslora"), LoadPolicy::Create).unwrap_err();
    let sentence = "`c` would be adapter number 3, but at most 2 may be loaded; unload one first";
    assert_eq!(error.to_string(), sentence);
    registry.unload("b").unwrap();
    registry.load("a", &case("fan_in_fan_out"), LoadPolicy::Replace).unwrap();
    assert_eq!(registry.bytes(), bytes);
}

#[test]
fn a_generation_knows_its_files_as_they_were_before_they_were_read() {
    let folder = tempfile::tempdir().unwrap();
    copy("rslora", folder.path());
    let loaded = registry(PLENTY).load("a", folder.path(), LoadPolicy::Create).unwrap();
    let source = loaded.source.as_ref().unwrap();
    assert!(source.is_current());
    let config = folder.path().join("adapter_config.json");
    let text = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, text + "\n").unwrap();
    assert!(!source.is_current());
}

#[test]
fn names_are_checked() {
    let registry = registry(PLENTY);
    for (name, reason) in [
        ("", "it must be 1 to 200 bytes long"),
        (" a", "it must not be a dot name, nor begin or end with white space"),
        ("a\nb", "it must hold no comma, slash, backslash or control character"),
        ("base", "it is the name of the base model"),
        (&"x".repeat(201), "it must be 1 to 200 bytes long"),
    ] {
        let error = registry.load(name, &case("rslora"), LoadPolicy::Replace).unwrap_err();
        // A name is repeated as far as it fits a sentence.
        let shown: String = name.chars().take(80).collect();
        assert_eq!(error.to_string(), format!("{shown:?} cannot name an adapter: {reason}"));
    }
}

#[test]
fn an_adapter_that_changes_nothing_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    copy("rslora", folder.path());
    let config = folder.path().join("adapter_config.json");
    let text = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, text.replace("\"lora_alpha\": 8", "\"lora_alpha\": 0")).unwrap();
    let error = registry(PLENTY).load("a", folder.path(), LoadPolicy::Create).unwrap_err();
    assert!(error.to_string().contains("the adapter changes nothing"), "{error}");
}

#[test]
fn a_scan_takes_every_good_folder_and_names_the_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    for (name, case) in [("b", "rslora"), ("a", "lora_bf16"), ("c", "lora_on_biases")] {
        copy(case, &folder.path().join(name));
    }
    copy("dora", &folder.path().join(".draft"));
    fs_err::create_dir(folder.path().join("empty")).unwrap();
    std::os::unix::fs::symlink(case("dora"), folder.path().join("link")).unwrap();
    let linked = folder.path().join("d");
    copy("dora", &linked);
    fs_err::remove_file(linked.join("adapter_model.safetensors")).unwrap();
    let weights = case("dora").join("adapter_model.safetensors");
    std::os::unix::fs::symlink(weights, linked.join("adapter_model.safetensors")).unwrap();
    let registry = registry(PLENTY);
    let scan = registry.scan_dir(folder.path()).unwrap();
    assert_eq!(names(&scan.loaded), ["a", "b"]);
    assert_eq!(names(&registry.list()), ["a", "b"]);
    let [(path, error), (linked, link)] = scan.failed.as_slice() else {
        panic!("{:?}", scan.failed)
    };
    assert_eq!(path, &folder.path().join("c"));
    assert!(matches!(error, AdapterError::Invalid { .. }), "{error}");
    assert_eq!(linked, &folder.path().join("d"));
    assert!(link.to_string().contains("adapter_model.safetensors is a symbolic link"), "{link}");
    assert!(registry.scan_dir(&folder.path().join("nowhere")).is_err());
}

#[test]
fn of_many_who_create_one_name_one_succeeds() {
    let (registry, barrier) = (registry(PLENTY), Barrier::new(8));
    let winners = thread::scope(|scope| {
        let create = |_| {
            scope.spawn(|| {
                barrier.wait();
                registry.load("a", &case("rslora"), LoadPolicy::Create).is_ok()
            })
        };
        let threads: Vec<_> = (0..8).map(create).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
    });
    assert_eq!(winners, 1);
}

#[test]
fn readers_always_see_a_whole_generation() {
    let registry = registry(PLENTY);
    let cases = ["rslora", "lora_bf16", "all_linear"];
    let expected: Vec<_> = cases
        .iter()
        .map(|name| registry.load("a", &case(name), LoadPolicy::Replace).unwrap())
        .map(|g| (g.id, g.report.parameters, g.weights.bytes()))
        .collect();
    let until = Instant::now() + Duration::from_millis(400);
    let running = || Instant::now() < until;
    let (reads, swaps) = thread::scope(|scope| {
        let read = |_| {
            scope.spawn(|| {
                let mut seen = 0;
                while running() {
                    let g = registry.get("a").expect("a name that is only replaced never vanishes");
                    assert!(expected.contains(&(g.id, g.report.parameters, g.weights.bytes())));
                    assert_eq!(registry.list().iter().filter(|g| g.name == "a").count(), 1);
                    seen += 1;
                }
                seen
            })
        };
        let write = |offset: usize| {
            let (registry, cases) = (&registry, &cases);
            scope.spawn(move || {
                let mut swaps = 0;
                while running() {
                    let path = case(cases[(swaps + offset) % 3]);
                    registry.load("a", &path, LoadPolicy::Replace).unwrap();
                    registry.load("other", &path, LoadPolicy::Replace).unwrap();
                    // The other writer may have been faster.
                    let _ = registry.unload("other");
                    swaps += 1;
                }
                swaps
            })
        };
        let readers: Vec<_> = (0..4).map(read).collect();
        let writers: Vec<_> = (0..2).map(write).collect();
        let reads: usize = readers.into_iter().map(|t| t.join().unwrap()).sum();
        let swaps: usize = writers.into_iter().map(|t| t.join().unwrap()).sum();
        (reads, swaps)
    });
    assert!(reads > 100 && swaps > 4, "{reads} reads, {swaps} swaps");
}

#[test]
fn a_folder_that_is_replaced_meanwhile_is_never_read_half_and_half() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let place = folder.path().join("adapter");
    copy("rslora", &place);
    let registry = registry(PLENTY);
    let ids = ["rslora", "lora_bf16"]
        .map(|name| registry.load(name, &case(name), LoadPolicy::Create).unwrap().id);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in ["lora_bf16", "rslora"].into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                formats::whole::replace_dir(&place, |draft| {
                    copy(name, draft);
                    Ok::<_, formats::Error>(())
                })
                .unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..100 {
            let loaded = registry.load("a", &place, LoadPolicy::Replace);
            match loaded {
                Ok(generation) => assert!(ids.contains(&generation.id)),
                // Told to try again: nothing was loaded.
                Err(error) => assert!(
                    error.to_string().contains("keeps changing")
                        || error.to_string().contains("is not a folder"),
                    "{error}"
                ),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_base_is_told_by_its_weights_and_its_tokenizer() {
    let model = checkpoint(&golden("model", "qwen3_untied_gqa2"));
    let id = || {
        let base = BaseInfo::open(model.path(), "base").unwrap();
        GenerationId::of_base(&base).unwrap()
    };
    let first = id();
    assert_eq!(id(), first);
    let weights = model.path().join("model.safetensors");
    let mut bytes = fs_err::read(&weights).unwrap();
    let original = bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&weights, bytes).unwrap();
    assert_ne!(id(), first, "one bit of a weight");
    fs_err::write(&weights, original).unwrap();
    assert_eq!(id(), first);
    fs_err::write(model.path().join("chat_template.jinja"), "{{ messages }}").unwrap();
    assert_ne!(id(), first, "another template renders other prompts");
}
