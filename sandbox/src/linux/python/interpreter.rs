//! Finds a Python interpreter and what of the host it needs to read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;

/// A Python interpreter, by its own word.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The program.
    pub executable: PathBuf,
    /// The folders that it lives in: its prefix, and that of the one it was made from; of one that the
    /// system shares with others, nothing that is not readable anyway.
    pub readable: Vec<PathBuf>,
    /// Where it looks for modules, beside the folder of the program.
    pub path: Vec<PathBuf>,
}

/// Prints the program, its folders, an empty line, where it looks for modules, one a line.
const ASK: &str = "\
import os, sys
print(sys.executable)
for path in dict.fromkeys([sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix,
                           os.path.dirname(os.path.realpath(sys.executable))]):
    print(path)
print('', *sys.path[1:], sep='\\n')
";

/// Prefixes under which much else lies; what an interpreter needs there every program may read.
const SHARED: [&str; 2] = ["/usr", "/usr/local"];

impl Interpreter {
    /// Asks the interpreter `program`, or the `python3` that the caller would start.
    ///
    /// # Errors
    ///
    /// Where there is none, or it does not answer as Python does.
    pub fn find(program: Option<&Path>) -> Result<Self, Error> {
        let program = program.unwrap_or(Path::new("python3"));
        let unusable = |why: String| Error::Interpreter { path: program.to_owned(), why };
        let answer = Command::new(program)
            .args(["-s", "-E", "-c", ASK])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| unusable(error.to_string()))?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr);
            return Err(unusable(said.trim().lines().last().unwrap_or("it failed").to_owned()));
        }
        let text = String::from_utf8(answer.stdout)
            .map_err(|_| unusable("its path is not UTF-8".to_owned()))?;
        let mut lines = text.lines().map(PathBuf::from);
        let executable = lines.next().filter(|path| path.is_absolute());
        let executable =
            executable.ok_or_else(|| unusable("it does not say where it is".into()))?;
        let readable = lines.by_ref().take_while(|path| path.is_absolute());
        let readable: Vec<PathBuf> = readable
            .filter(|path| !SHARED.iter().any(|shared| path == Path::new(shared)))
            .collect();
        let path = lines.filter(|path| path.is_absolute()).collect();
        if readable.iter().any(|path| path.parent().is_none()) {
            return Err(unusable("its prefix is the root of the file system".to_owned()));
        }
        Ok(Self { executable, readable, path })
    }
}
