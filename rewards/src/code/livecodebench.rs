//! LiveCodeBench's records (code generation, releases 1 to 6: a JSON object a problem) to
//! [`CodeProblem`]. Private tests are JSON, or JSON in a pickle in zlib in base64, unpacked within
//! bounds and without running the pickle. Leaves out where records come from.

use serde::Deserialize;
use serde_json::Value;

use super::packed::Packed;
use super::problem::{CodeProblem, Kind, Test, Tests};
use crate::Failure;

/// Most bytes that one problem's private tests may unpack to.
pub const INFLATED_LIMIT: u64 = 512 << 20;

/// Private tests of more bytes than this, unpacked, stay packed.
const KEPT_LIMIT: usize = 256 << 10;

/// Private tests of more bytes than this, packed, are not unpacked to be looked at.
const SMALL: usize = 64 << 10;

/// Reads what grading needs of one record: `question_id`, `starter_code`, `metadata` and the tests.
/// Refused, with the problem's name and the reason: one of these that is missing or of another type,
/// private tests that do not unpack to a list of tests within [`INFLATED_LIMIT`].
pub fn read_record(record: &Value) -> Result<CodeProblem, Failure> {
    let id = record.get("question_id").and_then(Value::as_str).unwrap_or("without `question_id`");
    read(record).map_err(|reason| Failure::Problem(format!("LiveCodeBench problem {id}: {reason}")))
}

fn read(record: &Value) -> Result<CodeProblem, String> {
    let text = |name: &str| match record.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("`{name}` is not a string")),
        None => Err(format!("`{name}` is missing")),
    };
    let func_name = func_name(record)?;
    let kind = if func_name.is_some() { Kind::Functional } else { Kind::Stdin };
    let tests = with_private(public_tests(record, kind)?, record, kind)?;
    Ok(CodeProblem {
        id: text("question_id")?,
        starter_code: text("starter_code")?,
        func_name,
        kind,
        tests,
    })
}

/// `metadata` is JSON in a string (or an object already) with `func_name` where there is one.
fn func_name(record: &Value) -> Result<Option<String>, String> {
    let metadata = match record.get("metadata") {
        Some(Value::String(text)) => parse("metadata", text)?,
        Some(object @ Value::Object(_)) => object.clone(),
        Some(_) => return Err("`metadata` is neither JSON text nor an object".into()),
        None => return Err("`metadata` is missing".into()),
    };
    match metadata.get("func_name") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if is_identifier(name) => Ok(Some(name.clone())),
        Some(Value::String(name)) => {
            Err(format!("`func_name` is `{name}`, which names no function"))
        }
        Some(_) => Err("`func_name` in `metadata` is not a string".into()),
    }
}

pub(super) fn is_identifier(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(inside) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn public_tests(record: &Value, kind: Kind) -> Result<Vec<Test>, String> {
    let name = "public_test_cases";
    match record.get(name) {
        Some(Value::String(text)) => tests(name, text, kind),
        Some(list @ Value::Array(_)) => tests_of(name, list, kind),
        Some(_) => Err(format!("`{name}` is neither JSON text nor a list")),
        None => Err(format!("`{name}` is missing")),
    }
}

/// Small private tests are unpacked here; of large ones only the beginning is looked at, and the rest
/// when they are graded: to unpack those of the whole benchmark takes minutes.
fn with_private(mut public: Vec<Test>, record: &Value, kind: Kind) -> Result<Tests, String> {
    let name = "private_test_cases";
    let private = match record.get(name) {
        Some(Value::String(text)) if text.trim_start().starts_with('[') => tests(name, text, kind)?,
        Some(Value::String(text)) => {
            let about = |reason: String| format!("`{name}`: {reason}");
            let private = Packed::from_base64(text).map_err(about)?;
            if private.length() > SMALL {
                private.peek().map_err(about)?;
                return Ok(Tests::Packed { public, private });
            }
            let json = private.unpack(INFLATED_LIMIT).map_err(about)?;
            let unpacked = tests(name, &json, kind)?;
            if json.len() > KEPT_LIMIT {
                return Ok(Tests::Packed { public, private });
            }
            unpacked
        }
        Some(list @ Value::Array(_)) => tests_of(name, list, kind)?,
        Some(_) => return Err(format!("`{name}` is neither text nor a list")),
        None => return Err(format!("`{name}` is missing")),
    };
    public.extend(private);
    Ok(Tests::Plain(public))
}

/// Private tests that stayed packed when their record was read.
pub(super) fn unpack_tests(packed: &Packed, kind: Kind) -> Result<Vec<Test>, String> {
    let name = "private_test_cases";
    let json = packed.unpack(INFLATED_LIMIT).map_err(|reason| format!("`{name}`: {reason}"))?;
    tests(name, &json, kind)
}

/// JSON of bounded nesting (`serde_json` stops at 128 levels).
fn parse(field: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| format!("`{field}` is not JSON that can be read ({e})"))
}

/// A test as LiveCodeBench writes it.
#[derive(Deserialize)]
struct RawTest {
    input: String,
    output: String,
    testtype: TestType,
}

impl RawTest {
    fn test(self) -> Test {
        Test { input: self.input, output: self.output }
    }
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum TestType {
    Stdin,
    Functional,
}

/// Tests in a text of JSON.
fn tests(field: &str, text: &str, kind: Kind) -> Result<Vec<Test>, String> {
    let raw = serde_json::from_str(text).map_err(|error| no_list(field, &error))?;
    of_kind(field, raw, kind)
}

/// Tests in a list.
fn tests_of(field: &str, list: &Value, kind: Kind) -> Result<Vec<Test>, String> {
    let raw = Vec::deserialize(list).map_err(|error| no_list(field, &error))?;
    of_kind(field, raw, kind)
}

fn no_list(field: &str, error: &serde_json::Error) -> String {
    format!("`{field}` is no list of tests ({error})")
}

/// The official checker goes by `func_name` alone; a record that says both is refused, as its tests
/// would be run in a way they were not written for.
fn of_kind(field: &str, raw: Vec<RawTest>, kind: Kind) -> Result<Vec<Test>, String> {
    let expected = if kind == Kind::Functional { TestType::Functional } else { TestType::Stdin };
    if raw.iter().any(|test| test.testtype != expected) {
        return Err(match kind {
            Kind::Functional => format!("`func_name` is set and `{field}` has `stdin` tests"),
            _ => format!("`func_name` is not set and `{field}` has `functional` tests"),
        });
    }
    Ok(raw.into_iter().map(RawTest::test).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::code::packed::tests::{pack, pickle};

    fn record() -> Value {
        json!({
            "question_id": "abc000_a", "starter_code": "", "metadata": "{}",
            "public_test_cases": r#"[{"input": "1 2", "output": "3", "testtype": "stdin"}]"#,
            "private_test_cases": r#"[{"input": "4 5", "output": "9", "testtype": "stdin"}]"#,
        })
    }

    fn loaded(problem: &CodeProblem) -> Result<Vec<Test>, String> {
        match &problem.tests {
            Tests::Plain(tests) => Ok(tests.clone()),
            Tests::Packed { public, private } => problem.unpack(public, private),
        }
    }

    #[test]
    fn plain_and_packed_private_tests_are_the_same() {
        let plain = read_record(&record()).unwrap();
        let tests = loaded(&plain).unwrap();
        assert_eq!((tests.len(), tests[1].input.as_str()), (2, "4 5"));
        let mut packed = record();
        let text = packed["private_test_cases"].as_str().unwrap().to_owned();
        packed["private_test_cases"] = json!(pack(&pickle(&text)));
        assert_eq!(read_record(&packed).unwrap(), plain);
    }

    #[test]
    fn large_private_tests_stay_packed() {
        let mut large = record();
        let input = "7 ".repeat(200_000);
        let tests = json!([{"input": input, "output": "9", "testtype": "stdin"}]).to_string();
        large["private_test_cases"] = json!(pack(&pickle(&tests)));
        let problem = read_record(&large).unwrap();
        assert!(matches!(problem.tests, Tests::Packed { .. }));
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.len() < 4000, "{} bytes", text.len());
        let again: CodeProblem = serde_json::from_str(&text).unwrap();
        let tests = loaded(&again).unwrap();
        assert_eq!((tests.len(), tests[1].input == input), (2, true));
        let shown = problem.shown();
        assert_eq!(shown["tests"], json!([{"input": "1 2", "output": "3"}]));
        assert!(shown["more"].as_str().unwrap().starts_with("private tests of "), "{shown}");
    }

    #[test]
    fn very_large_private_tests_are_read_when_they_are_graded() {
        // Digits that do not pack well.
        let mut state = 1_u32;
        let mut digits = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'0' + (state >> 24) as u8 % 10)
        };
        let input: String = (0..400_000).map(|_| digits()).collect();
        let mut large = record();
        let mut read = |tests: Value| {
            large["private_test_cases"] = json!(pack(&pickle(&tests.to_string())));
            read_record(&large)
        };
        let test = json!({"input": input, "output": "9", "testtype": "stdin"});
        assert_eq!(loaded(&read(json!([test])).unwrap()).unwrap().len(), 2);
        let bad = read(json!([test, {"input": 1}])).unwrap();
        let error = loaded(&bad).unwrap_err();
        assert!(
            error.starts_with("LiveCodeBench problem abc000_a: `private_test_cases`"),
            "{error}"
        );
        assert!(read(json!({"a": test})).unwrap_err().to_string().contains("is no list"));
    }

    #[test]
    fn a_function_is_named_in_the_metadata() {
        let mut functional = record();
        functional["metadata"] = json!(r#"{"func_name": "add"}"#);
        let error = read_record(&functional).unwrap_err().to_string();
        assert!(error.contains("abc000_a") && error.contains("`func_name` is set"), "{error}");
        let tests = r#"[{"input": "1\n2", "output": "3", "testtype": "functional"}]"#;
        functional["public_test_cases"] = json!(tests);
        functional["private_test_cases"] = json!("[]");
        let problem = read_record(&functional).unwrap();
        assert_eq!(problem.func_name.as_deref(), Some("add"));
        assert_eq!(problem.kind, Kind::Functional);
        functional["metadata"] = json!(r#"{"func_name": "add'); x("}"#);
        let error = read_record(&functional).unwrap_err().to_string();
        assert!(error.contains("names no function"), "{error}");
    }

    #[test]
    fn what_grading_does_not_need_may_be_anything() {
        let mut other = record();
        other["platform"] = json!("topcoder");
        other["contest_date"] = json!(1_717_200_000);
        assert_eq!(read_record(&other).unwrap(), read_record(&record()).unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_record_is_said() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let cases = [
            ("metadata", json!(7), "`metadata` is neither"),
            ("starter_code", json!(null), "`starter_code` is not a string"),
            ("public_test_cases", json!("{}"), "is no list of tests"),
            ("public_test_cases", json!("["), "is no list of tests (EOF"),
            ("private_test_cases", json!("*"), "not base64"),
            ("private_test_cases", json!("aGVsbG8="), "not zlib data"),
            ("private_test_cases", json!(pack(b"cos\nsystem\n.")), "no part of a plain string"),
            (
                "private_test_cases",
                json!(pack(b"\x80\x02X\x01\x00\x00\x00{.")),
                "is no list of tests",
            ),
            ("private_test_cases", json!(deep), "is no list of tests"),
        ];
        for (field, value, reason) in cases {
            let mut bad = record();
            bad[field] = value;
            let error = read_record(&bad).unwrap_err().to_string();
            assert!(error.contains("abc000_a") && error.contains(reason), "{error}");
        }
    }
}
