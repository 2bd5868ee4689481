//! Modelfiles: written so that Ollama's reader gives back the same text, and read by the same rules.
//!
//! Ollama's rules: a value stands bare on its line, in `"…"` or in `"""…"""`; there are no escapes; a
//! quoted value ends at the first line end before which the closing quotes stand; characters that do
//! not print are dropped, white space apart. What those rules cannot carry is refused.

use super::printable::printable;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// The model: a path or a name.
    From(String),
    /// A LoRA to wear.
    Adapter(String),
    /// The Go template.
    Template(String),
    /// The system prompt for conversations that have none.
    System(String),
    /// A sampling parameter; `stop` may come several times.
    Parameter(String, String),
    /// A licence's text.
    License(String),
    /// A message that stands before every conversation: role and text.
    Message(String, String),
    /// Another instruction (`REQUIRES`, `RENDERER`, ...): its name in lower case and its value.
    Other(String, String),
}

/// A Modelfile: instructions in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modelfile {
    /// The instructions; one must be [`Instruction::From`].
    pub instructions: Vec<Instruction>,
}

/// Why a text cannot be a Modelfile, or a value cannot stand in one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelfileError {
    /// A value holds the quotes that would end it.
    #[error(
        "the {instruction} cannot stand in a Modelfile: one of its lines ends with three quotes, \
         which would end the value there; change that line, or write into a store with --store"
    )]
    Quotes {
        /// The instruction.
        instruction: String,
    },
    /// A value that must stand on a line of its own does not fit.
    #[error("`{value}` cannot stand after {instruction} in a Modelfile: it must be one plain line")]
    Line {
        /// The instruction.
        instruction: String,
        /// The value.
        value: String,
    },
    /// The text breaks the format.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What was expected and found.
        problem: String,
    },
}

impl Modelfile {
    /// The file's text.
    ///
    /// # Errors
    /// [`ModelfileError::Quotes`] or [`ModelfileError::Line`] for a value that the format cannot carry.
    pub fn to_text(&self) -> Result<String, ModelfileError> {
        self.instructions.iter().map(Instruction::line).collect()
    }

    /// The characters of the instructions' values that Ollama's reader drops, each once, with the
    /// instruction they stand in.
    pub fn dropped(&self) -> Vec<(String, char)> {
        let mut dropped = Vec::new();
        for instruction in &self.instructions {
            let (name, value) = instruction.parts();
            let lost = value.chars().filter(|&c| !matches!(c, '\n' | '\r' | '\t') && !printable(c));
            for found in lost.map(|c| (name.to_uppercase(), c)) {
                if !dropped.contains(&found) {
                    dropped.push(found);
                }
            }
        }
        dropped
    }

    /// Reads a Modelfile as Ollama does.
    ///
    /// # Errors
    /// [`ModelfileError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, ModelfileError> {
        let mut reader = Reader { text: text.trim_start_matches('\u{feff}'), line: 1 };
        let mut instructions = Vec::new();
        while let Some(instruction) = reader.instruction()? {
            instructions.push(instruction);
        }
        if !instructions.iter().any(|it| matches!(it, Instruction::From(_))) {
            let problem = "the file ends and has no FROM".to_owned();
            return Err(ModelfileError::Syntax { line: reader.line, problem });
        }
        Ok(Self { instructions })
    }
}

impl Instruction {
    /// Name in lower case, and value.
    fn parts(&self) -> (&str, &str) {
        match self {
            Self::From(value) => ("from", value),
            Self::Adapter(value) => ("adapter", value),
            Self::Template(value) => ("template", value),
            Self::System(value) => ("system", value),
            Self::License(value) => ("license", value),
            Self::Parameter(_, value) => ("parameter", value),
            Self::Message(_, value) => ("message", value),
            Self::Other(name, value) => (name, value),
        }
    }

    fn line(&self) -> Result<String, ModelfileError> {
        let (name, value) = self.parts();
        let name = name.to_uppercase();
        Ok(match self {
            Self::From(_) | Self::Adapter(_) | Self::Other(..) => {
                format!("{name} {}\n", bare(&name, value)?)
            }
            Self::Parameter(key, _) | Self::Message(key, _) => {
                format!("{name} {} {}\n", bare(&name, key)?, quoted(&name, value)?)
            }
            Self::Template(_) | Self::System(_) | Self::License(_) => {
                format!("{name} {}\n", quoted(&name, value)?)
            }
        })
    }

    fn new(name: &str, key: Option<String>, value: String) -> Self {
        match (name, key) {
            ("from", _) => Self::From(value),
            ("adapter", _) => Self::Adapter(value),
            ("template", _) => Self::Template(value),
            ("system", _) => Self::System(value),
            ("license", _) => Self::License(value),
            ("parameter", Some(key)) => Self::Parameter(key, value),
            ("message", Some(key)) => Self::Message(key, value),
            (other, _) => Self::Other(other.to_owned(), value),
        }
    }
}

fn bare(instruction: &str, value: &str) -> Result<String, ModelfileError> {
    let fits = !value.is_empty()
        && value.trim() == value
        && !value.starts_with('"')
        && value.chars().all(printable);
    match fits {
        true => Ok(value.to_owned()),
        false => Err(ModelfileError::Line {
            instruction: instruction.to_owned(),
            value: value.to_owned(),
        }),
    }
}

/// Numbers stand bare, other values of one line in quotes where these are safe, all else in triple
/// quotes.
fn quoted(instruction: &str, value: &str) -> Result<String, ModelfileError> {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
    {
        return Ok(value.to_owned());
    }
    if !value.contains(['\n', '\r', '"']) {
        return Ok(format!("\"{value}\""));
    }
    let mut lines = value.split(['\n', '\r']).rev();
    lines.next();
    if lines.any(|line| line.trim_end_matches([' ', '\t']).ends_with("\"\"\"")) {
        return Err(ModelfileError::Quotes { instruction: instruction.to_owned() });
    }
    Ok(format!("\"\"\"{value}\"\"\""))
}

/// The instructions that Ollama knows.
const KNOWN: [&str; 11] = [
    "from",
    "license",
    "template",
    "system",
    "adapter",
    "draft",
    "renderer",
    "parser",
    "parameter",
    "message",
    "requires",
];

struct Reader<'t> {
    text: &'t str,
    line: usize,
}

impl Reader<'_> {
    fn instruction(&mut self) -> Result<Option<Instruction>, ModelfileError> {
        self.skip_blank_and_comments();
        if self.text.is_empty() {
            return Ok(None);
        }
        let name = self.word(|c| c.is_ascii_alphabetic())?.to_lowercase();
        if !KNOWN.contains(&name.as_str()) {
            return Err(
                self.error(format!("`{name}` is no instruction; expected FROM, TEMPLATE, ..."))
            );
        }
        let key = match name.as_str() {
            "parameter" => Some(self.word(|c| c.is_ascii_alphanumeric() || c == '_')?),
            "message" => Some(self.word(|c| c.is_ascii_alphabetic())?),
            _ => None,
        };
        if let Some(role) = key.as_ref().filter(|_| name == "message")
            && !["system", "user", "assistant"].contains(&role.as_str())
        {
            return Err(self.error(format!(
                "a message's role must be system, user or assistant, not `{role}`"
            )));
        }
        Ok(Some(Instruction::new(&name, key, self.value()?)))
    }

    fn skip_blank_and_comments(&mut self) {
        loop {
            let rest = self.text.trim_start_matches([' ', '\t', '\n', '\r']);
            self.advance(self.text.len() - rest.len());
            if !self.text.starts_with('#') {
                return;
            }
            self.advance(self.text.find(['\n', '\r']).unwrap_or(self.text.len()));
        }
    }

    /// A word and the one space that must follow it.
    fn word(&mut self, allowed: impl Fn(char) -> bool) -> Result<String, ModelfileError> {
        let end = self.text.find(|c| !allowed(c)).unwrap_or(self.text.len());
        let word = self.text[..end].to_owned();
        if !self.text[end..].starts_with([' ', '\t']) {
            return Err(self.error(format!("expected a space and a value after `{word}`")));
        }
        self.advance(end + 1);
        Ok(word)
    }

    /// Everything up to the first line end before which the quotes are closed.
    fn value(&mut self) -> Result<String, ModelfileError> {
        let mut read = String::new();
        for (at, c) in self.text.char_indices() {
            if matches!(c, '\n' | '\r') {
                if let Some(value) = unquoted(&read) {
                    self.advance(at + 1);
                    return Ok(value);
                }
                read.push(c);
            } else if printable(c) || c == '\t' {
                read.push(c);
            }
        }
        let value = unquoted(&read);
        self.advance(self.text.len());
        value.ok_or_else(|| self.error("the file ends inside a quoted value".to_owned()))
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.text[..bytes].matches('\n').count();
        self.text = &self.text[bytes..];
    }

    fn error(&self, problem: String) -> ModelfileError {
        ModelfileError::Syntax { line: self.line, problem }
    }
}

/// A value without its quotes; `None` if these are not closed yet.
fn unquoted(read: &str) -> Option<String> {
    let value = read.trim();
    for quotes in ["\"\"\"", "\""] {
        if let Some(rest) = value.strip_prefix(quotes) {
            return rest.strip_suffix(quotes).map(str::to_owned);
        }
    }
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(value: Instruction) -> Modelfile {
        Modelfile { instructions: vec![Instruction::From("./m.gguf".into()), value] }
    }

    #[test]
    fn every_value_that_is_written_is_read_back() {
        let texts = [
            "",
            " ",
            "plain",
            "two words",
            " spaces around ",
            "a\nb",
            "\n",
            "\"",
            "\"quoted\"",
            "a\"",
            "\"a\nb\"",
            "ends with \"\"\"",
            "\"\"\" begins",
            "tab\tand\r\nline",
            "# no comment",
            "\\n",
            "ü 🦀 北京",
            "line\n\"\nline",
            "a \"\"\" b\nc",
            "0.7",
            "-1",
            "<|im_end|>",
            "{{ .Content }}",
        ];
        for text in texts {
            for instruction in [
                Instruction::Template(text.into()),
                Instruction::System(text.into()),
                Instruction::License(text.into()),
                Instruction::Parameter("stop".into(), text.into()),
                Instruction::Message("user".into(), text.into()),
            ] {
                let file = file(instruction);
                let written = file.to_text().unwrap();
                assert_eq!(Modelfile::parse(&written).unwrap(), file, "{written}");
                assert_eq!(file.dropped(), []);
            }
        }
    }

    #[test]
    fn what_the_format_cannot_carry_is_refused_or_told() {
        let error = file(Instruction::System("a\"\"\" \nb".into())).to_text().unwrap_err();
        assert!(error.to_string().starts_with("the SYSTEM cannot stand"), "{error}");
        for path in ["", " a", "a\nb", "\"a\""] {
            let error = file(Instruction::Adapter(path.into())).to_text().unwrap_err();
            assert!(error.to_string().contains("one plain line"), "{error}");
        }
        let family = file(Instruction::System("👩\u{200d}👧 a\u{a0}b\u{a0}\u{2028}".into()));
        let dropped = ['\u{200d}', '\u{a0}', '\u{2028}'].map(|c| ("SYSTEM".to_owned(), c));
        assert_eq!(family.dropped(), dropped);
    }

    #[test]
    fn files_are_read_by_ollamas_rules() {
        let text = "# a comment\n\nfrom ./m.gguf\nPARAMETER stop <|a|>\nparameter temperature 0.6\r\n\
            SYSTEM \"\"\"two\n\"lines\" \"\"\"\nMESSAGE user hello there  \nRequires 0.14.0\n\
            LICENSE \"a\u{200d}b\"";
        let read = Modelfile::parse(text).unwrap();
        let parameter = |k: &str, v: &str| Instruction::Parameter(k.into(), v.into());
        let expected = [
            Instruction::From("./m.gguf".into()),
            parameter("stop", "<|a|>"),
            parameter("temperature", "0.6"),
            Instruction::System("two\n\"lines\" ".into()),
            Instruction::Message("user".into(), "hello there".into()),
            Instruction::Other("requires".into(), "0.14.0".into()),
            Instruction::License("ab".into()),
        ];
        assert_eq!(read.instructions, expected);
        for (text, problem) in [
            ("", "line 1: the file ends and has no FROM"),
            ("FROM a\nBAD x", "line 2: `bad` is no instruction"),
            ("FROM a\nSYSTEM \"\"\"x\ny", "line 3: the file ends inside"),
            ("FROM a\nMESSAGE tool x", "line 2: a message's role"),
            ("FROM", "line 1: expected a space and a value after `FROM`"),
        ] {
            let error = Modelfile::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
