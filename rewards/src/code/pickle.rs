//! A pickle that holds exactly one string, read without running anything. Only the opcodes that
//! Python's own writers emit for a string are known (protocols 0 to 5: the string, its place in the
//! memo, the frame around it); every other opcode is refused, so no pickle can name a class.

/// The string in `pickle`, or why it holds none, in words.
pub fn read_string(pickle: &[u8]) -> Result<String, String> {
    let mut reader = Reader { rest: pickle };
    let mut value = None;
    loop {
        let opcode = reader.byte()?;
        match opcode {
            b'.' => break,
            // PROTO, FRAME, and the memo's PUT, BINPUT, LONG_BINPUT, MEMOIZE.
            0x80 => reader.protocol()?,
            0x95 => drop(reader.take(8)?),
            b'p' => drop(reader.line()?),
            b'q' => drop(reader.take(1)?),
            b'r' => drop(reader.take(4)?),
            0x94 => {}
            b'V' | b'X' | 0x8c | 0x8d => {
                let text = reader.text(opcode)?;
                if value.replace(text).is_some() {
                    return Err("the pickle holds more than one value".into());
                }
            }
            other => return Err(foreign(other)),
        }
    }
    if !reader.rest.is_empty() {
        return Err(format!("{} bytes follow the end of the pickle", reader.rest.len()));
    }
    value.ok_or_else(|| "the pickle is empty".into())
}

/// The beginning of the string in a pickle of which only the beginning is at hand: as many of its bytes
/// as there are, in whatever way they are written.
pub fn begin_string(pickle: &[u8]) -> Result<&[u8], String> {
    let mut reader = Reader { rest: pickle };
    loop {
        let header = match reader.byte()? {
            0x80 => {
                reader.protocol()?;
                continue;
            }
            0x95 => {
                reader.take(8)?;
                continue;
            }
            b'V' => 0,
            0x8c => 1,
            b'X' => 4,
            0x8d => 8,
            other => return Err(foreign(other)),
        };
        reader.take(header)?;
        return Ok(reader.rest);
    }
}

fn foreign(opcode: u8) -> String {
    format!("the pickle has opcode {opcode:#04x}, which is no part of a plain string")
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err("the pickle ends in the middle".into());
        };
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or("the pickle ends in the middle")?;
        Ok(&self.take(end + 1)?[..end])
    }

    fn protocol(&mut self) -> Result<(), String> {
        match self.byte()? {
            0..=5 => Ok(()),
            other => Err(format!("the pickle is of protocol {other}; 0 to 5 are known")),
        }
    }

    fn text(&mut self, opcode: u8) -> Result<String, String> {
        let length = match opcode {
            b'V' => return raw_unicode_escape(self.line()?),
            0x8c => u64::from(self.byte()?),
            b'X' => u64::from(u32::from_le_bytes(array(self.take(4)?)?)),
            _ => u64::from_le_bytes(array(self.take(8)?)?),
        };
        let length = usize::try_from(length).map_err(|_| "the pickle ends in the middle")?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "the pickle's string is not UTF-8".into())
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| "the pickle ends in the middle".into())
}

/// Protocol 0 writes a string as Latin-1, with `\u` and `\U` before hexadecimal digits for the rest.
fn raw_unicode_escape(line: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                continue;
            }
        };
        let code = after.get(1..=digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let character = code.and_then(char::from_u32);
        text.push(character.ok_or("the pickle's string has an escape that is no character")?);
        rest = &after[digits + 1..];
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pickle.dumps('[{"é": "😀\\n"}]', protocol)` as CPython 3.11 writes it.
    const WRITTEN: [&[u8]; 6] = [
        b"V[{\"\xe9\": \"\\U0001f600\\u005cn\"}]\np0\n.",
        b"X\x12\x00\x00\x00[{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\\n\"}]q\x00.",
        b"\x80\x02X\x12\x00\x00\x00[{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\\n\"}]q\x00.",
        b"\x80\x03X\x12\x00\x00\x00[{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\\n\"}]q\x00.",
        b"\x80\x04\x95\x16\x00\x00\x00\x00\x00\x00\x00\x8c\x12[{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\\n\"}]\x94.",
        b"\x80\x05\x95\x16\x00\x00\x00\x00\x00\x00\x00\x8c\x12[{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\\n\"}]\x94.",
    ];

    #[test]
    fn every_protocols_string_is_read() {
        for (protocol, pickle) in WRITTEN.into_iter().enumerate() {
            let read = read_string(pickle);
            assert_eq!(read.as_deref(), Ok("[{\"é\": \"😀\\n\"}]"), "protocol {protocol}");
        }
    }

    #[test]
    fn whatever_is_not_one_string_is_refused() {
        let refused: [(&[u8], &str); 11] = [
            (b"cos\nsystem\n(S'id'\ntR.", "opcode 0x63"),
            (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94.", "more than one value"),
            (b"\x80\x02]q\x00.", "opcode 0x5d"),
            (b"\x80\x02K\x01.", "opcode 0x4b"),
            (b"\x80\x06X\x01\x00\x00\x00a.", "protocol 6"),
            (b"X\xff\xff\xff\xffa.", "ends in the middle"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "ends in the middle"),
            (b"X\x01\x00\x00\x00\xff.", "not UTF-8"),
            (b"X\x01\x00\x00\x00a.more", "4 bytes follow"),
            (b".", "is empty"),
            (b"", "ends in the middle"),
        ];
        for (pickle, reason) in refused {
            let error = read_string(pickle).unwrap_err();
            assert!(error.contains(reason), "{error} for {pickle:?}");
        }
    }

    #[test]
    fn every_protocols_string_is_begun() {
        for pickle in WRITTEN {
            assert!(begin_string(&pickle[..16.min(pickle.len())]).unwrap().starts_with(b"[{"));
        }
        assert!(begin_string(b"cos\nsystem\n").unwrap_err().contains("opcode 0x63"));
        assert!(begin_string(b"\x80\x04").unwrap_err().contains("ends in the middle"));
    }

    #[test]
    fn every_prefix_is_refused() {
        for pickle in WRITTEN {
            for end in 0..pickle.len() {
                assert!(read_string(&pickle[..end]).is_err());
            }
        }
    }
}
