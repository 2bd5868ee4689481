//! A look at what a pass multiplies, for who measures a model on a text. Sees, never changes.

use super::Site;

/// Is shown the inputs of every linear of every layer of a pass; see [`super::Pass::observed`].
pub trait Observer {
    /// The linears at `sites` of layer `layer` are about to multiply `x`, row-major
    /// `[rows, columns]`. A site is seen once a pass.
    fn inputs(&self, layer: usize, sites: &[Site], x: &[f32], columns: usize);
}
