//! What every response object and chunk begins with.

use serde_json::{Map, Value};

use super::resolver::Wearer;
use super::state::ApiState;

/// The fields that all objects of one answer share.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    generation: Option<String>,
}

impl Head {
    /// A fresh head; `kind` is the id's prefix (`chatcmpl`, `cmpl`).
    pub(crate) fn new(state: &ApiState, kind: &str, wearer: &Wearer) -> Self {
        Self {
            id: format!("{kind}-{}", super::ids::fresh()),
            created: super::ids::unix_time(),
            model: wearer.name().to_owned(),
            fingerprint: state.fingerprint.clone(),
            generation: wearer.generation_id(),
        }
    }

    /// An object of this kind with these choices.
    pub(crate) fn object(&self, object: &str, choices: Vec<Value>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("id".into(), self.id.as_str().into());
        map.insert("object".into(), object.into());
        map.insert("created".into(), self.created.into());
        map.insert("model".into(), self.model.as_str().into());
        map.insert("system_fingerprint".into(), self.fingerprint.as_str().into());
        map.insert("adapter_generation".into(), self.generation.clone().into());
        map.insert("choices".into(), choices.into());
        map
    }
}
