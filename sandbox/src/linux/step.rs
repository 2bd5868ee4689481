//! The steps between a fork and the program, as numbers that fit through a pipe.

use std::io;

/// What was being done when the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Descriptors,
    UserNamespace,
    OwnMounts,
    NewRoot,
    Skeleton,
    Bind,
    ReadOnly,
    WorkFolder,
    FreshProc,
    PivotRoot,
    Fork,
    Identity,
    Capabilities,
    Files,
    Limits,
    NoNewPrivileges,
    Landlock,
    Seccomp,
    Start,
}

const ALL: [Step; 19] = [
    Step::Descriptors,
    Step::UserNamespace,
    Step::OwnMounts,
    Step::NewRoot,
    Step::Skeleton,
    Step::Bind,
    Step::ReadOnly,
    Step::WorkFolder,
    Step::FreshProc,
    Step::PivotRoot,
    Step::Fork,
    Step::Identity,
    Step::Capabilities,
    Step::Files,
    Step::Limits,
    Step::NoNewPrivileges,
    Step::Landlock,
    Step::Seccomp,
    Step::Start,
];

impl Step {
    /// The step of this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|step| *step as u8 == number)
    }

    /// In words, for an error.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "arranging its open files",
            Self::UserNamespace => "entering its user namespace",
            Self::OwnMounts => "making its mounts its own",
            Self::NewRoot => "mounting its root",
            Self::Skeleton => "making the folders of its root",
            Self::Bind => "binding what it may read",
            Self::ReadOnly => "making its root read-only",
            Self::WorkFolder => "mounting its working folder",
            Self::FreshProc => "mounting its /proc",
            Self::PivotRoot => "moving into its root",
            Self::Fork => "starting a process",
            Self::Identity => "taking on its user id",
            Self::Capabilities => "dropping privileges",
            Self::Files => "writing its files",
            Self::Limits => "setting its limits",
            Self::NoNewPrivileges => "renouncing new privileges",
            Self::Landlock => "taking on Landlock's rules",
            Self::Seccomp => "installing the filter of system calls",
            Self::Start => "starting the program",
        }
    }
}

/// Turns a negative answer into the step that failed; `errno` says why.
pub(super) fn check(answer: i32, step: Step) -> Result<(), Step> {
    if answer < 0 { Err(step) } else { Ok(()) }
}

/// The reason of the last refusal.
pub(super) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
