//! `report.html`: one page that needs nothing else. Its policy lets no script run but its own, by hash,
//! and nothing be fetched; samples lie in it as JSON that cannot end its element.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::embed::{Embedded, embed};
use super::evidence::Evidence;
use super::markdown::summary;
use super::method::method;
use super::numbers::count;
use super::results::Results;
use super::text::{escaped, html, html_title};
use super::{Error, charts, tables};
use crate::record::Measure;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/browser.js");

/// The whole page, of about `bytes` at most.
pub(crate) fn page(results: &Results, evidence: &Evidence, bytes: usize) -> Result<String, Error> {
    let mut body = head(results);
    for (at, measure) in results.run.measures.iter().enumerate() {
        body.push_str(&section(results, measure, at == 0));
    }
    body.push_str("<section><h2>Answers</h2>\n");
    body.push_str(&tables::length_controlled(results).map(|t| t.html()).unwrap_or_default());
    body.push_str(&tables::arms(results).html());
    body.push_str(&tables::verdicts(results).html());
    body.push_str(&tables::agreements(results).map(|table| table.html()).unwrap_or_default());
    body.push_str("</section>\n");
    let fixed = body.len() + STYLE.len() + SCRIPT.len();
    let samples = embed(evidence, bytes.saturating_sub(fixed))?;
    body.push_str(&browser(&samples));
    body.push_str(&format!(
        "<footer><h2>Method</h2><p>{}</p></footer>\n</main>\n",
        escaped(&method(results))
    ));
    body.push_str("<script type=\"application/json\" id=\"data\">");
    body.push_str(&script_json(&samples));
    body.push_str(&format!("</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    Ok(body)
}

/// Everything up to the tables.
fn head(results: &Results) -> String {
    let title = html(&results.run.suite);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{}'; \
         style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" \
         content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{title}: \
         evaluation</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header><button \
         type=\"button\" id=\"theme\" aria-label=\"Colours: as the system\">◐</button><h1>{title}</h1>\
         <p class=\"summary\">{}</p></header>\n",
        fingerprint(SCRIPT),
        fingerprint(STYLE),
        escaped(&summary(results)),
    );
    for note in &results.notes {
        let loud = if note.starts_with("THE ") { " loud" } else { "" };
        out.push_str(&format!("<p class=\"note{loud}\" role=\"note\">{}</p>\n", escaped(note)));
    }
    out.push_str(&charts::tiles(results));
    out
}

/// What a policy calls a script or a style by.
fn fingerprint(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// A measure: its charts, its table, its tests. All but the headline are folded up.
fn section(results: &Results, measure: &Measure, headline: bool) -> String {
    let title = html_title(&measure.title);
    let mut inside = tables::rates(results, measure).html_under("Arms side by side");
    inside.push_str(&charts::charts(results, measure));
    if let Some(half) = tables::against_half(results, measure) {
        inside.push_str(&half.html());
    }
    let tests = tables::tests(results, measure);
    if !tests.rows.is_empty() {
        inside.push_str(&tests.html());
    }
    match headline {
        true => format!("<section><h2>{title}</h2>\n{inside}</section>\n"),
        false => format!(
            "<details class=\"measure\"><summary><h2>{title}</h2></summary>\n{inside}</details>\n"
        ),
    }
}

/// The empty browser of samples, which the script fills.
fn browser(samples: &Embedded) -> String {
    let carried = match samples.carried() as u64 == samples.total() as u64 {
        true => format!("All {} samples.", count(samples.total() as u64)),
        false => format!(
            "{} of {} samples, of {} problems, spread evenly over groups and outcomes; the others are \
             in samples.jsonl.",
            count(samples.carried() as u64),
            count(samples.total() as u64),
            count(samples.problems() as u64)
        ),
    };
    format!(
        "<section id=\"browser\"><h2>Samples</h2>\n<p class=\"summary\">{carried} Long texts are cut in \
         the middle. Keys, once something of this section has the focus: <kbd>/</kbd> searches, \
         <kbd>j</kbd> and <kbd>k</kbd> go to the next and the previous.</p>\n<noscript><p class=\"note\">The browser of samples needs JavaScript; everything \
         above does not.</p></noscript>\n<form id=\"filters\" role=\"search\"></form>\n<p id=\"found\" \
         role=\"status\"></p>\n<div class=\"panes\"><div class=\"side\"><ol id=\"list\" \
         aria-label=\"Samples found\"></ol><button type=\"button\" id=\"more\" hidden>Show \
         more</button></div><article id=\"shown\" tabindex=\"-1\" aria-label=\"The attempt\"></article></div>\n<p id=\"told\" \
         class=\"unseen\" role=\"status\"></p>\n</section>\n"
    )
}

/// JSON that may stand in a script element: nothing in it can end the element, open another or be a
/// comment.
pub(crate) fn script_json<T: Serialize>(value: &T) -> String {
    // Only maps with keys that are no texts fail, and there are none.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let mut safe = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                safe.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_json_can_leave_its_element() {
        let hostile = "</script><script>alert(1)</script><!-- ]]> & \u{2028}\0\u{1b}";
        let safe = script_json(&hostile);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}', '\0', '\u{1b}']), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }

    #[test]
    fn scripts_are_called_by_the_hash_that_browsers_compute() {
        // From the CSP specification's example: alert('Hello, world.');
        let known = "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=";
        assert_eq!(fingerprint("alert('Hello, world.');"), known);
    }
}
