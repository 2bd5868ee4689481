//! A program's standard input: a sealed file in memory, as `python3 x.py < input.txt` has it.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::Error;

/// A file of these bytes that nobody can change, at its start.
pub(super) fn sealed(bytes: &[u8]) -> Result<OwnedFd, Error> {
    make(bytes, MemfdFlags::ALLOW_SEALING)
        .and_then(|file| {
            let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
            fcntl_add_seals(&file, all).map(|()| file)
        })
        .map_err(|error| Error::io("writing a program's input")(error.into()))
}

/// The same for a reader who is trusted.
pub(super) fn unsealed(bytes: &[u8]) -> Result<OwnedFd, Error> {
    make(bytes, MemfdFlags::empty())
        .map_err(|error| Error::io("writing a program's source")(error.into()))
}

fn make(bytes: &[u8], flags: MemfdFlags) -> rustix::io::Result<OwnedFd> {
    let file = memfd_create("input", MemfdFlags::CLOEXEC | flags)?;
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::pwrite(&file, &bytes[written..], written as u64)?;
    }
    Ok(file)
}
