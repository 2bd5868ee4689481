//! A written GGUF adapter against the adapter that the engine wears: `scale · B · A` of every module.
//!
//! The products are compared without being made: with `P = X Yᵀ` and `Q = U Vᵀ` of small rank, the sum of
//! all products of their values is `⟨P, Q⟩ = Σ (Xᵀ U) ∘ (Yᵀ V)`, from which lengths and distances follow.

use super::served::unpacked;
use super::{Error, Result};
use crate::model::{AdapterWeights, EmbedLowRank, LinearDelta, LowRank};
use export::gguf::{AdapterPair, read_gguf_adapter};
use formats::ModelConfig;
use formats::gguf::TensorType;
use formats::peft::Place;
use kernels::transposed;
use rayon::prelude::*;
use std::path::Path;

/// What was found of a written adapter.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AdapterProof {
    /// Module by module, in the model's order.
    pub modules: Vec<PairProof>,
}

/// What was found of one module.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PairProof {
    /// The module's full name.
    pub module: String,
    /// How much of the worn change the file applies: 1 where all of it.
    pub share: f64,
    /// Length of the difference between both changes over the length of the worn one.
    pub relative_error: f64,
}

/// Compares the GGUF adapter at `path` with `worn`, on a base of configuration `config`.
///
/// # Errors
/// [`Error::Disproven`] with the first module that is missing or off; a file that is no such adapter.
pub fn prove_adapter(
    path: &Path,
    worn: &AdapterWeights,
    config: &ModelConfig,
) -> Result<AdapterProof> {
    let pairs = read_gguf_adapter(path, config)?;
    let places: Vec<Place> = Place::all(config).collect();
    let prove = |place: &Place| -> Result<Option<PairProof>> {
        let written = pairs.iter().find(|pair| pair.place == *place);
        match (product(*place, worn)?, written) {
            (None, None) => Ok(None),
            (worn, written) => compare(*place, worn, written).map(Some),
        }
    };
    let modules = places.par_iter().map(prove).collect::<Result<Vec<_>>>()?;
    Ok(AdapterProof { modules: modules.into_iter().flatten().collect() })
}

impl AdapterProof {
    /// One line with the figures that matter.
    pub fn to_line(&self) -> String {
        let worst = self.modules.iter().map(|module| module.relative_error).fold(0.0, f64::max);
        let count = self.modules.len();
        format!("the changes of {count} modules are those that are worn, to {worst:.1e} of each")
    }
}

/// `scale · x · yᵀ`, both `[_, rank]`.
struct Product {
    x: Vec<f32>,
    y: Vec<f32>,
    rank: usize,
    scale: f64,
}

fn compare(
    place: Place,
    worn: Option<Product>,
    written: Option<&AdapterPair>,
) -> Result<PairProof> {
    let module = place.path();
    let bound = written.map_or(0.0, |pair| largest_error(pair.kind));
    let written = written.map(of_file);
    let inner = |a: &Option<Product>, b: &Option<Product>| match (a, b) {
        (Some(a), Some(b)) => a.inner(b),
        _ => 0.0,
    };
    let (ours, theirs, both) =
        (inner(&worn, &worn), inner(&written, &written), inner(&worn, &written));
    if ours == 0.0 && theirs == 0.0 {
        return Ok(PairProof { module, share: 1.0, relative_error: 0.0 });
    }
    let (share, squared) = (both / ours, (theirs - 2.0 * both + ours).max(0.0));
    let relative_error = (squared / ours).sqrt();
    // A figure that is no number is within no bound.
    if relative_error <= bound {
        return Ok(PairProof { module, share, relative_error });
    }
    let what = match (ours == 0.0, written.is_none()) {
        (true, _) => format!("`{module}` is changed, which the adapter leaves alone"),
        (_, true) => format!("the change of `{module}` is missing"),
        _ => format!(
            "`{module}` gets {:.2} % of the adapter's change and is off by {:.2} % of it, where {:.3} % \
             are rounding",
            100.0 * share,
            100.0 * relative_error,
            100.0 * bound
        ),
    };
    Err(Error::Disproven(what))
}

/// Largest relative distance of two products of which one has rounded factors: some three times the
/// error of a value.
fn largest_error(kind: TensorType) -> f64 {
    match kind.name {
        "F32" => 1e-5,
        "F16" => 2e-3,
        "BF16" => 1e-2,
        _ => 0.05,
    }
}

/// What the engine adds at a place.
fn product(place: Place, worn: &AdapterWeights) -> Result<Option<Product>> {
    let linear = |delta: &LinearDelta| {
        let plain = delta.gain.is_none() && delta.bias.is_none();
        (plain, delta.low_rank.as_ref().map(of_linear))
    };
    let found = match place {
        Place::Linear(layer, site) => worn.delta(layer, site).map(linear),
        Place::Embed => worn.embed.as_ref().map(|embed| {
            let plain = embed.weight.is_none() && embed.gain.is_none();
            (plain, embed.low_rank.as_ref().map(of_embedding))
        }),
        Place::Head => worn.head.as_ref().map(|head| {
            let (plain, product) = head.delta.as_ref().map_or((true, None), linear);
            (plain && head.weight.is_none(), product)
        }),
    };
    match found {
        Some((false, _)) => Err(Error::Disproven(format!(
            "`{}` is changed by more than a product of A and B, which is all that a GGUF adapter holds",
            place.path()
        ))),
        Some((true, product)) => Ok(product),
        None => Ok(None),
    }
}

fn of_linear(low_rank: &LowRank) -> Product {
    let (rank, columns) = (low_rank.a.rows(), low_rank.a.cols());
    let y = transposed(&unpacked(&low_rank.a), rank, columns);
    Product { x: unpacked(&low_rank.b), y, rank, scale: low_rank.scale.into() }
}

fn of_embedding(low_rank: &EmbedLowRank) -> Product {
    let y = unpacked(&low_rank.b);
    Product { x: low_rank.a.clone(), y, rank: low_rank.b.cols(), scale: low_rank.scale.into() }
}

fn of_file(pair: &AdapterPair) -> Product {
    let AdapterPair { a, b, rank, scale, .. } = pair;
    let (x, y) = match pair.place {
        Place::Embed => (a.clone(), b.clone()),
        _ => (b.clone(), transposed(a, *rank, a.len() / rank.max(&1))),
    };
    Product { x, y, rank: *rank, scale: f64::from(*scale) }
}

impl Product {
    /// The sum over all values of one product times those of the other.
    fn inner(&self, other: &Self) -> f64 {
        let ranks = (self.rank, other.rank);
        let (x, y) = (gram(&self.x, &other.x, ranks), gram(&self.y, &other.y, ranks));
        self.scale * other.scale * x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>()
    }
}

/// `aᵀ b`, `[ranks.0, ranks.1]`.
fn gram(a: &[f32], b: &[f32], ranks: (usize, usize)) -> Vec<f64> {
    let mut sums = vec![0.0; ranks.0 * ranks.1];
    for (a, b) in a.chunks_exact(ranks.0).zip(b.chunks_exact(ranks.1)) {
        for (a, sums) in a.iter().zip(sums.chunks_exact_mut(ranks.1)) {
            let a = f64::from(*a);
            sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * f64::from(*b));
        }
    }
    sums
}
