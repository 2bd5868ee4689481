//! The values of GGUF metadata, one variant a type of the format, and how they look in bytes.

use super::cursor::Cursor;
use crate::Result;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the format's own name for the type")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of metadata values, all of one type.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the format's own name for the type")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// A type of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the format's own name for the type")]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The number in a file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// The type with this number in a file.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.id() == id)
    }

    /// The fewest bytes that a value of this type takes.
    pub(super) fn least_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

impl Value {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// Reads a value of type `kind`.
    pub(super) fn read(kind: ValueType, cursor: &mut Cursor<'_>) -> Result<Self> {
        Ok(match kind {
            ValueType::U8 => Self::U8(Item::read(cursor)?),
            ValueType::I8 => Self::I8(Item::read(cursor)?),
            ValueType::U16 => Self::U16(Item::read(cursor)?),
            ValueType::I16 => Self::I16(Item::read(cursor)?),
            ValueType::U32 => Self::U32(Item::read(cursor)?),
            ValueType::I32 => Self::I32(Item::read(cursor)?),
            ValueType::F32 => Self::F32(Item::read(cursor)?),
            ValueType::Bool => Self::Bool(Item::read(cursor)?),
            ValueType::String => Self::String(Item::read(cursor)?),
            ValueType::Array => Self::Array(Array::read(cursor, 1)?),
            ValueType::U64 => Self::U64(Item::read(cursor)?),
            ValueType::I64 => Self::I64(Item::read(cursor)?),
            ValueType::F64 => Self::F64(Item::read(cursor)?),
        })
    }

    /// Appends the value's bytes, without its type.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => value.put(out),
            Self::I8(value) => value.put(out),
            Self::U16(value) => value.put(out),
            Self::I16(value) => value.put(out),
            Self::U32(value) => value.put(out),
            Self::I32(value) => value.put(out),
            Self::F32(value) => value.put(out),
            Self::Bool(value) => value.put(out),
            Self::String(value) => value.put(out),
            Self::Array(value) => value.put(out),
            Self::U64(value) => value.put(out),
            Self::I64(value) => value.put(out),
            Self::F64(value) => value.put(out),
        }
    }
}

/// How deep arrays of arrays may go; llama.cpp itself reads none.
const DEEPEST: usize = 4;

impl Array {
    /// The items' type.
    pub fn item_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(items) => items.len(),
            Self::I8(items) => items.len(),
            Self::U16(items) => items.len(),
            Self::I16(items) => items.len(),
            Self::U32(items) => items.len(),
            Self::I32(items) => items.len(),
            Self::F32(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::String(items) => items.len(),
            Self::Array(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::F64(items) => items.len(),
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(cursor.problem(&format!("nests arrays deeper than {DEEPEST}")));
        }
        let kind = cursor.value_type()?;
        let count = cursor.count(kind.least_bytes())?;
        Ok(match kind {
            ValueType::U8 => Self::U8(items(cursor, count)?),
            ValueType::I8 => Self::I8(items(cursor, count)?),
            ValueType::U16 => Self::U16(items(cursor, count)?),
            ValueType::I16 => Self::I16(items(cursor, count)?),
            ValueType::U32 => Self::U32(items(cursor, count)?),
            ValueType::I32 => Self::I32(items(cursor, count)?),
            ValueType::F32 => Self::F32(items(cursor, count)?),
            ValueType::Bool => Self::Bool(items(cursor, count)?),
            ValueType::String => Self::String(items(cursor, count)?),
            ValueType::Array => {
                let each = (0..count).map(|_| Self::read(cursor, depth + 1));
                Self::Array(each.collect::<Result<_>>()?)
            }
            ValueType::U64 => Self::U64(items(cursor, count)?),
            ValueType::I64 => Self::I64(items(cursor, count)?),
            ValueType::F64 => Self::F64(items(cursor, count)?),
        })
    }

    /// Appends the items' type, their number and the items.
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.item_type().id().to_le_bytes());
        out.extend((self.len() as u64).to_le_bytes());
        match self {
            Self::U8(items) => put_items(items, out),
            Self::I8(items) => put_items(items, out),
            Self::U16(items) => put_items(items, out),
            Self::I16(items) => put_items(items, out),
            Self::U32(items) => put_items(items, out),
            Self::I32(items) => put_items(items, out),
            Self::F32(items) => put_items(items, out),
            Self::Bool(items) => put_items(items, out),
            Self::String(items) => put_items(items, out),
            Self::Array(items) => items.iter().for_each(|item| item.put(out)),
            Self::U64(items) => put_items(items, out),
            Self::I64(items) => put_items(items, out),
            Self::F64(items) => put_items(items, out),
        }
    }
}

fn items<T: Item>(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<T>> {
    (0..count).map(|_| T::read(cursor)).collect()
}

fn put_items<T: Item>(items: &[T], out: &mut Vec<u8>) {
    items.iter().for_each(|item| item.put(out));
}

/// A value that is no array.
trait Item: Sized {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self>;
    fn put(&self, out: &mut Vec<u8>);
}

/// Implements [`Item`] for a number of `N` little-endian bytes.
macro_rules! number {
    ($($number:ty),*) => {$(
        impl Item for $number {
            fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
                Ok(Self::from_le_bytes(cursor.bytes()?))
            }

            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}

number!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

impl Item for bool {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        match u8::read(cursor)? {
            0 => Ok(false),
            1 => Ok(true),
            other => {
                Err(cursor.problem(&format!("holds {other} where true (1) or false (0) belongs")))
            }
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Item for String {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.string()
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend((self.len() as u64).to_le_bytes());
        out.extend(self.as_bytes());
    }
}
