//! The card of a merged model: where it came from, for people and for the hub.

use super::report::MergeReport;
use crate::front_matter::{HubCard, Relation};
use crate::license::License;
use std::fmt::Write;
use std::path::Path;

/// `README.md`, with the hub's front matter; the licence is the one of the base in `model`.
pub(super) fn text(report: &MergeReport, model: &Path) -> String {
    let MergeReport { base, adapters, total, .. } = report;
    let opening = HubCard {
        library: "transformers",
        bases: vec![&base.name],
        relation: Relation::Finetune,
        license: License::of_model(model),
        datasets: report.data.iter().flat_map(|data| data.name.split(", ")).collect(),
        tags: vec!["merge", "wardrobe"],
    };
    let mut text = format!("{opening}\n# {} with ", base.name);
    let names: Vec<_> = adapters.iter().map(|adapter| adapter.source.name.as_str()).collect();
    let _ = write!(text, "{}\n\n| | | weight | SHA-256 |\n|---|---|---|---|\n", names.join(", "));
    let _ = writeln!(text, "| base | {} | | `{}` |", base.name, base.digest);
    for adapter in adapters {
        let (name, digest) = (&adapter.source.name, &adapter.source.digest);
        let _ = writeln!(text, "| adapter | {name} | {} | `{digest}` |", adapter.weight);
    }
    for data in &report.data {
        let _ = writeln!(text, "| data | {} | | `{}` |", data.name, data.digest);
    }
    let share = 100.0 * total.lost as f64 / total.changed.max(1) as f64;
    let _ = write!(
        text,
        "\nCombined by `{}`, stored as {}. {} tensors change, by {:.4} of the base's length; rounding \
         undoes {share:.1} % of the changed values. Figures of every tensor: `merge-report.json`.\n\n\
         Made by {}; the same inputs give the same bytes (`{}`).\n",
        report.combine,
        report.dtypes.join(" and "),
        report.modules.len(),
        total.ratio,
        report.tool,
        report.digest,
    );
    text
}
