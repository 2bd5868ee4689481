//! The proof that a written package is what was served: base + adapters on one side, the package's own
//! bytes on the other.
//!
//! * [`prove_weights`]: module by module, how much of each adapter's change the package carries, and
//!   how far its values lie from what they should be; found by regression over every value, so that
//!   the answer stands however coarse the package's types are;
//! * [`Verdict`]: the figures against their bounds.
//!
//! The adapters' side comes from what the engine wears (`adapters`), not from the code that merged.
//! What is left out: writing packages (`export`).

mod bounds;
mod carried;
mod error;
mod served;
mod weights;

pub use bounds::{Rounding, Verdict};
pub use carried::Carried;
pub use error::{Error, Result};
pub use weights::{ModuleProof, Package, WeightsProof, prove_weights};
