//! A share of the problems: the i-th of N runs of neighbours, so that the shares of one data set, one
//! after the other, are the data set.

use std::fmt;

/// Some of N shares, each named from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// In order, each once.
    parts: Vec<usize>,
    of: usize,
}

impl Shard {
    fn new(mut parts: Vec<usize>, of: usize) -> Self {
        parts.sort_unstable();
        parts.dedup();
        Self { parts, of }
    }

    /// Reads `i/N`, as in `1/4` to `4/4`; several, as a merged folder's, are `1,3/4`.
    ///
    /// # Errors
    /// A sentence on what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a share i/N from 1/N to N/N, such as 1/4, found `{text}`");
        let (parts, of) = text.split_once('/').ok_or_else(wrong)?;
        let of: usize = of.parse().map_err(|_| wrong())?;
        let parts: Vec<usize> =
            parts.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        if parts.iter().any(|part| !(1..=of).contains(part)) {
            return Err(wrong());
        }
        Ok(Self::new(parts, of))
    }

    /// A job array's task, as Slurm numbers it: `id` from `min` up, `count` in all.
    ///
    /// # Errors
    /// A sentence, when the numbers do not fit.
    pub fn of_array(id: usize, min: usize, count: usize) -> Result<Self, String> {
        match id.checked_sub(min) {
            Some(place) if place < count => Ok(Self { parts: vec![place + 1], of: count }),
            _ => Err(format!(
                "SLURM_ARRAY_TASK_ID is {id}, expected {count} tasks from {min} on without gaps; \
                 name the share, as i/N"
            )),
        }
    }

    /// The places of its problems among `count`.
    pub(crate) fn places(&self, count: usize) -> Vec<usize> {
        let bound = |part: usize| (part as u128 * count as u128 / self.of as u128) as usize;
        self.parts.iter().flat_map(|&part| bound(part - 1)..bound(part)).collect()
    }

    /// The shares of two together; `None` when they are of different counts.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let both = || Self::new([&self.parts[..], &other.parts[..]].concat(), self.of);
        (self.of == other.of).then(both)
    }

    /// Whether every share is there, which is no share at all.
    pub fn is_whole(&self) -> bool {
        self.parts.len() == self.of
    }

    /// The shares that are not there, from 1.
    pub(crate) fn missing(&self) -> Vec<usize> {
        (1..=self.of).filter(|part| !self.parts.contains(part)).collect()
    }

    /// Of how many shares it is some.
    pub(crate) fn count(&self) -> usize {
        self.of
    }

    /// What shares are put in order by.
    pub(crate) fn first(&self) -> usize {
        self.parts.first().copied().unwrap_or(0)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(usize::to_string).collect();
        write!(f, "{}/{}", parts.join(","), self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_without_overlap() {
        for count in [0, 1, 3, 10, 101] {
            for of in 1..12 {
                let shares = (1..=of).map(|part| Shard { parts: vec![part], of });
                let all: Vec<usize> = shares.flat_map(|shard| shard.places(count)).collect();
                assert!(all.iter().copied().eq(0..count), "{count} in {of}");
            }
        }
    }

    #[test]
    fn shares_are_read_and_put_together() {
        let share = |text: &str| Shard::parse(text).unwrap();
        assert_eq!(share("2/4").to_string(), "2/4");
        assert_eq!(share("3,1/4").to_string(), "1,3/4");
        assert_eq!(share("3,1/4").places(8), [0, 1, 4, 5], "the second is not among them");
        assert_eq!((share("1,1/2").to_string(), share("1,1/2").is_whole()), ("1/2".into(), false));
        assert_eq!((share("1,3/4").missing(), share("1/1").is_whole()), (vec![2, 4], true));
        assert_eq!(share("2/4").and(&share("1/4")).unwrap().to_string(), "1,2/4");
        assert!(share("1,2/3").and(&share("3/3")).unwrap().is_whole());
        assert_eq!(share("1/2").and(&share("1/3")), None);
        for bad in ["", "1", "0/4", "5/4", "1/0", "a/4", "-1/4", "1/4/5", "/4", "1,/4"] {
            assert!(Shard::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_job_arrays_task_is_a_share() {
        assert_eq!(Shard::of_array(0, 0, 4).unwrap().to_string(), "1/4");
        assert_eq!(Shard::of_array(8, 5, 4).unwrap().to_string(), "4/4");
        assert!(Shard::of_array(9, 5, 4).is_err() && Shard::of_array(4, 5, 4).is_err());
    }
}
