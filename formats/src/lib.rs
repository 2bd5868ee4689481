//! Bytes on disk to typed values and back; every untrusted number is checked. No tensors, no engine.
