//! Whether a run may go on in a folder: it is the folder's run, or that run grown by samples or by
//! problems. What was answered stays, for every key is a question's own. Leaves out files (`store`).

use std::collections::HashMap;

use serde_json::Value;

use crate::differences::{differences, shortened};
use crate::protection::{alike, changed};
use crate::{ProblemLine, Run};

/// What may change where a run grows; the k of pass@k are the report's matter alone.
const GROWS: [&str; 4] = ["data", "data_digest", "sampling.samples", "k"];

/// Whether `run` is `there`, which a folder holds, or may be that run grown as far as its record tells.
///
/// # Errors
/// In a sentence, why not.
pub(crate) fn allowed(there: &Run, run: &Run) -> Result<(), String> {
    let mut reasons: Vec<String> = differences(there, run)
        .iter()
        .filter(|found| !GROWS.contains(&found.place.as_str()))
        .map(ToString::to_string)
        .collect();
    if there.shard != run.shard {
        let share = |shard: &Option<String>| shard.clone().unwrap_or_else(|| "1/1".to_owned());
        reasons.push(format!("shard was {}, now {}", share(&there.shard), share(&run.shard)));
    }
    reasons.extend(other_grading(there, run));
    if !reasons.is_empty() {
        return Err(format!("it holds another run: {}", shortened(&reasons)));
    }
    let (had, wanted) = (there.sampling.samples, run.sampling.samples);
    if wanted < had {
        return Err(format!(
            "it has {had} samples of each problem, and {wanted} are asked for: a folder grows and does \
             not shrink"
        ));
    }
    Ok(())
}

/// What the folder's record becomes; `there` itself where nothing grows.
pub(crate) fn grown(there: &Run, run: &Run) -> Run {
    Run {
        data: run.data.clone(),
        data_digest: run.data_digest.clone(),
        sampling: run.sampling.clone(),
        k: run.k.clone(),
        ..there.clone()
    }
}

/// Whether every problem of `before`, by id and digest, is among those of now, as it was.
///
/// # Errors
/// In a sentence, which one is not.
pub(crate) fn contained(before: &[(String, String)], now: &[ProblemLine]) -> Result<(), String> {
    let digests: HashMap<&str, &str> =
        now.iter().map(|problem| (problem.id.as_str(), problem.digest.as_str())).collect();
    let ids = before.iter().map(|(id, _)| id.as_str());
    let gone: Vec<&str> = ids.filter(|id| !digests.contains_key(id)).collect();
    if let Some(first) = gone.first() {
        return Err(format!(
            "it has {} problems that this run leaves out, such as `{first}`: a folder grows and does \
             not shrink, and a share of more problems is another share (merge the shares, and let the \
             whole grow)",
            gone.len()
        ));
    }
    let changed = |(id, digest): &&(String, String)| digests.get(id.as_str()) != Some(&&**digest);
    match before.iter().find(changed) {
        Some((id, _)) => Err(format!(
            "problem `{id}` was another one: its record or what is asked of it has changed"
        )),
        None => Ok(()),
    }
}

/// What makes grades of one folder unlike each other, though its shares may be merged: another program,
/// or other protections around graded programs. A merged folder's list names those of each part.
fn other_grading(there: &Run, run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    if there.version != run.version {
        found.push(format!(
            "it was begun by version {} of this program, whose graders may differ from those of this \
             version {}",
            there.version, run.version
        ));
    }
    let same = |known: &Value| alike(known, &run.protections);
    let is_listed = there.protections.as_array().is_some_and(|list| list.iter().any(same));
    if !same(&there.protections) && !is_listed {
        found.push(format!(
            "programs were graded under other protections than would stand now ({})",
            changed(there.protections.get(0).unwrap_or(&there.protections), &run.protections)
        ));
    }
    found
}
