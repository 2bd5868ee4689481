//! From the tensors of a quantized folder to the dense model's: which parts make which weight.

use std::collections::BTreeMap;

use formats::quantization::{CompressedTensors, FourBitType, Fp8};
use formats::{Checkpoint, Dtype, ModelConfig, Quantization};
use serde_json::Value;

use super::find::{Finder, state_suffix};
use super::grid::Grid;
use super::part::{FLOATS, Part};
use super::scaled::{Scaled, VALUES};
use super::{Stored, awq, four_bit, gptq, int8, packed};
use crate::{Error, Result, TensorInfo};

/// Every tensor of the dense model, by name.
pub(super) fn find(
    files: &Checkpoint,
    quantization: &Quantization,
) -> Result<Vec<(TensorInfo, Stored)>> {
    let mut plan = Plan { find: Finder::new(files), dtype: dtype(files)?, found: BTreeMap::new() };
    match quantization {
        Quantization::BitsAndBytes(_) => plan.bitsandbytes()?,
        Quantization::Gptq(settings) => plan.each("qweight", |find, words, module| {
            let weight = gptq::Gptq::find(words, module, settings, find)?;
            Ok((weight.shape(), Stored::Gptq(weight)))
        })?,
        Quantization::Awq(settings) => plan.each("qweight", |find, words, module| {
            let weight = awq::Awq::find(words, module, settings, find)?;
            Ok((weight.shape(), Stored::Awq(weight)))
        })?,
        Quantization::CompressedTensors(settings) => plan.compressed(settings)?,
        Quantization::Fp8(settings) => plan.fp8(settings)?,
    }
    plan.rest()?;
    Ok(plan.found.into_values().collect())
}

struct Plan<'a> {
    find: Finder<'a>,
    /// What `config.json` says of the dense model.
    dtype: Option<Dtype>,
    found: BTreeMap<String, (TensorInfo, Stored)>,
}

impl Plan<'_> {
    /// Reads every tensor `module.suffix` as the weight of its module.
    fn each(
        &mut self,
        suffix: &str,
        read: impl Fn(&mut Finder<'_>, Part, &str) -> Result<([usize; 2], Stored)>,
    ) -> Result<()> {
        for module in self.find.bases(suffix) {
            let main = self.find.sibling(module, suffix)?;
            let (shape, stored) = read(&mut self.find, main, module)?;
            self.add(format!("{module}.weight"), shape.to_vec(), stored)?;
        }
        Ok(())
    }

    fn bitsandbytes(&mut self) -> Result<()> {
        for kind in FourBitType::ALL {
            for weight in self.find.bases(&state_suffix(kind)) {
                let module = weight.strip_suffix(".weight").unwrap_or(weight);
                let main = self.find.sibling(module, "weight")?;
                let (stored, state) = four_bit::FourBit::find(main, &mut self.find)?;
                self.dtype = self.dtype.or(Some(state.dtype));
                self.add(format!("{module}.weight"), state.shape, Stored::FourBit(stored))?;
            }
        }
        for module in self.find.bases("SCB") {
            let files = self.find.files();
            let main = self.find.sibling(module, "weight")?.of_dtype(files, &[Dtype::I8])?;
            let shape = main.shape.clone();
            let stored = int8::Int8::find(main, module, &mut self.find)?;
            self.add(format!("{module}.weight"), shape, Stored::Int8(stored))?;
        }
        Ok(())
    }

    fn compressed(&mut self, settings: &CompressedTensors) -> Result<()> {
        let args_of = |files: &Checkpoint, main: &Part, module: &str| {
            settings.weights_of(module).ok_or_else(|| {
                let problem = "is quantized, but no group of `config_groups` is for it";
                main.wrong(files, problem)
            })
        };
        self.each("weight_packed", |find, words, module| {
            let args = args_of(find.files(), &words, module)?;
            let (weight, shape) = packed::Packed::find(words, module, args, find)?;
            Ok((shape, Stored::Packed(weight)))
        })?;
        for module in self.find.bases("weight_scale") {
            let files = self.find.files();
            let main = self.find.sibling(module, "weight")?.of_dtype(files, &VALUES)?;
            let args = args_of(files, &main, module)?;
            let scales = self.find.sibling(module, "weight_scale")?.of_dtype(files, &FLOATS)?;
            let shape = main.matrix(files)?;
            let grid = Grid::new(files, &scales, shape, packed::extents(args.strategy, shape[1]))?;
            let grid = grid.listed(files, self.find.take(module, "weight_g_idx"), shape[1])?;
            let zeros = if args.symmetric {
                self.find.forget(module, "weight_zero_point");
                None
            } else {
                let zeros = self.find.sibling(module, "weight_zero_point")?;
                let zeros = zeros.of_dtype(files, &[Dtype::I8])?;
                Some(zeros.of_shape(files, &scales.shape)?)
            };
            let stored = Scaled { values: main, scales, zeros, grid, columns: shape[1] };
            self.add(format!("{module}.weight"), shape.to_vec(), Stored::Scaled(stored))?;
        }
        Ok(())
    }

    fn fp8(&mut self, settings: &Fp8) -> Result<()> {
        let types = [FLOATS.as_slice(), &[Dtype::F8_E8M0, Dtype::U8]].concat();
        for suffix in ["weight_scale_inv", "weight_scale"] {
            for module in self.find.bases(suffix) {
                let files = self.find.files();
                let main = self.find.sibling(module, "weight")?;
                let main = main.of_dtype(files, &[Dtype::F8_E4M3, Dtype::F8_E5M2])?;
                let scales = self.find.sibling(module, suffix)?.of_dtype(files, &types)?;
                let shape = main.matrix(files)?;
                let one = scales.elements() == 1;
                let block = match settings.block {
                    _ if one => shape,
                    Some(block) => block,
                    None => [1, shape[1]],
                };
                let grid = Grid::new(files, &scales, shape, block)?;
                let stored = Scaled { values: main, scales, zeros: None, grid, columns: shape[1] };
                self.add(format!("{module}.weight"), shape.to_vec(), Stored::Scaled(stored))?;
            }
        }
        Ok(())
    }

    /// What no weight has claimed is stored as floats, or serves activations alone.
    fn rest(&mut self) -> Result<()> {
        let files = self.find.files();
        let config = ModelConfig::read_shape(files.dir()).ok();
        for part in self.find.rest() {
            let last = part.name.rsplit('.').next().unwrap_or_default();
            if ACTIVATIONS.contains(&last) {
                continue;
            }
            if PARTS.contains(&last) {
                return Err(part.wrong(files, "is part of a quantized weight that is not there"));
            }
            if !FLOATS.contains(&part.dtype) {
                let problem =
                    format!("is stored as {}, and no other tensor gives its scale", part.dtype);
                return Err(part.wrong(files, &problem));
            }
            if config.as_ref().is_some_and(|config| !has_bias(config, &part.name)) {
                refuse_unless_zero(files, &part)?;
                continue;
            }
            let info = TensorInfo { name: part.name, shape: part.shape, dtype: part.dtype };
            self.push(info, Stored::Dense)?;
        }
        Ok(())
    }

    fn add(&mut self, name: String, shape: Vec<usize>, stored: Stored) -> Result<()> {
        let dtype = self.dtype.unwrap_or(Dtype::BF16);
        self.push(TensorInfo { name, shape, dtype }, stored)
    }

    fn push(&mut self, info: TensorInfo, stored: Stored) -> Result<()> {
        let name = info.name.clone();
        if self.found.insert(name.clone(), (info, stored)).is_none() {
            return Ok(());
        }
        let problem = format!("holds the weight `{name}` twice, in two forms");
        Err(Error::refused(self.find.files().dir(), problem))
    }
}

/// Last parts of the names of tensors that scale activations or the cache, not weights.
const ACTIVATIONS: [&str; 10] = [
    "input_scale",
    "input_zero_point",
    "output_scale",
    "output_zero_point",
    "input_scale_ub",
    "activation_scale",
    "q_scale",
    "k_scale",
    "v_scale",
    "weight_format",
];

/// Last parts of the names of tensors that make no sense without a weight.
const PARTS: [&str; 14] = [
    "absmax",
    "quant_map",
    "nested_absmax",
    "nested_quant_map",
    "SCB",
    "g_idx",
    "qzeros",
    "qweight",
    "scales",
    "weight_scale",
    "weight_scale_inv",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
];

/// Whether a tensor is no bias, or one that the decoder has: GPTQ's and AWQ's writers add a bias of
/// zeros to every linear.
fn has_bias(config: &ModelConfig, name: &str) -> bool {
    let Some(module) = name.strip_suffix(".bias") else { return true };
    match module.rsplit('.').next().unwrap_or(module) {
        "q_proj" | "k_proj" | "v_proj" => config.qkv_bias,
        "o_proj" => config.o_bias,
        "gate_proj" | "up_proj" | "down_proj" => config.mlp_bias,
        "lm_head" => false,
        _ => true,
    }
}

fn refuse_unless_zero(files: &Checkpoint, part: &Part) -> Result<()> {
    let floats = part.floats(files)?;
    if (0..part.elements()).all(|at| floats.at(at) == 0.0) {
        return Ok(());
    }
    Err(part.wrong(files, "is a bias that this architecture does not have, and is not zero"))
}

/// `dtype` (transformers 5) or `torch_dtype` (transformers 4) of `config.json`.
fn dtype(files: &Checkpoint) -> Result<Option<Dtype>> {
    let text = fs_err::read_to_string(files.dir().join("config.json"))?;
    // `Quantization::read` has found it to be an object.
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let named = config.get("dtype").filter(|value| !value.is_null());
    let named = named.or_else(|| config.get("torch_dtype"));
    Ok(named.and_then(Value::as_str).and_then(Dtype::from_torch))
}
