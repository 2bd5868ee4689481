"""Records small safetensors files with the reference implementation.

    python record.py        # writes *.safetensors beside this script

Pinned: safetensors==0.8.0, torch==2.15.0.
"""

from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file

assert safetensors.__version__ == "0.8.0", safetensors.__version__
HERE = Path(__file__).parent

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32,
    torch.int64, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
    torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
]  # fmt: skip


def every_dtype():
    """One tensor of each type, named so that neither name nor insertion order is the file's order."""
    tensors = {}
    for i, dtype in enumerate(DTYPES):
        bits = torch.tensor([1, 0, 1], dtype=torch.uint8)
        name = f"{chr(ord('a') + (i * 7) % 26)}.{str(dtype).removeprefix('torch.')}"
        tensors[name] = bits.to(dtype)
    save_file(tensors, HERE / "every_dtype.safetensors", metadata={"format": "pt"})


def floats():
    """The three types that weights have, with the values that are easy to get wrong."""
    values = torch.tensor([[0.0, -0.0, 1.0], [-2.5, 65504.0, 1e-7]])
    special = torch.tensor([float("inf"), float("-inf"), float("nan"), 3.0e38, 1e-40])
    tensors = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        tensors[f"values.{name}"] = values.to(dtype)
        tensors[f"special.{name}"] = special.to(dtype)
    tensors["scalar"] = torch.tensor(7.25)
    tensors["empty"] = torch.zeros(0, 4)
    tensors["ünïcode \"quoted\"\n"] = torch.tensor([1.0])
    save_file(tensors, HERE / "floats.safetensors")


every_dtype()
floats()
