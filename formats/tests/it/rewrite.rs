//! Not a test of anything: after a change of what `to_json` writes, `cargo test -p formats -- --ignored`
//! rewrites `golden/*/written.json`; the scripts beside them must then record anew what is read back.

use std::path::Path;

use formats::ModelConfig;
use formats::peft::AdapterConfig;
use serde_json::{Map, Value};

use crate::golden;

/// One case a line, as the scripts write them.
fn rewrite(name: &str, cases: Map<String, Value>) {
    let line =
        |(case, value): (&String, &Value)| format!(" {}: {value}", Value::from(case.as_str()));
    let lines: Vec<String> = cases.iter().map(line).collect();
    fs_err::write(golden::path(name), format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
}

#[test]
#[ignore = "rewrites golden files"]
fn written_json_holds_what_to_json_gives() {
    let config = |(case, file): (String, Value)| {
        let config = ModelConfig::parse(&file.to_string(), Path::new("config.json")).unwrap();
        (case, config.to_json())
    };
    rewrite(
        "config/written.json",
        golden::object("config/saved.v5.json").into_iter().map(config).collect(),
    );
    let mut cases = golden::object("peft/cases.json");
    cases.shift_remove("modules");
    let adapter = |(case, recorded): (String, Value)| {
        let text = recorded["saved"].to_string();
        let config = AdapterConfig::parse(&text, Path::new("adapter_config.json")).unwrap();
        (case, config.to_json())
    };
    rewrite("peft/written.json", cases.into_iter().map(adapter).collect());
}
