"""Records what ggml's own library makes of numbers that the Rust test generates as well.

Pinned: llama-cpp-python==0.3.36 (its libggml-base.so, compiled for plain x86-64), numpy.
    python record.py > digests.txt

A line is `q TYPE IMPORTANCE` and the first 16 hex digits of the SHA-256 of the quantized bytes,
one digest for each case; or `d TYPE` and that of the de-quantized floats of pseudo-random bytes
(NaN made canonical); or `b TYPE` and the quantized bytes of one ramp.
"""

import ctypes
import hashlib
import pathlib

import llama_cpp
import numpy as np

GGML = ctypes.CDLL(str(pathlib.Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
GGML.ggml_quantize_chunk.restype = ctypes.c_size_t
GGML.ggml_quantize_chunk.argtypes = [
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p,
]
# name: (ggml's number, values of a block, bytes of a block)
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "BF16": (30, 1, 2),
    "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24),
    "Q8_0": (8, 32, 34), "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110),
    "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210),
}
CASES = 20
IMPORTANCES = ["none", "even", "sparse"]
F = np.float32


def words(seed, count):
    """SplitMix64 of a counter, as four 16-bit words each."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return [((z >> np.uint64(16 * i)) & np.uint64(0xFFFF)).astype(np.int64) for i in range(4)]


def power(exponent):
    return F(2.0) ** F(exponent)


def values(case, count):
    a, b, c, d = words(1000 + case, count)
    gauss = (a + b + c + d - 131070).astype(F) * power(-18)
    heavy = (((a * b) >> 16) * c >> 10).astype(F) * power(-22)
    heavy = np.where(d & 1, -heavy, heavy)
    zero = np.where(d & 1, F(-0.0), F(0.0))
    index = np.arange(count)
    return [
        lambda: gauss,
        lambda: heavy,
        lambda: np.zeros(count, F),
        lambda: np.full(count, F(0.7310586)),
        lambda: np.full(count, F(-0.3)),
        lambda: gauss * power(100),
        lambda: gauss * power(127),
        lambda: gauss * power(-100),
        lambda: gauss * power(-120) * power(-20),
        lambda: gauss * power(-22),
        lambda: np.where(index % 97 == 13, gauss * F(1024), gauss),
        lambda: np.where(a & 3, zero, gauss),
        lambda: zero,
        lambda: np.abs(gauss) + F(0.125),
        lambda: -np.abs(gauss) - F(0.125),
        lambda: ((a & 15) - 8).astype(F) * F(0.25),
        lambda: np.where(d & 1, F(-1), F(1)),
        lambda: gauss * np.exp2(-(b & 31)).astype(F),
        lambda: (gauss.view(np.uint32) & np.uint32(0xFFFF0000)).view(F),
        lambda: np.where(index % 256 < 192, F(0), heavy),
    ][case]().astype(F)


def importance(kind, columns):
    a, b, _, _ = words(7, columns)
    even = (a + 1).astype(F) * power(-16)
    return {"none": None, "even": even, "sparse": np.where(b & 1, even, F(0)).astype(F)}[kind]


def quantize(name, x, columns, weights):
    number, block, size = TYPES[name]
    x = np.ascontiguousarray(x, F)
    out = np.full(x.size // block * size, 0xAA, np.uint8)
    weights = None if weights is None else np.ascontiguousarray(weights)
    pointer = None if weights is None else weights.ctypes.data
    GGML.ggml_quantize_chunk(number, x.ctypes.data, out.ctypes.data, 0, x.size // columns, columns, pointer)
    return out.tobytes()


def dequantize_raw(name, data):
    _, block, size = TYPES[name]
    if name == "F32":
        return np.frombuffer(data, F).copy()
    out = np.empty(len(data) // size * block, F)
    plain = {"F16": "ggml_fp16_to_fp32_row", "BF16": "ggml_bf16_to_fp32_row"}
    function = getattr(GGML, plain.get(name, "dequantize_row_" + name.replace("Q", "q", 1)))
    function(ctypes.c_char_p(data), ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(out.size))
    return out


def dequantize(name, data):
    out = dequantize_raw(name, data)
    out[np.isnan(out)] = np.nan
    return out.view(np.uint32)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def shape(name, case):
    """The last case of the blocks of 32 is narrow: rows that are no whole tiles."""
    return (7, 160) if TYPES[name][1] <= 32 and case == CASES - 1 else (5, 768)


def main():
    np.seterr(all="ignore")
    for name in TYPES:
        for kind in IMPORTANCES:
            digests = []
            for case in range(CASES):
                rows, columns = shape(name, case)
                data = quantize(name, values(case, rows * columns), columns, importance(kind, columns))
                digests.append(digest(data))
            print("q", name, kind, *digests)
    for name, (_, block, size) in TYPES.items():
        count = 64 * 256 // block * size
        data = words(3, count)[0].astype(np.uint8).tobytes()
        print("d", name, digest(dequantize(name, data).tobytes()))
    for name, (_, block, _) in TYPES.items():
        length = max(block, 4)
        ramp = (np.arange(length) - F(length // 3)).astype(F) * power(-6)
        print("b", name, quantize(name, ramp, length, None).hex())


if __name__ == "__main__":
    main()
