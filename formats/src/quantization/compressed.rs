//! compressed-tensors: groups of modules, each with its own way of storing weights.

use std::path::Path;

use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::{Error, Result};

use super::target::Target;
use super::{block, group_size};

/// The settings of a model that llm-compressor wrote.
#[derive(Clone, Debug)]
pub struct CompressedTensors {
    /// `config_groups`, in the order of the file.
    pub groups: Vec<Group>,
}

/// One group of modules.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which modules it is for.
    pub targets: Vec<Target>,
    /// How their weights are stored; `None` if they are not quantized.
    pub weights: Option<WeightArgs>,
}

/// What the values of one scale are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The whole tensor.
    Tensor,
    /// A row.
    Channel,
    /// So many consecutive columns of a row.
    Group(usize),
    /// `[rows, columns]`.
    Block([usize; 2]),
}

/// How weights are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightArgs {
    /// Bits of a value, 1 to 8.
    pub num_bits: usize,
    /// Whether values have no zero point.
    pub symmetric: bool,
    /// What shares a scale.
    pub strategy: Strategy,
}

impl CompressedTensors {
    pub(super) fn parse(fields: Fields<'_>) -> Result<Self> {
        known_format(fields)?;
        refuse_sparsity(fields)?;
        let Some(groups) = fields.object("config_groups")? else {
            let problem = "is missing; it says how each group of modules is stored";
            return Err(fields.problem("config_groups", problem));
        };
        let read = |(name, group): (&String, &Value)| {
            let Some(map) = group.as_object() else {
                return Err(fields.problem("config_groups", &format!("`{name}` is no object")));
            };
            self::group(name, map, fields.path())
        };
        Ok(Self { groups: groups.iter().map(read).collect::<Result<_>>()? })
    }

    /// The settings for a module's weight: those of the group that names it most closely.
    pub fn weights_of(&self, module: &str) -> Option<&WeightArgs> {
        let closeness = |group: &Group| {
            group.targets.iter().map(|target| target.closeness(module)).max().unwrap_or(0)
        };
        let mut best: Option<(&Group, u8)> = None;
        for group in &self.groups {
            let close = closeness(group);
            if close > best.map_or(0, |(_, close)| close) {
                best = Some((group, close));
            }
        }
        best?.0.weights.as_ref()
    }
}

fn group(name: &str, map: &Map<String, Value>, path: &Path) -> Result<Group> {
    let prefix = format!("config_groups.{name}.");
    let fields = Fields::new(map, path).inside(map, &prefix);
    known_format(fields)?;
    let targets = fields.strings("targets")?.unwrap_or_default();
    let read = |text: &String| {
        Target::parse(text).map_err(|why| fields.problem("targets", &format!("`{text}`: {why}")))
    };
    let targets = targets.iter().map(read).collect::<Result<_>>()?;
    let weights = match fields.object("weights")? {
        None => None,
        Some(map) => {
            let prefix = format!("{prefix}weights.");
            Some(weight_args(fields.inside(map, &prefix))?)
        }
    };
    Ok(Group { targets, weights })
}

fn weight_args(fields: Fields<'_>) -> Result<WeightArgs> {
    let num_bits = fields.count("num_bits", 1, 8)?.unwrap_or(8);
    let symmetric = fields.bool("symmetric")?.unwrap_or(true);
    let size = group_size(fields, &["group_size"])?;
    let named = fields.str("strategy")?.map(str::to_lowercase);
    let strategy = match named.as_deref() {
        Some("tensor") => Strategy::Tensor,
        Some("channel") => Strategy::Channel,
        Some("group") => match size {
            Some(size) => Strategy::Group(size),
            None => Strategy::Channel,
        },
        Some("block") => match block(fields, "block_structure")? {
            Some(block) => Strategy::Block(block),
            None => return Err(fields.problem("block_structure", "is missing beside `block`")),
        },
        Some(other) => {
            let advice = "expected tensor, channel, group or block; use the unquantized model";
            let feature = format!("the strategy \"{other}\" for weights");
            return Err(Error::unsupported(fields.path(), feature, advice));
        }
        None => unnamed_strategy(fields, size),
    };
    Ok(WeightArgs { num_bits, symmetric, strategy })
}

/// The library's own rule where no strategy is named.
fn unnamed_strategy(fields: Fields<'_>, size: Option<usize>) -> Strategy {
    match size {
        Some(size) => Strategy::Group(size),
        None if fields.value("group_size").is_some() => Strategy::Channel,
        None => Strategy::Tensor,
    }
}

fn known_format(fields: Fields<'_>) -> Result<()> {
    let known = [
        "dense",
        "pack-quantized",
        "int-quantized",
        "float-quantized",
        "naive-quantized",
        "mixed-precision",
    ];
    match fields.str("format")? {
        Some(format) if !known.contains(&format) => Err(Error::unsupported(
            fields.path(),
            format!("the compressed-tensors format \"{format}\""),
            format!("expected one of {}; use the unquantized model", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn refuse_sparsity(fields: Fields<'_>) -> Result<()> {
    let Some(map) = fields.object("sparsity_config")? else { return Ok(()) };
    let sparsity = fields.inside(map, "sparsity_config.");
    match sparsity.str("format")? {
        None | Some("dense") => Ok(()),
        Some(format) => Err(Error::unsupported(
            fields.path(),
            format!("the sparse format \"{format}\""),
            "use a model whose weights are stored in full",
        )),
    }
}
