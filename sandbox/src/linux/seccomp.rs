//! The filter of system calls: a list of what programs need; a list of what is refused with
//! "permission denied"; a list of what no honest program calls and ends it; any other call, of this
//! or another instruction set or of a kernel to come, does not exist.
//!
//! Three filters lie over one another and the kernel takes the most severe answer. Left out: any
//! look at memory behind a pointer, which a filter cannot take; `clone3` therefore does not exist,
//! and the C library falls back to `clone`.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::calls;
use crate::Error;

/// The bits of `clone` that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The filters in the order of their installation. `signals` says whether a signal can only reach
/// the program's own processes, so that it may send some.
pub(super) fn filters(signals: bool) -> Result<Vec<BpfProgram>, Error> {
    let kill = SeccompAction::KillProcess;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let (stopped, refused) = (stopped()?, refused(signals)?);
    let mut known = plain(calls::ALLOWED);
    known.extend(plain(calls::OLDER));
    known.extend(plain(calls::SIGNALS));
    known.extend(stopped.keys().chain(refused.keys()).map(|&number| (number, Vec::new())));
    Ok(vec![
        compile(stopped, SeccompAction::Allow, kill)?,
        compile(refused, SeccompAction::Allow, refuse)?,
        compile(known, absent, SeccompAction::Allow)?,
    ])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn plain(numbers: &[i64]) -> Rules {
    numbers.iter().map(|&number| (number, Vec::new())).collect()
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(broken)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(broken)?;
    BpfProgram::try_from(filter).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Helper { who: "filter of system calls", why: error.to_string() }
}

/// Argument `index`, as the 64 bits a pointer or a set of flags has, compared with `value`.
fn long(index: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Error> {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, op, value).map_err(broken)
}

/// Argument `index`, of which the kernel reads 32 bits, compared with `value`.
fn word(index: u8, op: SeccompCmpOp, value: i64) -> Result<SeccompCondition, Error> {
    let value = u64::from(value as u32);
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value).map_err(broken)
}

/// Rules any of which is enough, each of one condition.
fn any(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, Error> {
    let rule = |condition| SeccompRule::new(vec![condition]).map_err(broken);
    conditions.into_iter().map(rule).collect()
}

/// What is refused: always, or for what it says.
fn refused(signals: bool) -> Result<Rules, Error> {
    let mut rules = plain(calls::REFUSED);
    if !signals {
        rules.extend(plain(calls::SIGNALS));
    }
    // Limits of another process: the server has the same user id.
    rules.insert(libc::SYS_prlimit64, any(vec![word(0, Ne, 0)?])?);
    // A connected pair is what event loops wake themselves with; what has an address is refused.
    let mut pair = vec![word(0, Ne, libc::AF_UNIX.into())?];
    for kind in (0..16).filter(|&kind| kind != libc::SOCK_STREAM.into()) {
        pair.push(word(1, MaskedEq(0xf), kind)?);
    }
    rules.insert(libc::SYS_socketpair, any(pair)?);
    rules.insert(libc::SYS_sendto, any(vec![long(4, Ne, 0)?])?);
    // Nothing is typed into a terminal in the user's name.
    let typing = [libc::TIOCSTI as i64, libc::TIOCLINUX as i64];
    let typing = typing.iter().map(|&request| word(1, Eq, request));
    rules.insert(libc::SYS_ioctl, any(typing.collect::<Result<_, _>>()?)?);
    let options = calls::PRCTL.iter().map(|&option| word(0, Ne, option.into()));
    let options = SeccompRule::new(options.collect::<Result<_, _>>()?).map_err(broken)?;
    rules.insert(libc::SYS_prctl, vec![options]);
    Ok(rules)
}

/// What ends the program.
fn stopped() -> Result<Rules, Error> {
    let mut rules = plain(calls::STOPPED);
    let flags = NAMESPACES.iter().map(|&flag| {
        let bit = u64::from(flag as u32);
        long(0, MaskedEq(bit), bit)
    });
    rules.insert(libc::SYS_clone, any(flags.collect::<Result<_, _>>()?)?);
    Ok(rules)
}
