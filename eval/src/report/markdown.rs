//! `report.md`: the tables and notes as text that a forge or an editor shows.

use super::method::method;
use super::numbers::several;
use super::results::Results;
use super::tables;
use super::text::{SENTENCE, line, markdown, markdown_line, markdown_title, name};
use crate::Run;

/// Most characters of the data's name: files, each with its path.
const DATA: usize = 1_000;

/// The whole report.
pub(crate) fn report(results: &Results) -> String {
    let run = &results.run;
    let mut out =
        format!("# {}\n\n{}\n\n", markdown(&run.suite), markdown_line(&summary(results), SENTENCE));
    for note in &results.notes {
        out.push_str(&format!("> **Note.** {}\n\n", markdown_line(note, SENTENCE)));
    }
    for measure in &run.measures {
        let table = tables::rates(results, measure);
        out.push_str(&format!("## {}\n\n{}\n", markdown_title(&table.title), table.markdown()));
        if let Some(half) = tables::against_half(results, measure) {
            out.push_str(&format!("Against one half:\n\n{}\n", half.markdown()));
        }
        let tests = tables::tests(results, measure);
        if !tests.rows.is_empty() {
            out.push_str(&format!("{}\n\n{}\n", against(results), tests.markdown()));
        }
    }
    let more = [
        tables::length_controlled(results),
        Some(tables::arms(results)),
        Some(tables::verdicts(results)),
        tables::agreements(results),
    ];
    for table in more.into_iter().flatten() {
        out.push_str(&format!("## {}\n\n{}\n", table.title, table.markdown()));
    }
    out.push_str(&format!("## Method\n\n{}\n", markdown_line(&method(results), SENTENCE)));
    out
}

fn against(results: &Results) -> String {
    format!("Against {}, paired by problem:", markdown(&results.run.reference))
}

/// What was asked of whom, in two sentences.
pub(crate) fn summary(results: &Results) -> String {
    let run = &results.run;
    let arms: Vec<String> = run.arms.iter().map(|arm| name(&arm.label)).collect();
    let sampling = &run.sampling;
    let prompt = match run.prompt.as_str() {
        "" => String::new(),
        prompt => format!(" (prompt {})", name(prompt)),
    };
    let drawn = if run.given { "given in a file".to_owned() } else { drawn(run) };
    format!(
        "{} of {}{prompt}, {} of each arm ({}), {drawn}. Begun {}, version {}.",
        several(results.problems, "problem"),
        line(&run.data, DATA),
        several(sampling.samples, "sample"),
        arms.join(", "),
        name(&run.started),
        name(&run.version),
    )
}

fn drawn(run: &Run) -> String {
    let sampling = &run.sampling;
    let top_k = sampling.top_k.map_or_else(String::new, |k| format!(", top-k {k}"));
    let how = if sampling.temperature == 0.0 {
        "greedily".to_owned()
    } else {
        format!("at temperature {}, top-p {}{top_k}", sampling.temperature, sampling.top_p)
    };
    let not_sent = match run.not_sent[..] {
        [] => String::new(),
        _ => format!(" (not sent: {})", left_out(run)),
    };
    format!("{how}, at most {} tokens, seed {}{not_sent}", sampling.max_tokens, sampling.seed)
}

/// The fields that the server was not sent.
pub(crate) fn left_out(run: &Run) -> String {
    run.not_sent.iter().map(|field| name(field)).collect::<Vec<_>>().join(", ")
}
