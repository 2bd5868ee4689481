//! Finding the tensors that belong together: every tensor of a quantized folder is claimed once, and
//! what nobody claims is an error.

use std::collections::BTreeSet;

use formats::quantization::FourBitType;
use formats::{Checkpoint, Dtype};

use super::part::{FLOATS, Part};
use crate::{Error, Result};

/// The tensors of a folder that no weight has claimed yet.
pub(super) struct Finder<'a> {
    files: &'a Checkpoint,
    left: BTreeSet<&'a str>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(files: &'a Checkpoint) -> Self {
        Self { files, left: files.names().collect() }
    }

    pub(super) fn files(&self) -> &'a Checkpoint {
        self.files
    }

    /// Names that end in `.suffix`, without it.
    pub(super) fn bases(&self, suffix: &str) -> Vec<&'a str> {
        let base = |name: &&'a str| name.strip_suffix(suffix)?.strip_suffix('.');
        self.left.iter().filter_map(base).collect()
    }

    /// Claims every tensor that is left.
    pub(super) fn rest(&mut self) -> Vec<Part> {
        let names = std::mem::take(&mut self.left);
        names.into_iter().filter_map(|name| self.files.get(name)).map(|v| Part::of(&v)).collect()
    }

    /// Claims `base.suffix` if it is there.
    pub(super) fn take(&mut self, base: &str, suffix: &str) -> Option<Part> {
        let name = format!("{base}.{suffix}");
        let part = Part::of(&self.files.get(&name)?);
        self.left.remove(name.as_str()).then_some(part)
    }

    /// Claims `base.suffix`, which may be there but says nothing new.
    pub(super) fn forget(&mut self, base: &str, suffix: &str) {
        self.left.remove(format!("{base}.{suffix}").as_str());
    }

    /// Claims `base.suffix`, which must be there.
    pub(super) fn sibling(&mut self, base: &str, suffix: &str) -> Result<Part> {
        self.take(base, suffix).ok_or_else(|| self.missing(&format!("{base}.{suffix}")))
    }

    /// Claims the scales `[groups, rows]` and the packed zero points `[groups, width]` of a weight in AWQ
    /// or GPTQ. Without a number of groups there are as many as the scales have.
    pub(super) fn scales_and_zeros(
        &mut self,
        module: &str,
        groups: Option<usize>,
        [rows, width]: [usize; 2],
    ) -> Result<(Part, Part)> {
        let scales = self.sibling(module, "scales")?.of_dtype(self.files, &FLOATS)?;
        let groups = groups.map_or_else(|| Ok(scales.matrix(self.files)?[0]), Ok::<_, Error>)?;
        let scales = scales.of_shape(self.files, &[groups, rows])?;
        let zeros = self.sibling(module, "qzeros")?.of_dtype(self.files, &[Dtype::I32])?;
        Ok((scales, zeros.of_shape(self.files, &[groups, width])?))
    }

    /// Claims the quantization state beside a 4-bit weight.
    pub(super) fn quant_state(&mut self, weight: &Part) -> Result<(FourBitType, Part)> {
        let found = FourBitType::ALL
            .into_iter()
            .find_map(|kind| self.take(&weight.name, &state_suffix(kind)).map(|part| (kind, part)));
        let name = format!("{}.{}", weight.name, state_suffix(FourBitType::Nf4));
        found.ok_or_else(|| self.missing(&name))
    }

    fn missing(&self, name: &str) -> Error {
        let problem = format!(
            "tensor `{name}` is missing, without which its weight cannot be de-quantized; the \
             folder is incomplete: fetch the model again"
        );
        Error::refused(self.files.dir(), problem)
    }
}

/// How the name of a quantization state ends.
pub(super) fn state_suffix(kind: FourBitType) -> String {
    format!("quant_state.bitsandbytes__{}", kind.name())
}
