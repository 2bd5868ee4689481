//! The Python that runs around solutions: two modules of ours and the usual imports, each loaded once
//! into a fork server, and the line that a child starts them with. There are several servers, as
//! every page that a server holds makes its children dearer, and most children need little.

/// Modules that most solutions import.
const USUAL: &str = "import bisect, collections, copy, functools, heapq, io, itertools, math, \
                     operator, random, re, string, threading, time, typing";
/// Modules that few do: one of these costs its importer more than a whole test, and every other test
/// a little, where it is loaded beforehand.
const RARER: &str = "import dataclasses, datetime, decimal, fractions, queue, statistics";

const FUNCTION: &str = include_str!("python/function.py");
const OFFICIAL: &str = include_str!("python/lcb.py");

/// What the fork server for programs on standard input runs once.
pub(super) fn program_prelude() -> String {
    USUAL.to_owned()
}

/// What the fork server for functions runs once: a method finds every usual name there.
pub(super) fn prelude() -> String {
    format!("{USUAL}\n{RARER}\n{}", module("wardrobe_function", FUNCTION))
}

/// What the fork server of the verdict `lcb` runs once.
pub(super) fn lcb_prelude() -> String {
    format!("{USUAL}\n{RARER}\n{}", module("wardrobe_lcb", OFFICIAL))
}

/// Makes a module of `source`, which is ASCII: its JSON string is a Python string of the same
/// characters.
fn module(name: &str, source: &str) -> String {
    let literal = serde_json::Value::from(source).to_string();
    format!(
        "import sys, types\n\
         sys.modules['{name}'] = types.ModuleType('{name}')\n\
         exec(compile({literal}, '{name}.py', 'exec'), sys.modules['{name}'].__dict__)\n"
    )
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
        assert!(FUNCTION.is_ascii() && OFFICIAL.is_ascii());
    }
}
