//! Private tests of LiveCodeBench as they come: base64 of zlib of a pickle of one string of JSON, which
//! stays packed until somebody grades. Those of the whole benchmark are gigabytes even so; a [`Shelf`]
//! holds them in a file.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use fs_err::File;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pickle::{begin_string, read_string};
use super::problem::{Kind, Test};

/// Bytes of the unpacked text that are looked at to see that it is one.
const PEEKED: u64 = 256;

/// Packed tests, in memory or on a shelf.
#[derive(Clone)]
pub struct Packed {
    place: Place,
    /// A hash of the bytes, by which two of the same problem are told apart.
    pub(super) hash: u64,
    length: usize,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<[u8]>),
    Shelf(Shelf, u64),
}

impl Packed {
    /// A hash of these tests and of what else decides how they are unpacked.
    pub(super) fn hash_with(&self, kind: Kind, public: &[Test]) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one((self.hash, kind, public))
    }

    /// From the text of a record.
    ///
    /// # Errors
    /// Why it is no base64.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let decoded = match STANDARD.decode(text) {
            Ok(decoded) => Ok(decoded),
            // As Python decodes it, line breaks and all.
            Err(_) => {
                let plain: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
                STANDARD.decode(plain)
            }
        };
        decoded.map(Self::new).map_err(|error| format!("not base64 ({error})"))
    }

    fn new(bytes: Vec<u8>) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&bytes);
        Self { hash, length: bytes.len(), place: Place::Memory(bytes.into()) }
    }

    /// How many bytes it takes packed.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The same, held by `shelf`.
    ///
    /// # Errors
    /// When the shelf cannot be written.
    pub fn on(self, shelf: &Shelf) -> io::Result<Self> {
        let offset = shelf.put(&self.bytes()?)?;
        Ok(Self { place: Place::Shelf(shelf.clone(), offset), ..self })
    }

    fn bytes(&self) -> io::Result<Arc<[u8]>> {
        match &self.place {
            Place::Memory(bytes) => Ok(Arc::clone(bytes)),
            Place::Shelf(shelf, offset) => shelf.get(*offset, self.length),
        }
    }

    /// The JSON. At most `limit` bytes are unpacked.
    ///
    /// # Errors
    /// Why there is none.
    pub fn unpack(&self, limit: u64) -> Result<String, String> {
        read_string(&self.inflate(limit)?)
    }

    fn inflate(&self, limit: u64) -> Result<Vec<u8>, String> {
        let compressed = self.bytes().map_err(|error| format!("cannot be read ({error})"))?;
        let mut pickle = Vec::new();
        let mut reader = ZlibDecoder::new(&compressed[..]).take(limit + 1);
        reader.read_to_end(&mut pickle).map_err(|error| format!("not zlib data ({error})"))?;
        if pickle.len() as u64 > limit {
            return Err(format!("unpacks to more than {limit} bytes"));
        }
        Ok(pickle)
    }

    /// Looks at the beginning: is it a list in a string in a pickle?
    ///
    /// # Errors
    /// Why it is none.
    pub fn peek(&self) -> Result<(), String> {
        let compressed = self.bytes().map_err(|error| format!("cannot be read ({error})"))?;
        let mut pickle = Vec::new();
        let mut reader = ZlibDecoder::new(&compressed[..]).take(PEEKED);
        reader.read_to_end(&mut pickle).map_err(|error| format!("not zlib data ({error})"))?;
        match begin_string(&pickle)?.trim_ascii_start().first() {
            Some(b'[') => Ok(()),
            _ => Err("the pickle's string is no list".to_owned()),
        }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, self.length) == (other.hash, other.length)
            && matches!((self.bytes(), other.bytes()), (Ok(one), Ok(other)) if one == other)
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.length)
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.bytes().map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(serde::de::Error::custom)
    }
}

/// A file without a name that holds packed tests until everything that reads it is gone.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Mutex<File>>);

impl Shelf {
    /// An empty one, among the system's temporary files.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> io::Result<Self> {
        let file =
            File::from_parts(tempfile::tempfile()?, std::env::temp_dir().join("packed tests"));
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// Adds bytes; says where they begin.
    fn put(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)?;
        Ok(offset)
    }

    fn get(&self, offset: u64, length: usize) -> io::Result<Arc<[u8]>> {
        let mut bytes = vec![0; length];
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    /// What LiveCodeBench makes of a pickle.
    pub(in crate::code) fn pack(pickle: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(pickle).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    /// A pickle of one text.
    pub(in crate::code) fn pickle(text: &str) -> Vec<u8> {
        let mut pickle = b"\x80\x04X".to_vec();
        pickle.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        pickle.extend(text.as_bytes());
        pickle.push(b'.');
        pickle
    }

    #[test]
    fn a_shelf_gives_back_what_was_put_on_it() {
        let shelf = Shelf::new().unwrap();
        let texts = ["[1, 2]", "[3]", "[]"];
        let all = texts.map(|text| Packed::from_base64(&pack(&pickle(text))).unwrap());
        let held = all.clone().map(|packed| packed.on(&shelf).unwrap());
        for ((text, packed), held) in texts.iter().zip(&all).zip(&held) {
            assert_eq!((held.unpack(100).unwrap().as_str(), held), (*text, packed));
            let json = serde_json::to_string(held).unwrap();
            assert_eq!(serde_json::from_str::<Packed>(&json).unwrap(), *packed);
        }
        assert_ne!(held[0], held[1]);
    }

    #[test]
    fn a_zlib_bomb_is_not_unpacked() {
        let bomb = Packed::from_base64(&pack(&vec![b'a'; 4 << 20])).unwrap();
        assert_eq!(bomb.unpack(1 << 20).unwrap_err(), "unpacks to more than 1048576 bytes");
    }

    #[test]
    fn a_look_at_the_beginning_tells_what_it_is_not() {
        let peek = |pickle: &[u8]| Packed::from_base64(&pack(pickle)).unwrap().peek();
        peek(&pickle(&format!(" [{}]", "1,".repeat(1 << 20)))).unwrap();
        assert!(peek(&pickle("{}")).unwrap_err().contains("is no list"));
        assert!(peek(b"cos\nsystem\n.").unwrap_err().contains("no part of a plain string"));
        assert!(peek(b"").unwrap_err().contains("ends in the middle"));
        let wrapped = format!("{}\n", pack(&pickle("[]")));
        Packed::from_base64(&wrapped).unwrap().peek().unwrap();
        assert!(Packed::from_base64("*").unwrap_err().contains("not base64"));
        assert!(Packed::from_base64("aGVsbG8=").unwrap().peek().unwrap_err().contains("not zlib"));
    }
}
