//! A proof's figures as JSON, for reports, and as a line, for people.

use super::{ModuleProof, PackageProof};
use serde_json::{Value, json};

impl PackageProof {
    /// Every figure; of the modules each one's.
    pub fn to_json(&self) -> Value {
        let total = self.weights.total.map(|total| {
            json!({"share": total.share, "standard_error": total.error, "possible": total.possible})
        });
        json!({
            "summary": self.to_line(),
            "adapter_change_carried": total,
            "text": self.text,
            "behaviour": self.behaviour,
            "warning": self.warning,
            "modules": self.weights.modules.iter().map(module).collect::<Vec<_>>(),
        })
    }

    /// One line with the figures that matter.
    pub fn to_line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(total) = self.weights.total {
            parts.push(format!("{:.1} % of the adapters' change carried", 100.0 * total.share));
        }
        let behaviour = &self.behaviour;
        parts.push(format!(
            "same likeliest token at {:.1} % of {} positions, KL {:.2e} nats, {} of {} greedy tokens",
            100.0 * behaviour.top1_agreement,
            behaviour.positions,
            behaviour.mean_kl,
            behaviour.greedy_same,
            behaviour.greedy_tokens
        ));
        let text = &self.text;
        parts.push(format!(
            "{} texts and {} conversations to the same tokens",
            text.texts, text.conversations
        ));
        parts.join("; ")
    }
}

fn module(module: &ModuleProof) -> Value {
    json!({
        "module": module.module,
        "type": module.rounding.kind().name,
        "relative_error": module.relative_error,
        "share": module.carried.map(|carried| carried.share),
        "standard_error": module.carried.map(|carried| carried.error),
    })
}
