//! Scales and zero points that each stand for a rectangle of a matrix: all of it, a row, a group of
//! columns, a block. Which, the shape of the scales and the settings say together.

use std::ops::Range;

use formats::Checkpoint;

use super::part::{Part, Words};
use crate::Result;

/// Which scale each value has.
#[derive(Debug)]
pub(super) struct Grid {
    /// Rows and columns of a rectangle.
    block: [usize; 2],
    /// Rectangles in a row of them.
    width: usize,
    /// The group of each column, where columns were quantized in another order.
    g_idx: Option<Part>,
}

impl Grid {
    /// The grid of blocks of `block` rows and columns over a matrix of `shape`. Scales for all of it
    /// may have no extent at all or one; scales a row may lack their second extent.
    pub(super) fn new(
        files: &Checkpoint,
        scales: &Part,
        shape: [usize; 2],
        block: [usize; 2],
    ) -> Result<Self> {
        let block = [block[0].clamp(1, shape[0].max(1)), block[1].clamp(1, shape[1].max(1))];
        let [down, across] = [shape[0].div_ceil(block[0]), shape[1].div_ceil(block[1])];
        let fits = match scales.shape.as_slice() {
            [] => down == 1 && across == 1,
            [length] => across == 1 && *length == down,
            found => found == [down, across],
        };
        if fits {
            return Ok(Self { block, width: across, g_idx: None });
        }
        let problem = format!(
            "has shape {:?}, expected {:?} for a weight of shape {shape:?}",
            scales.shape,
            [down, across]
        );
        Err(scales.wrong(files, &problem))
    }

    /// The same grid with groups of columns that a list names.
    pub(super) fn listed(
        self,
        files: &Checkpoint,
        list: Option<Part>,
        columns: usize,
    ) -> Result<Self> {
        let Some(list) = list else { return Ok(self) };
        let list = list.of_dtype(files, &[formats::Dtype::I32])?.of_shape(files, &[columns])?;
        let words = list.words(files)?;
        let groups: Vec<i32> = (0..columns).map(|column| words.at(column).cast_signed()).collect();
        if groups.iter().all(|&group| group == -1) {
            return Ok(self);
        }
        let inside = |&group: &i32| usize::try_from(group).is_ok_and(|group| group < self.width);
        match groups.into_iter().find(|group| !inside(group)) {
            None => Ok(Self { g_idx: Some(list), ..self }),
            Some(group) => {
                let problem = format!("names group {group}, but there are {}", self.width);
                Err(list.wrong(files, &problem))
            }
        }
    }

    /// Rectangles in all, `[down, across]`.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Opens it for reading.
    pub(super) fn open<'a>(&'a self, files: &'a Checkpoint) -> Result<OpenGrid<'a>> {
        let list = self.g_idx.as_ref().map(|list| list.words(files)).transpose()?;
        Ok(OpenGrid { grid: self, list })
    }
}

/// A grid whose list of groups is at hand.
pub(super) struct OpenGrid<'a> {
    grid: &'a Grid,
    list: Option<Words<'a>>,
}

impl OpenGrid<'_> {
    /// Hands `each` the runs of columns of a row that share a scale, and the scale's number.
    pub(super) fn each_run(
        &self,
        row: usize,
        columns: usize,
        mut each: impl FnMut(Range<usize>, usize),
    ) {
        let first = row / self.grid.block[0] * self.grid.width;
        match &self.list {
            Some(list) => {
                for column in 0..columns {
                    each(column..column + 1, first + list.at(column) as usize);
                }
            }
            None => {
                for (group, start) in (0..columns).step_by(self.grid.block[1]).enumerate() {
                    each(start..columns.min(start + self.grid.block[1]), first + group);
                }
            }
        }
    }
}
