//! After a change of what `to_json` writes, `cargo run -p formats --example rewrite_goldens`
//! rewrites `tests/golden/*/written.json`; the scripts beside them must then record anew what
//! transformers and PEFT read back.

#![expect(clippy::unwrap_used, reason = "a failed rewrite has nobody to tell but who runs it")]

use std::path::{Path, PathBuf};

use formats::ModelConfig;
use formats::peft::AdapterConfig;
use serde_json::{Map, Value};

fn main() {
    let config = |(case, file): (String, Value)| {
        let config = ModelConfig::parse(&file.to_string(), Path::new("config.json")).unwrap();
        (case, config.to_json())
    };
    let configs = object("config/saved.v5.json");
    rewrite("config/written.json", configs.into_iter().map(config).collect());
    let adapter = |(case, recorded): (String, Value)| {
        let text = recorded["saved"].to_string();
        let config = AdapterConfig::parse(&text, Path::new("adapter_config.json")).unwrap();
        (case, config.to_json())
    };
    let mut adapters = object("peft/cases.json");
    adapters.shift_remove("modules");
    rewrite("peft/written.json", adapters.into_iter().map(adapter).collect());
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn object(name: &str) -> Map<String, Value> {
    serde_json::from_str(&fs_err::read_to_string(golden(name)).unwrap()).unwrap()
}

/// One case a line, as the scripts write them.
fn rewrite(name: &str, cases: Map<String, Value>) {
    let line =
        |(case, value): (&String, &Value)| format!(" {}: {value}", Value::from(case.as_str()));
    let lines: Vec<String> = cases.iter().map(line).collect();
    fs_err::write(golden(name), format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
}
