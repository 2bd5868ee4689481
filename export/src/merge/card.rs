//! The card of a merged model: where it came from, for people and for the hub.

use super::report::MergeReport;
use std::fmt::Write;

/// `README.md`, with the hub's front matter.
pub(super) fn text(report: &MergeReport) -> String {
    let MergeReport { base, adapters, total, .. } = report;
    let mut text = String::from("---\nlibrary_name: transformers\n");
    // Only a hub id has a slash; the hub refuses names that are none.
    if base.name.contains('/') {
        let _ = writeln!(text, "base_model: {}", base.name);
    }
    let _ = write!(text, "tags:\n- merge\n- wardrobe\n---\n\n# {} with ", base.name);
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
