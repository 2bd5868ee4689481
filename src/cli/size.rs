//! Amounts of memory on the command line: `4GiB`, `512M`, `1000000`.

/// Reads bytes. `K`, `M`, `G` and `KiB`, `MiB`, `GiB` are powers of 1024, `KB`, `MB`, `GB` of 1000.
pub(super) fn parse(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(expected(text)),
    };
    let number: f64 = number.parse().map_err(|_| expected(text))?;
    Ok((number * factor) as usize)
}

/// The same, but not nothing.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match parse(text)? {
        0 => Err("expected at least 1 byte".into()),
        bytes => Ok(bytes),
    }
}

fn expected(found: &str) -> String {
    format!("expected an amount of memory such as 4GiB, 512M or 1000000, found `{found}`")
}

#[cfg(test)]
mod tests {
    use super::{parse, positive};

    #[test]
    fn units() {
        assert_eq!(parse("1000000"), Ok(1_000_000));
        assert_eq!(parse("512M"), Ok(512 << 20));
        assert_eq!(parse("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse("2 gb"), Ok(2_000_000_000));
        for bad in ["", "G", "1T", "-1", "1..2M"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!((positive("1K"), positive("0K").is_err()), (Ok(1024), true));
    }
}
