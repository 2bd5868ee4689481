//! A fingerprint of large files that costs little: their lengths, their beginnings, and pieces spread
//! evenly over the rest. Other weights of the same shapes have another one; a change of a few bytes in
//! the middle of a large file may be missed, so it proves nothing. Leaves out which files make a model.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use fs_err::File;
use sha2::{Digest, Sha256};

use crate::Result;

/// Bytes of a file's beginning that count, where headers are.
const HEAD: u64 = 1 << 20;
/// Pieces of the rest that count.
const PIECES: u64 = 4096;
/// Bytes of a piece.
const PIECE: u64 = 4096;

/// SHA-256 over what counts of each file, in this order; of a file up to 17 MiB all of it counts. Names
/// do not.
///
/// # Errors
/// When a file cannot be read.
pub fn fingerprint<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    for path in paths {
        add(&mut hash, &mut File::open(path)?)?;
    }
    Ok(hash.finalize().into())
}

fn add(hash: &mut Sha256, file: &mut File) -> Result<()> {
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    let mut buffer = Vec::new();
    if length <= HEAD + PIECES * PIECE {
        file.read_to_end(&mut buffer)?;
        hash.update(&buffer);
        return Ok(());
    }
    buffer.resize(HEAD as usize, 0);
    file.read_exact(&mut buffer)?;
    hash.update(&buffer);
    buffer.truncate(PIECE as usize);
    let room = length - HEAD - PIECE;
    for number in 0..PIECES {
        // From the end of the beginning to the very end.
        let offset = u128::from(room) * u128::from(number) / u128::from(PIECES - 1);
        file.seek(SeekFrom::Start(HEAD + offset as u64))?;
        file.read_exact(&mut buffer)?;
        hash.update(&buffer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[&[u8]]) -> [u8; 32] {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..files.len()).map(|at| folder.path().join(at.to_string())).collect();
        for (path, bytes) in paths.iter().zip(files) {
            fs_err::write(path, bytes).unwrap();
        }
        fingerprint(paths.iter().map(|path| path.as_path())).unwrap()
    }

    #[test]
    fn every_byte_of_a_small_file_counts_and_where_files_end() {
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        let others: [&[&[u8]]; 4] = [&[b"a", b"bc"], &[b"abc"], &[b"ab", b"d"], &[b"c", b"ab"]];
        for other in others {
            assert_ne!(of(&[b"ab", b"c"]), of(other));
        }
        assert!(fingerprint([Path::new("nowhere")]).is_err());
    }

    #[test]
    fn of_a_large_file_beginning_pieces_and_end_count() {
        let large = vec![7_u8; 40 << 20];
        let whole = of(&[&large]);
        assert_eq!(whole, of(&[&large]));
        for changed in [0, (1 << 20) - 1, 1 << 20, large.len() - 1] {
            let mut other = large.clone();
            other[changed] = 8;
            assert_ne!(whole, of(&[&other]), "{changed}");
        }
        // Whatever changes more than a piece and a gap is seen.
        let mut other = large.clone();
        other[20 << 20..][..10_000].fill(8);
        assert_ne!(whole, of(&[&other]));
        assert_ne!(whole, of(&[&large[1..]]), "a length counts");
    }
}
