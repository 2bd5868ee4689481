"""Weights that Python and Rust both make from a tensor's name, so that none need be committed.

A tensor's stream is splitmix64 seeded with the FNV-1a hash of its name; draw i is the 24 high bits of
output i as u in [-1, 1), exact in f32. What u becomes depends on the name and shape alone (`values`).
The Rust twin is `tests/it/tiny.rs`; the two agree to the bit.
"""

import importlib.metadata
import math
import pathlib

import numpy as np
import torch


def check_versions() -> None:
    """Refuses to record with any other version than `requirements.txt` pins."""
    pins = pathlib.Path(__file__).with_name("requirements.txt").read_text().splitlines()
    for pin in (line for line in pins if line and not line.startswith("#")):
        name, version = pin.split("==")
        found = importlib.metadata.version(name).split("+")[0]
        assert found == version, f"{name} {found} is installed, {version} is pinned"


def uniform(name: str, count: int) -> np.ndarray:
    """`count` f32 draws in [-1, 1)."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2**64 - 1)
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0).astype(np.float32)


def values(name: str, shape: list[int], dtype: torch.dtype) -> torch.Tensor:
    """The tensor `name`: norms around 1, biases and embeddings up to 0.5, matrices of unit gain."""
    u = uniform(name, math.prod(shape)).reshape(shape)
    if name.endswith("norm.weight"):
        w = np.float32(1.0) + np.float32(0.5) * u
    elif name.endswith(".bias") or "embed_tokens" in name:
        w = np.float32(0.5) * u
    else:
        w = np.float32(math.sqrt(3.0 / shape[1])) * u
    return torch.from_numpy(w).to(dtype)


def fill(model: torch.nn.Module, dtype: torch.dtype) -> dict[str, list[int]]:
    """Gives every parameter its made value (rounded to `dtype`, kept f32); returns names and shapes."""
    shapes = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shapes[name] = list(parameter.shape)
            parameter.copy_(values(name, shapes[name], dtype).float())
    return shapes


def token_ids(name: str, count: int, vocab: int) -> torch.Tensor:
    """`count` token ids [1, count]."""
    u = uniform("ids of " + name, count).astype(np.float64)
    return torch.from_numpy(((u + 1.0) / 2.0 * vocab).astype(np.int64)).reshape(1, count)
