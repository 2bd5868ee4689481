//! The page: whole in itself, safe with hostile samples, bounded in size. What it does in a browser is
//! `.ci/browser`'s.

use eval::report::{Options, write};
use eval::{Sample, Status};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder::{self, graded, problem};

const HOSTILE: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{0}\u{1b}[31m\u{202e}";

fn with_completion(mut sample: Sample, text: &str) -> Sample {
    if let Status::Graded { completion, grade, .. } = &mut sample.status {
        *completion = text.to_owned();
        grade.verdict = HOSTILE.to_owned();
        grade.detail = serde_json::json!({HOSTILE: HOSTILE});
    }
    sample
}

/// The page of 40 problems with two samples of two arms, every text of them `text`.
fn page(text: &str, options: Options) -> String {
    let dir = TempDir::new().unwrap();
    let mut run = folder::run(&["base", HOSTILE], 2, &[2]);
    run.suite = HOSTILE.to_owned();
    let problems: Vec<_> = (0..40).map(|id| problem(&format!("p{id}{HOSTILE}"), HOSTILE)).collect();
    let mut samples = Vec::new();
    for (at, problem) in problems.iter().enumerate() {
        for (arm, index) in [("base", 0), ("base", 1), (HOSTILE, 0), (HOSTILE, 1)] {
            samples.push(with_completion(graded(&problem.id, arm, index, at % 3 == 0), text));
        }
    }
    folder::write(dir.path(), &run, &problems, &samples);
    write(dir.path(), options).unwrap();
    let markdown = std::fs::read_to_string(dir.path().join("report.md")).unwrap();
    assert!(!markdown.contains("<script") && !markdown.contains(['\u{0}', '\u{1b}', '\u{202e}']));
    std::fs::read_to_string(dir.path().join("report.html")).unwrap()
}

/// The JSON that the page's script reads.
fn data(page: &str) -> Value {
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

#[test]
fn hostile_samples_leave_no_mark_on_the_page() {
    let page = page(HOSTILE, Options::default());
    assert_eq!(page.matches("<script").count(), 2, "the data and the page's own script");
    assert!(!page.contains("<img") && !page.contains(['\u{0}', '\u{1b}']));
    let samples = data(&page)["samples"].as_array().unwrap().len();
    assert_eq!(samples, 160);
    assert_eq!(data(&page)["samples"][0]["completion"], HOSTILE);
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page("plain", Options::default());
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    for outside in ["src=\"", "@import", "url(", "http-equiv=\"refresh\"", "<iframe", "<object"] {
        let head = &page[..page.find("id=\"data\">").unwrap()];
        assert!(!head.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_is_bounded_and_tells_what_it_leaves_out() {
    let options = Options { page_bytes: 200_000, ..Options::default() };
    let page = page(&"long ".repeat(100_000), options);
    assert!(page.len() < 210_000, "{} bytes", page.len());
    let data = data(&page);
    let carried = data["samples"].as_array().unwrap();
    assert!(carried.len() >= 8 && carried.len() < 160, "{} samples", carried.len());
    assert!(page.contains(&format!("{} of 160 samples", carried.len())));
    // Solved and unsolved problems come in turn, with both arms' answers.
    let solved = carried.iter().filter(|sample| sample["values"][0] == 1.0).count();
    assert!(solved.abs_diff(carried.len() - solved) <= 4, "{solved} of {}", carried.len());
    let of_base = carried.iter().filter(|sample| sample["arm"] == 0).count();
    assert_eq!(2 * of_base, carried.len());
    let [head, left_out, tail] = [0, 1, 2].map(|part| &carried[0]["completion"][part]);
    assert!(
        head.as_str().unwrap().starts_with("long") && tail.as_str().unwrap().ends_with("long ")
    );
    assert_eq!(left_out, 500_000 - 6_000);
}
