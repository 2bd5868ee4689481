//! A program with its arguments and environment in the form `execve` takes, made before a fork.

use std::ffi::{CStr, CString, c_char};

use crate::Error;

/// Ready to be started after a fork, where nothing may be allocated.
pub(super) struct Exec {
    words: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl Exec {
    /// `argv[0]` is the path of the program. The environment is what is given, and nothing else.
    pub(super) fn new(argv: &[String], environment: &[&str]) -> Result<Self, Error> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(Error::Request("there is no program to run: argv is empty".into()));
        }
        let arguments = argv.iter().map(String::as_str);
        let words = arguments.chain(environment.iter().copied()).map(terminated);
        let words = words.collect::<Result<Vec<_>, _>>()?;
        let (arguments, variables) = words.split_at(argv.len());
        let (argv, envp) = (pointers(arguments), pointers(variables));
        Ok(Self { words, argv, envp })
    }

    /// Becomes the program. Returns only when the system refuses.
    pub(super) fn start(&self) {
        // SAFETY: both lists end in a null pointer and point into `words`, which live as long.
        unsafe { libc::execve(self.path().as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
    }

    fn path(&self) -> &CStr {
        &self.words[0]
    }
}

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// A string as the system takes it.
pub(super) fn terminated(text: impl AsRef<str>) -> Result<CString, Error> {
    let text = text.as_ref();
    CString::new(text)
        .map_err(|_| Error::Request(format!("a name or argument holds a zero byte: {text:?}")))
}
