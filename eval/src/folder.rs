//! The record of an evaluation's folder, `run.json` and `problems.jsonl`: read with its sense checked,
//! written whole. Leaves out the samples (`store`, `merge`, `report`).

use std::path::Path;

use crate::lines::Lines;
use crate::{Error, Place, ProblemLine, Run, Shard, Unreadable};

/// Reads a folder's `run.json`.
pub(crate) fn read_run(path: &Path) -> Result<Run, Unreadable> {
    let wrong = |reason: String| Unreadable::File { path: path.to_owned(), reason };
    let mut run: Run = serde_json::from_slice(&fs_err::read(path)?)
        .map_err(|error| wrong(format!("it is not the record of an evaluation's run ({error})")))?;
    if run.arms.is_empty() || run.measures.is_empty() {
        return Err(wrong("expected at least one arm and one measure".to_owned()));
    }
    for (at, arm) in run.arms.iter().enumerate() {
        if run.arms[..at].iter().any(|other| other.label == arm.label) {
            return Err(wrong(format!("two arms are called `{}`", arm.label)));
        }
    }
    if !run.arms.iter().any(|arm| arm.label == run.reference) {
        return Err(wrong(format!("the reference `{}` is none of the arms", run.reference)));
    }
    run.shard = share(run.shard.take());
    Ok(run)
}

/// The share of a record as it is written now: in order, and none where it is the whole.
fn share(written: Option<String>) -> Option<String> {
    match written.as_deref().map(Shard::parse) {
        Some(Ok(shard)) => (!shard.is_whole()).then(|| shard.to_string()),
        Some(Err(_)) | None => written,
    }
}

/// Hands every line of a `problems.jsonl` to `see`, with its place: where it begins, and its bytes.
/// The file is written whole, so one that is cut off is refused.
pub(crate) fn each_problem(
    path: &Path,
    mut see: impl FnMut(ProblemLine, (u64, usize)) -> Result<(), String>,
) -> Result<(), Unreadable> {
    let mut lines = Lines::open(path)?;
    lines.each(|line| {
        let problem = serde_json::from_slice(line.bytes)
            .map_err(|error| format!("not a problem ({error})"))?;
        see(problem, (line.offset, line.bytes.len()))
    })?;
    if lines.is_torn() {
        let reason =
            "its last line has no line break: it was cut off; copy the file again".to_owned();
        return Err(Unreadable::File { path: path.to_owned(), reason });
    }
    Ok(())
}

/// Writes `problems.jsonl` and `run.json`, each whole, the latter last: it says that the folder is one.
pub(crate) fn write_record(
    place: &Place,
    run: &Run,
    problems: &[ProblemLine],
) -> Result<(), Error> {
    let mut text = Vec::new();
    for problem in problems {
        serde_json::to_writer(&mut text, problem).map_err(std::io::Error::from)?;
        text.push(b'\n');
    }
    formats::whole::write_file(&place.problems(), &text)?;
    write_run(place, run)
}

/// Writes `run.json` whole.
pub(crate) fn write_run(place: &Place, run: &Run) -> Result<(), Error> {
    let mut record = serde_json::to_vec_pretty(run).map_err(std::io::Error::from)?;
    record.push(b'\n');
    Ok(formats::whole::write_file(&place.run(), &record)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A record that makes sense.
    pub(crate) fn record() -> Value {
        json!({
            "suite": "s", "suite_digest": "", "data": "", "data_digest": "", "reference": "a",
            "arms": [{"label": "a", "model": "m"}], "k": [], "groups": [], "server": "",
            "measures": [{"name": "x", "title": "X", "kind": "verdict"}], "version": "",
            "sampling": {"samples": 1, "temperature": 0, "top_p": 1, "max_tokens": 1, "seed": 0},
            "started": "",
        })
    }

    #[test]
    fn a_record_that_makes_no_sense_is_refused() {
        let good = record();
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = |change: &dyn Fn(&mut Value)| {
            let mut run = good.clone();
            change(&mut run);
            fs_err::write(file.path(), run.to_string()).unwrap();
            read_run(file.path()).map_or_else(|error| error.to_string(), |_| "good".to_owned())
        };
        assert_eq!(said(&|_| {}), "good");
        assert!(said(&|run| run["arms"] = json!([])).ends_with("at least one arm and one measure"));
        let twins = json!([{"label": "a", "model": "m"}, {"label": "a", "model": "n"}]);
        assert!(said(&|run| run["arms"] = twins.clone()).ends_with("two arms are called `a`"));
        assert!(said(&|run| run["reference"] = json!("b")).ends_with("`b` is none of the arms"));
        assert!(said(&|run| run["suite"] = json!(1)).contains("not the record of an evaluation"));
    }

    #[test]
    fn a_share_that_is_the_whole_is_none() {
        for (written, read) in [("1/1", None), ("2,1/2", None), ("3,1/4", Some("1,3/4"))] {
            assert_eq!(share(Some(written.to_owned())).as_deref(), read, "{written}");
        }
        assert_eq!((share(None), share(Some("odd".to_owned())).as_deref()), (None, Some("odd")));
    }

    #[test]
    fn problems_that_are_cut_off_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = json!({"id": "p", "prompt": "x"}).to_string();
        let read = |text: String| {
            fs_err::write(file.path(), text).unwrap();
            let mut seen = Vec::new();
            let read = each_problem(file.path(), |problem, place| {
                seen.push((problem.id, place));
                Ok(())
            });
            read.map(|()| seen).map_err(|error| error.to_string())
        };
        let place = ("p".to_owned(), (1, line.len()));
        assert_eq!(read(format!("\n{line}\n")), Ok(vec![place]));
        assert!(read(line.clone()).unwrap_err().contains("it was cut off"));
        assert!(read(format!("{line}\n{{}}\n")).unwrap_err().contains(", line 2: not a problem"));
    }
}
