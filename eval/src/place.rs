//! Where an evaluation's files are: the names of what a folder holds, in one place.

use std::path::{Path, PathBuf};

/// The folder of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(PathBuf);

impl Place {
    /// The evaluation in that folder, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// What was asked, of whom: [`crate::Run`].
    pub fn run(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// The problems, a [`crate::ProblemLine`] a line.
    pub fn problems(&self) -> PathBuf {
        self.0.join("problems.jsonl")
    }

    /// The answers, a [`crate::Sample`] a line.
    pub fn samples(&self) -> PathBuf {
        self.0.join("samples.jsonl")
    }

    /// Every number of the report: [`crate::report::Results`].
    pub fn results(&self) -> PathBuf {
        self.0.join("results.json")
    }

    /// The report as text.
    pub fn markdown(&self) -> PathBuf {
        self.0.join("report.md")
    }

    /// The report as a page.
    pub fn page(&self) -> PathBuf {
        self.0.join("report.html")
    }
}
