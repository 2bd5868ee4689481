//! The program in a reply. [`official`] takes what LiveCodeBench's own extraction takes;
//! [`robust`] takes what a reader would. Both go over the text once. Leaves out whether the program
//! is Python at all: the interpreter says so.

use serde::{Deserialize, Serialize};

/// How a program is taken from a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extraction {
    /// [`official`].
    Official,
    /// [`robust`].
    #[default]
    Robust,
    /// The whole reply without surrounding white space, as LiveCodeBench has it for base models.
    Whole,
}

impl Extraction {
    /// The program in `reply`; `None` where there is none. `func_name` helps [`robust`] to choose.
    pub fn extract(self, reply: &str, func_name: Option<&str>) -> Option<String> {
        match self {
            Self::Official => official(reply),
            Self::Robust => robust(reply, func_name),
            Self::Whole => {
                let text = reply.trim_matches(is_python_space);
                (!text.is_empty()).then(|| text.to_owned())
            }
        }
    }
}

/// What Python's `str.strip` takes away: Unicode white space and four separators of ASCII.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// LiveCodeBench's rule: of the lines that contain three backticks, what stands between the last
/// two. `None` for fewer than two such lines, where it takes the empty program.
pub fn official(reply: &str) -> Option<String> {
    let (mut before, mut last) = (None, None);
    let mut start = 0;
    for line in reply.split_inclusive('\n') {
        if line.contains("```") {
            before = last;
            last = Some((start, start + line.len()));
        }
        start += line.len();
    }
    let ((_, from), (to, _)) = (before?, last?);
    let block = &reply[from..to];
    Some(block.strip_suffix('\n').unwrap_or(block).to_owned())
}

/// A fenced block of a reply.
#[derive(Debug, PartialEq)]
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

/// What a reader would take for the answer:
/// * what follows the last `</think>`; nothing where the thinking never ends;
/// * of the fenced blocks (backticks or tildes, the last one closed or not) in Python or in no named
///   language, those in Python before the others; of these the last that defines `func_name` or
///   a class `Solution` where the problem has a function; else the last that is not empty;
/// * without any fence, the whole text where its unindented lines all read as Python statements.
pub fn robust(reply: &str, func_name: Option<&str>) -> Option<String> {
    let answer = after_thinking(reply)?;
    let blocks = blocks(answer);
    if blocks.is_empty() {
        let text = answer.trim_matches(is_python_space);
        return looks_like_python(text).then(|| text.to_owned());
    }
    let full = |block: &&Block| block.lines.iter().any(|line| !line.trim().is_empty());
    let python: Vec<&Block> =
        blocks.iter().filter(|b| is_python(b.language)).filter(full).collect();
    let untagged = || blocks.iter().filter(|b| b.language.is_empty()).filter(full).collect();
    let candidates = if python.is_empty() { untagged() } else { python };
    let defining = func_name.and_then(|name| {
        candidates.iter().rev().find(|block| block.lines.iter().any(|line| defines(line, name)))
    });
    let chosen = defining.or(candidates.last())?;
    Some(chosen.lines.join("\n"))
}

/// What follows the last `</think>`; all of it where there is no thinking, `None` where it never
/// ends.
pub(super) fn after_thinking(reply: &str) -> Option<&str> {
    match reply.rsplit_once("</think>") {
        Some((_, answer)) => Some(answer),
        None if reply.contains("<think>") => None,
        None => Some(reply),
    }
}

/// Whether any line opens a fenced block.
pub(super) fn has_fence(reply: &str) -> bool {
    reply.lines().any(|line| Fence::opening(line).is_some())
}

fn is_python(language: &str) -> bool {
    ["python", "python3", "py", "py3"].iter().any(|name| language.eq_ignore_ascii_case(name))
}

/// Whether `line` is the head of `def name` or of the class `Solution`.
fn defines(line: &str, name: &str) -> bool {
    let head = line.trim_start();
    let head = head.strip_prefix("async ").unwrap_or(head);
    let named = |keyword: &str, name: &str| {
        let rest = head.strip_prefix(keyword).and_then(|rest| rest.trim_start().strip_prefix(name));
        rest.is_some_and(|rest| rest.trim_start().starts_with(['(', ':']))
    };
    named("def ", name) || named("class ", "Solution")
}

/// The fenced blocks in order. A fence with a language opens a block even where one is open: the one
/// before was never closed.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(Fence, Block)> = None;
    for line in text.lines() {
        match &mut open {
            Some((fence, block)) => match fence.inside(line) {
                Inside::Code(code) => block.lines.push(code),
                Inside::Closes(code) => {
                    block.lines.extend(code);
                    blocks.extend(open.take().map(|(_, block)| block));
                }
                Inside::Reopens(fence, language) => {
                    let next = Block { language, lines: Vec::new() };
                    blocks.extend(open.replace((fence, next)).map(|(_, block)| block));
                }
            },
            None => {
                open = Fence::opening(line)
                    .map(|(fence, language)| (fence, Block { language, lines: Vec::new() }));
            }
        }
    }
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

/// The marker of an open block: which character, how many, and how far it was indented.
#[derive(Clone, Copy)]
struct Fence {
    marker: char,
    length: usize,
    indent: usize,
}

enum Inside<'a> {
    Code(&'a str),
    /// The block ends here, after this last line of code where one stands before the fence.
    Closes(Option<&'a str>),
    Reopens(Fence, &'a str),
}

impl Fence {
    /// A line that opens a block, and its language. A fence after words on the same line opens one
    /// where it names Python.
    fn opening(line: &str) -> Option<(Self, &str)> {
        let head = line.trim_start();
        let indent = line.len() - head.len();
        for marker in ['`', '~'] {
            let length = head.len() - head.trim_start_matches(marker).len();
            let info = head[length..].trim();
            if length >= 3 && !info.contains(marker) {
                let language = info.split([' ', '\t', '{', ',', ':']).next().unwrap_or("");
                return Some((Self { marker, length, indent }, language));
            }
        }
        let (_, language) = line.rsplit_once("```")?;
        let language = language.trim();
        is_python(language).then_some((Self { marker: '`', length: 3, indent: 0 }, language))
    }

    fn inside<'a>(&self, line: &'a str) -> Inside<'a> {
        let bare = line.trim();
        let run = bare.len() - bare.trim_start_matches(self.marker).len();
        if run >= self.length && run == bare.len() {
            return Inside::Closes(None);
        }
        if run >= self.length
            && !line.starts_with(char::is_whitespace)
            && let Some((fence, language)) = Self::opening(line)
            && !language.is_empty()
        {
            return Inside::Reopens(fence, language);
        }
        let code = self.unindented(line);
        let trimmed = code.trim_end();
        let tail = trimmed.len() - trimmed.trim_end_matches(self.marker).len();
        // Three backticks after code on its line, as some models close a block; tildes are not
        // written so, and a lone run inside a string has its quote after it.
        if self.marker == '`' && tail == self.length && run == 0 {
            return Inside::Closes(Some(trimmed.trim_end_matches('`')));
        }
        Inside::Code(code)
    }

    /// A block in a list is indented as its fence is.
    fn unindented<'a>(&self, line: &'a str) -> &'a str {
        let spaces = line.bytes().take(self.indent).take_while(u8::is_ascii_whitespace).count();
        &line[spaces..]
    }
}

/// Whether every line that starts at the margin starts as a Python statement does, and one of them
/// as prose cannot.
fn looks_like_python(text: &str) -> bool {
    let mut certain = false;
    let mut in_string = false;
    for line in text.lines() {
        let quotes = line.matches("\"\"\"").count() + line.matches("'''").count();
        if in_string {
            in_string = quotes % 2 == 0;
            continue;
        }
        in_string = quotes % 2 == 1;
        let margin = !line.is_empty() && !line.starts_with([' ', '\t', ')', ']', '}']);
        if margin && !line.starts_with('#') && quotes == 0 {
            if !is_statement(line) {
                return false;
            }
            certain = true;
        }
    }
    certain
}

fn is_statement(line: &str) -> bool {
    const BLOCKS: [&str; 13] = [
        "def ", "class ", "for ", "while ", "if ", "elif ", "else:", "try:", "except", "finally:",
        "with ", "async ", "match ",
    ];
    const SIMPLE: [&str; 6] = ["import ", "global ", "del ", "assert ", "raise ", "return "];
    let code = line.split('#').next().unwrap_or(line).trim_end();
    if BLOCKS.iter().any(|start| code.starts_with(start)) {
        return code.contains(':') || code.ends_with(['(', '[', '{', ',', '\\']);
    }
    if SIMPLE.iter().any(|start| code.starts_with(start)) || code.starts_with('@') {
        return !code.ends_with('.');
    }
    if let Some(rest) = code.strip_prefix("from ") {
        return rest.contains(" import ");
    }
    matches!(code, "pass" | "break" | "continue") || is_assignment_or_call(code)
}

/// `name = ...`, `a, b = ...`, `x[0] += ...`, `name(...)`, `a.b(...)`.
fn is_assignment_or_call(code: &str) -> bool {
    let stop = code.find(['=', '(']).unwrap_or(0);
    let target =
        code[..stop].trim_end_matches(['+', '-', '*', '/', '%', '|', '&', '^', '<', '>', ' ']);
    let allowed = |c: char| c.is_alphanumeric() || "_.,[]:*' \"".contains(c);
    let starts_well = target.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '*');
    let words = target.split([' ', '[', ':']).filter(|word| !word.is_empty());
    let prose = words.clone().zip(words.skip(1)).any(|(a, b)| {
        let word = |w: &str| w.chars().all(char::is_alphanumeric);
        word(a) && word(b) && !target.contains([',', '[', ':'])
    });
    stop > 0 && starts_well && target.chars().all(allowed) && !prose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_is_between_the_last_two_fences() {
        assert_eq!(official("a\n```python\nx = 1\n```\nb").as_deref(), Some("x = 1"));
        assert_eq!(official("```python\nx = 1"), None);
        assert_eq!(official("no fence"), None);
        let shifted = "```python\nx\n```\nNow:\n```python\ny\n";
        assert_eq!(official(shifted).as_deref(), Some("Now:"), "an unclosed block shifts it");
        assert_eq!(official("```\n```").as_deref(), Some(""));
        assert_eq!(official("```\n\n```").as_deref(), Some(""));
        assert_eq!(official("```\r\nx\r\n```").as_deref(), Some("x\r"));
    }

    #[test]
    fn robust_reads_as_a_reader_does() {
        let cases = [
            ("<think>```python\nno\n```</think>```python\nyes\n```", Some("yes")),
            ("<think>```python\nno\n```", None),
            ("so</think>\n```py\nyes\n```", Some("yes")),
            ("```python\nx\n```\nNow:\n```python\ny = 2\n", Some("y = 2")),
            ("```python\nx = 1\n```\nIt prints\n```text\n1\n```", Some("x = 1")),
            ("```\nx = 1\n```\n```cpp\nint x;\n```", Some("x = 1")),
            ("```\nx = 1\n```\n```python\n\n```", Some("x = 1")),
            ("```cpp\nint x;\n```", None),
            ("~~~python\nx = '```'\n~~~", Some("x = '```'")),
            ("````python\ns = '''\n```\n'''\n````", Some("s = '''\n```\n'''")),
            ("1. So:\n   ```python\n   if x:\n       y()\n   ```", Some("if x:\n    y()")),
            ("Here it is: ```python\nx = 1\n```", Some("x = 1")),
            ("```python\nprint(1)```", Some("print(1)")),
            ("```Python3\nx = 1\n```", Some("x = 1")),
            ("```python {linenos=true}\nx = 1\n```", Some("x = 1")),
            ("```python\nfirst = 1\n```python\nsecond = 2\n```", Some("second = 2")),
            (
                "import sys\n\nprint(sys.stdin.read())\n",
                Some("import sys\n\nprint(sys.stdin.read())"),
            ),
            (
                "n, m = map(int, input().split())\nprint(n)",
                Some("n, m = map(int, input().split())\nprint(n)"),
            ),
            ("I would read n and print it.", None),
            ("For each n, print (n).\nThat is all.", None),
            ("", None),
        ];
        for (reply, program) in cases {
            assert_eq!(robust(reply, None).as_deref(), program, "{reply}");
        }
    }

    #[test]
    fn a_function_is_looked_for_by_name() {
        let reply = "```python\nclass Solution:\n    def f(self, n): return n\n```\nTest it:\n\
                     ```python\nprint(Solution().f(1))\n```";
        assert!(robust(reply, Some("f")).unwrap().starts_with("class Solution"));
        assert_eq!(robust(reply, None).unwrap(), "print(Solution().f(1))");
        let other = "```python\ndef f(n): return n\n```\n```python\nassert f(1) == 1\n```";
        assert_eq!(robust(other, Some("f")).unwrap(), "def f(n): return n");
    }

    #[test]
    fn whole_is_stripped_as_python_strips() {
        let whole = |text| Extraction::Whole.extract(text, None);
        assert_eq!(whole("\u{1c}\u{a0} x = 1 \n").as_deref(), Some("x = 1"));
        assert_eq!(whole(" \n"), None);
    }

    #[test]
    fn replies_made_to_be_slow_are_read_once() {
        let million = "```\n".repeat(1_000_000);
        let long = format!("```python\n{}\n```", "x".repeat(10 << 20));
        let ticks = "`".repeat(10 << 20);
        let tagged = "```python\n".repeat(500_000);
        // Quadratic work on any of these would be hours.
        assert_eq!(official(&million).as_deref(), Some(""));
        assert_eq!(robust(&million, Some("f")), None);
        assert_eq!(robust(&long, Some("f")).map(|code| code.len()), Some(10 << 20));
        assert_eq!(official(&long).map(|code| code.len()), Some(10 << 20));
        assert_eq!((official(&ticks), robust(&ticks, Some("f"))), (None, None));
        assert_eq!(robust(&tagged, Some("f")), None);
    }
}
