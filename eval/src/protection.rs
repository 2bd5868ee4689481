//! Whether programs of two parts were graded behind the same walls. Leaves out what the walls are: `sandbox`
//! names them, and what says why one is missing may be told in other words each time.

use std::collections::BTreeSet;

use serde_json::Value;

/// Protections that a difference names.
const NAMED: usize = 4;

/// Whether two records of protections, as `run.json` has them, name the same.
pub(crate) fn alike(one: &Value, other: &Value) -> bool {
    named(one) == named(other)
}

/// The record without the reasons why something is missing.
fn named(record: &Value) -> Value {
    let mut record = record.clone();
    let missing = record.get_mut("missing").and_then(Value::as_array_mut);
    for one in missing.into_iter().flatten().filter_map(Value::as_object_mut) {
        one.remove("why");
    }
    record
}

/// What stood around graded programs, and what did not: `behind user namespace, seccomp (best-effort;
/// missing: landlock)`, of each part of a merged run.
pub(crate) fn said(record: &Value) -> String {
    if let Some(parts) = record.as_array() {
        return parts.iter().map(said).collect::<Vec<_>>().join("; in another part ");
    }
    let (Some(how), Some(active)) = (strictness(record), active(record)) else {
        return format!("under {record}");
    };
    let missing = missing(record);
    let missing = match missing.is_empty() {
        true => "nothing missing".to_owned(),
        false => format!("missing: {}", listed(&missing, usize::MAX)),
    };
    match active.is_empty() {
        true => format!("without protections ({how})"),
        false => format!("behind {} ({how}; {missing})", listed(&active, usize::MAX)),
    }
}

/// How two records differ, from the first to the second: `strict, then off; without seccomp, landlock and
/// 9 more`.
pub(crate) fn changed(one: &Value, other: &Value) -> String {
    let sides = [one, other].map(|side| Some((strictness(side)?, active(side)?)));
    let [Some((how, before)), Some((how_now, now))] = sides else {
        return "they are told in another form".to_owned();
    };
    let mut parts = Vec::new();
    if how != how_now {
        parts.push(format!("{how}, then {how_now}"));
    }
    let less = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).cloned().collect::<BTreeSet<_>>()
    };
    for (word, names) in [("without", less(&before, &now)), ("with", less(&now, &before))] {
        if !names.is_empty() {
            parts.push(format!("{word} {}", listed(&names, NAMED)));
        }
    }
    match parts.is_empty() {
        true => "another version of one of them".to_owned(),
        false => parts.join("; "),
    }
}

fn strictness(record: &Value) -> Option<&str> {
    record["strictness"].as_str()
}

fn active(record: &Value) -> Option<BTreeSet<String>> {
    Some(record["active"].as_array()?.iter().filter_map(word).collect())
}

fn missing(record: &Value) -> BTreeSet<String> {
    let all = record["missing"].as_array().into_iter().flatten();
    all.filter_map(|one| word(&one["protection"])).collect()
}

/// A protection's name as words.
fn word(name: &Value) -> Option<String> {
    name.as_str().map(|name| name.replace(['-', '_'], " "))
}

fn listed(names: &BTreeSet<String>, most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let more = match names.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_do_not_count_and_walls_do() {
        let of = |wall: &str, why: &str| {
            json!({"strictness": "best-effort", "active": ["seccomp"],
                   "missing": [{"protection": wall, "why": why}], "landlock_abi": 6})
        };
        assert!(alike(&of("control_group", "denied"), &of("control_group", "no such file")));
        assert!(!alike(&of("control_group", "denied"), &of("landlock", "denied")));
        assert!(alike(&Value::Null, &Value::Null) && !alike(&Value::Null, &of("landlock", "")));
    }

    #[test]
    fn walls_are_told_in_words() {
        let complete = json!({"strictness": "strict", "active": ["seccomp", "user-namespace"],
            "missing": [], "landlock_abi": 6});
        let part = json!({"strictness": "best-effort", "active": ["seccomp"],
            "missing": [{"protection": "user-namespace", "why": "a sentence of many words"}]});
        let off = json!({"strictness": "off", "active": [], "missing": []});
        assert_eq!(said(&complete), "behind seccomp, user namespace (strict; nothing missing)");
        assert_eq!(
            said(&json!([part, off])),
            "behind seccomp (best-effort; missing: user namespace); in another part without \
             protections (off)"
        );
        assert_eq!(said(&json!({"landlock": 7})), r#"under {"landlock":7}"#);
        assert_eq!(changed(&complete, &off), "strict, then off; without seccomp, user namespace");
        assert_eq!(changed(&part, &complete), "best-effort, then strict; with user namespace");
    }
}
