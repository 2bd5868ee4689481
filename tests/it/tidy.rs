//! Holds the code to ARCHITECTURE.md and to the house rules that a program can check: layers, libraries,
//! where `unsafe`, HTTP, arguments and the environment may appear, opening comments, file length.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 400;

/// The layers that are crates of their own.
const CRATES: [&str; 7] =
    ["splitmix", "kernels", "formats", "export", "sandbox", "rewards", "eval"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Every Rust file of the program and its crates but for the crates' own tests, which are no part of
/// a layer, with its path from the root and its text.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let each = ["src"].iter().chain(&CRATES).flat_map(|dir| rust_files(&root.join(dir)));
    each.map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    })
    .filter(|(name, _)| !name.contains("/tests/"))
    .collect()
}

/// First and second cell of every row of ARCHITECTURE.md's table whose head begins with `head`.
fn table(head: &str) -> Vec<[String; 2]> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            [cells[1].to_owned(), cells[2].to_owned()]
        })
        .collect()
}

/// Layer -> the layers it may import, as ARCHITECTURE.md's table says.
fn layer_table() -> BTreeMap<String, Vec<String>> {
    let row = |[layer, imports]: [String; 2]| {
        let imports = imports.split_whitespace().filter(|&word| word != "-");
        (layer, imports.map(str::to_owned).collect())
    };
    table("| layer").into_iter().map(row).collect()
}

/// The libraries of others that a `Cargo.toml` names in any table of dependencies.
fn libraries(manifest: &toml::Table, found: &mut BTreeSet<String>) {
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            let ours = |value: &toml::Value| value.get("path").is_some();
            let theirs = table.iter().filter(|(_, value)| !ours(value));
            found.extend(theirs.map(|(name, _)| name.clone()));
        } else {
            libraries(table, found);
        }
    }
}

/// The layer a file belongs to; `None` for the library root and the program's `main`.
fn layer_of(name: &str) -> Option<&str> {
    let mut parts = name.split('/');
    match parts.next()? {
        "src" => {
            let part = parts.next()?;
            let layer = part.strip_suffix(".rs").unwrap_or(part);
            (layer != "lib" && layer != "main").then_some(layer)
        }
        layer_crate => Some(layer_crate),
    }
}

/// A source text without comments and without its trailing unit tests.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = before_tests.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

fn uses_layer(code: &str, layer: &str) -> bool {
    let outside = CRATES.contains(&layer);
    let needles = if outside {
        vec![format!("{layer}::")]
    } else {
        vec![format!("crate::{layer}"), format!("wardrobe::{layer}")]
    };
    needles.iter().any(|needle| {
        code.match_indices(needle.as_str()).any(|(at, _)| {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            let after = code[at + needle.len()..].chars().next().unwrap_or(' ');
            let inside_word = |c: char| c.is_alphanumeric() || c == '_';
            !inside_word(before) && before != ':' && (outside || !inside_word(after))
        })
    })
}

#[test]
fn layers_import_only_what_the_table_allows() {
    let table = layer_table();
    assert!(table.len() >= 8, "the layer table was not found: {table:?}");
    for (name, text) in sources() {
        let Some(layer) = layer_of(&name) else { continue };
        let allowed = table.get(layer).unwrap_or_else(|| panic!("{name}: no layer `{layer}`"));
        if allowed.iter().any(|word| word == "everything") {
            continue;
        }
        let code = code(&text);
        for other in table.keys().filter(|other| *other != layer && !allowed.contains(other)) {
            assert!(!uses_layer(&code, other), "{name}: layer `{layer}` must not use `{other}`");
        }
    }
}

#[test]
fn every_library_has_a_row_that_says_what_it_is_for() {
    let mut used = BTreeSet::new();
    for dir in [".", "fuzz"].iter().chain(&CRATES) {
        let text = std::fs::read_to_string(root().join(dir).join("Cargo.toml")).unwrap();
        libraries(&text.parse().unwrap(), &mut used);
    }
    let rows = table("| crate");
    let named: Vec<&str> = rows.iter().flat_map(|[names, _]| names.split(", ")).collect();
    let rows: BTreeSet<String> = named.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a library has two rows: {named:?}");
    let missing: Vec<_> = used.difference(&rows).collect();
    let stale: Vec<_> = rows.difference(&used).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md has no row for {missing:?}");
    assert!(stale.is_empty(), "ARCHITECTURE.md has rows for {stale:?}, which no Cargo.toml names");
}

#[test]
fn the_table_names_only_rows_above() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = layer_table();
    let place = |layer: &str| text.find(&format!("\n| {layer} ")).unwrap_or(usize::MAX);
    for (layer, imports) in &table {
        for import in imports.iter().filter(|import| *import != "everything") {
            assert!(place(import) < place(layer), "`{layer}` names `{import}`, which is not above");
        }
    }
}

#[test]
fn special_powers_stay_where_the_architecture_puts_them() {
    for (name, text) in sources() {
        let code = code(&text);
        let layer = layer_of(&name);
        let only = |needle: &str, homes: &[&str]| {
            let at_home = homes.iter().any(|home| layer == Some(home) || name == *home);
            assert!(at_home || !code.contains(needle), "{name}: `{needle}` belongs to {homes:?}");
        };
        only("actix_web", &["api"]);
        only("clap::", &["cli"]);
        only("env::var", &["cli", "kernels/src/level.rs", "kernels/src/startup.rs"]);
        only("unsafe {", &["kernels", "sandbox", "formats/src/mapped.rs"]);
        if name.contains("/examples/") {
            continue;
        }
        only("println!", &["cli", "src/main.rs"]);
        for call in ["read", "write", "create", "remove", "rename"] {
            only(&format!("std::fs::{call}"), &["kernels/src/startup.rs"]);
        }
        // The sandbox's files are descriptors, without a path to name.
        only("std::fs::File", &["sandbox"]);
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for (name, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{name}: open with a `//!` comment: what it is, what it leaves out"
        );
    }
}

#[test]
fn files_hold_one_idea() {
    for (name, text) in sources() {
        let lines = code(&text).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= MAX_LINES, "{name}: {lines} lines of code, at most {MAX_LINES}");
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore"];
    for (name, text) in sources() {
        for mark in marks {
            assert!(!text.contains(mark), "{name}: contains `{mark}`");
        }
    }
}
