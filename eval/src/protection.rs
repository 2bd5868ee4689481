//! Whether programs of two parts were graded behind the same walls. Leaves out what the walls are: `sandbox`
//! names them, and what says why one is missing may be told in other words each time.

use serde_json::Value;

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
}
