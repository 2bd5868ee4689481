//! The Python that runs around solutions: two modules of ours and the usual imports, loaded once
//! into the fork server, and the line that a child starts them with.

use std::fmt::Write;

/// Modules a solution is likely to import, beside those that our own modules load.
const WARM: &str = "import bisect, collections, copy, dataclasses, datetime, decimal, fractions, \
                    functools, heapq, io, itertools, math, operator, queue, random, re, statistics, \
                    string, threading, time, typing";

const MODULES: [(&str, &str); 2] = [
    ("wardrobe_function", include_str!("python/function.py")),
    ("wardrobe_lcb", include_str!("python/lcb.py")),
];

/// What the fork server runs once.
pub(super) fn prelude() -> String {
    let mut text = format!("{WARM}\nimport sys, types\n");
    for (name, source) in MODULES {
        // A JSON string of ASCII is a Python string of the same characters.
        let literal = serde_json::Value::from(source).to_string();
        let _ = write!(
            text,
            "sys.modules['{name}'] = types.ModuleType('{name}')\n\
             exec(compile({literal}, '{name}.py', 'exec'), sys.modules['{name}'].__dict__)\n"
        );
    }
    text
}

/// Calls the method `name`, which is an identifier, on the arguments on standard input.
pub(super) fn call(name: &str) -> String {
    format!("import wardrobe_function\nwardrobe_function.call(source, result_fd, '{name}')\n")
}

/// Runs the test program on standard input after the solution.
pub(super) const TEST: &str =
    "import wardrobe_function\nwardrobe_function.test(source, result_fd)\n";

/// Judges by LiveCodeBench's rules; tests are on standard input.
pub(super) const LCB: &str = "import wardrobe_lcb\nwardrobe_lcb.main(source, result_fd)\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_can_be_quoted() {
        for (name, source) in MODULES {
            assert!(source.is_ascii(), "{name}");
        }
    }
}
