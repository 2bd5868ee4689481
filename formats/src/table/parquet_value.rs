//! What a parquet value is in JSON: groups are objects, lists are lists, maps are objects by their
//! keys' text, dates and times are texts (a moment as RFC 3339 has it; one without a zone is taken as
//! UTC), and bytes that are no UTF-8 are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::record::{Field, Row};
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Map, Number, Value};

/// The row as an object. The decoder gives the columns `nanoseconds` as numbers.
pub(super) fn object(row: Row, nanoseconds: &[String]) -> Result<Value, String> {
    let fields = row.into_columns().into_iter();
    let fields = fields.map(|(name, field)| {
        let value = match field {
            Field::Long(nanos) if nanoseconds.contains(&name) => {
                moment(Some(DateTime::from_timestamp_nanos(nanos)))?
            }
            field => value(&field)?,
        };
        Ok((name, value))
    });
    Ok(Value::Object(fields.collect::<Result<Map<_, _>, String>>()?))
}

/// A moment as RFC 3339 writes it, with as many places of a second as it has.
fn moment(moment: Option<DateTime<Utc>>) -> Result<Value, String> {
    let moment = moment.ok_or("a moment that no calendar has")?;
    Ok(Value::from(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}

fn value(field: &Field) -> Result<Value, String> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Float16(value) => float(f64::from(*value)),
        Field::Float(value) => float(f64::from(*value)),
        Field::Double(value) => float(*value),
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => text(bytes.data()),
        Field::Group(row) => object(row.clone(), &[])?,
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(value).collect::<Result<_, _>>()?)
        }
        Field::MapInternal(map) => {
            let entries =
                map.entries().iter().map(|(key, field)| Ok((key_of(key)?, value(field)?)));
            Value::Object(entries.collect::<Result<Map<_, _>, String>>()?)
        }
        Field::TimestampMillis(millis) => moment(DateTime::from_timestamp_millis(*millis))?,
        Field::TimestampMicros(micros) => moment(DateTime::from_timestamp_micros(*micros))?,
        Field::Decimal(_) | Field::Date(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
            Value::from(field.to_string())
        }
    })
}

/// A float; null for what JSON has no number for.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(STANDARD.encode(bytes)),
    }
}

fn key_of(key: &Field) -> Result<String, String> {
    match value(key)? {
        Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}

/// The name of a column of nanoseconds since 1970 that is no part of another; pandas writes such.
pub(super) fn nanoseconds(column: &ColumnDescriptor) -> Option<String> {
    let kind = column.logical_type_ref();
    let is = matches!(kind, Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS);
    (is && column.path().parts().len() == 1).then(|| column.name().to_owned())
}

/// Whether there is a value for this column's type; else the type's name.
pub(super) fn supported(column: &ColumnDescriptor) -> Result<(), String> {
    let finer = matches!(
        column.logical_type_ref(),
        Some(LogicalType::Timestamp { .. } | LogicalType::Time { .. })
    ) && column.converted_type() == ConvertedType::NONE
        && nanoseconds(column).is_none();
    let unknown = match (column.physical_type(), column.converted_type()) {
        (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE | Type::INT96, ConvertedType::NONE) => false,
        (Type::INT32, kind) => !matches!(
            kind,
            ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::DATE
                | ConvertedType::TIME_MILLIS
                | ConvertedType::DECIMAL
        ),
        (Type::INT64, kind) => !matches!(
            kind,
            ConvertedType::NONE
                | ConvertedType::INT_64
                | ConvertedType::UINT_64
                | ConvertedType::TIME_MICROS
                | ConvertedType::TIMESTAMP_MILLIS
                | ConvertedType::TIMESTAMP_MICROS
                | ConvertedType::DECIMAL
        ),
        (Type::BYTE_ARRAY, kind) => !matches!(
            kind,
            ConvertedType::NONE
                | ConvertedType::UTF8
                | ConvertedType::ENUM
                | ConvertedType::JSON
                | ConvertedType::BSON
                | ConvertedType::DECIMAL
        ),
        (Type::FIXED_LEN_BYTE_ARRAY, kind) => {
            !matches!(kind, ConvertedType::NONE | ConvertedType::DECIMAL)
        }
        _ => true,
    };
    if unknown || finer {
        return Err(format!("{} ({:?})", column.physical_type(), column.converted_type()));
    }
    Ok(())
}
