//! SHA-256 and its hexadecimal digits.

use std::io::{self, BufWriter, Read, Write};

use sha2::{Digest, Sha256};

/// Bytes as two lower-case hexadecimal digits each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// SHA-256 of everything that `source` gives, in hexadecimal, and how many bytes that were.
///
/// # Errors
/// What reading fails with.
pub fn sha256_from(source: &mut dyn Read) -> io::Result<(String, u64)> {
    let mut hashed = Hashed::new(io::sink());
    // `io::copy` reads as much at a time as the writer holds.
    let mut out = BufWriter::with_capacity(1 << 20, &mut hashed);
    let bytes = io::copy(source, &mut out)?;
    out.flush()?;
    drop(out);
    Ok((hashed.finish(), bytes))
}

/// A writer that hashes what goes through it.
pub struct Hashed<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Hashed<W> {
    /// In front of `out`.
    pub fn new(out: W) -> Self {
        Self { out, digest: Sha256::new() }
    }

    /// SHA-256 of all bytes that were written, in hexadecimal.
    pub fn finish(self) -> String {
        hexadecimal(&self.digest.finalize())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn every_way_gives_the_standards_digest() {
        assert_eq!(sha256("abc"), ABC);
        assert_eq!(sha256_from(&mut &b"abc"[..]).unwrap(), (ABC.to_owned(), 3));
        let mut out = Vec::new();
        let mut hashed = Hashed::new(&mut out);
        hashed.write_all(b"ab").unwrap();
        hashed.write_all(b"c").unwrap();
        assert_eq!(hashed.finish(), ABC);
        assert_eq!(out, b"abc");
    }

    /// A source whose every second read is interrupted by a signal.
    struct Interrupted<'a>(&'a [u8], bool);

    impl Read for Interrupted<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(out) }
        }
    }

    #[test]
    fn an_interrupted_read_is_tried_again() {
        let mut source = Interrupted(b"abc", false);
        assert_eq!(sha256_from(&mut source).unwrap(), (ABC.to_owned(), 3));
    }

    #[test]
    fn only_what_was_taken_is_hashed() {
        let mut room = [0; 3];
        let mut hashed = Hashed::new(&mut room[..]);
        assert_eq!(hashed.write(b"abcdef").unwrap(), 3);
        assert_eq!(hashed.finish(), ABC);
    }
}
