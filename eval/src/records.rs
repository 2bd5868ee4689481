//! The records of one file of problems, on disk in any form that `formats` reads, or inside the program
//! as JSON lines. Leaves out what a record means.

use formats::table;
use serde_json::Value;

use crate::Error;
use crate::home::Source;

/// One record after the other.
pub(crate) type Records = Box<dyn Iterator<Item = Result<Value, Error>>>;

/// Opens a source.
pub(crate) fn open(source: &Source) -> Result<Records, Error> {
    match source {
        Source::Bundled(name, bytes) => Ok(lines(name.clone(), bytes)),
        Source::File(path) => Ok(Box::new(
            table::open(path)?.map(|row| row.map(|row| row.value).map_err(Error::from)),
        )),
    }
}

fn lines(path: String, bytes: &'static [u8]) -> Records {
    let whole = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    Box::new(whole.enumerate().map(move |(place, line)| {
        serde_json::from_slice(line).map_err(|error| Error::Problem {
            path: path.clone(),
            record: place + 1,
            reason: format!("it is no JSON ({error})"),
        })
    }))
}
