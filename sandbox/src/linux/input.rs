//! A program's standard input: a sealed file in memory, as `python3 x.py < input.txt` has it.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, SeekFrom, fcntl_add_seals, memfd_create, seek};

use crate::Error;

/// A file of these bytes that nobody can change, at its start.
pub(super) fn sealed(bytes: &[u8]) -> Result<OwnedFd, Error> {
    make(bytes).map_err(|error| Error::io("writing a program's input")(error.into()))
}

fn make(bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let file = memfd_create("input", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    seek(&file, SeekFrom::Start(0))?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}
