//! Packages for Ollama: a folder with a GGUF and a Modelfile, or the blobs and manifests of Ollama's
//! store, or an OCI layout of the same blobs; with a Go template that was tested to render what the
//! model's own Jinja renders, and a proof file that says over which conversations.
//!
//! A Go template renders exactly what the Jinja does over [`fn@conversations`]. What Ollama's data cannot
//! carry, and no template can therefore restore, is listed as [`limits`]: the order of a call's
//! arguments and of a tool's parameters (both become Go maps), keywords of a parameter's schema beyond
//! those that Ollama keeps, whole floats (`1.0` becomes `1`), integers beyond 2^53, and neighbouring
//! messages of one role (Ollama joins them).
//!
//! Facts and formats are those of ollama/ollama at `fb30760` (August 2026).
//!
//! What is left out: writing the GGUF files, and rendering Jinja: callers hand in a closure.

mod conversations;
mod family;
mod gguf_facts;
mod image;
mod modelfile;
mod name;
mod oci;
mod package;
mod parameters;
mod printable;
mod proof;
mod store;
mod template;

pub use conversations::{Conversation, RECORDED_ON, conversations, limits};
pub use family::{Family, GoTemplate, Render, Unknown, detect};
pub use gguf_facts::GgufFacts;
pub use image::{Blob, Image, LayerKind, Source};
pub use modelfile::{Instruction, Modelfile, ModelfileError};
pub use name::{BadName, ModelName};
pub use oci::write_oci;
pub use package::{Contents, Package};
pub use parameters::Parameters;
pub use proof::{TemplateChoice, proof};
pub use store::{Store, Written};
