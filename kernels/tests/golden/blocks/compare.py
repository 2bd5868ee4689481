"""Compares the codecs with ggml's own on random numbers: bytes, and speed on one core.

Pinned as record.py is; build the example first, then:
    cargo build --release -p kernels --example quantize
    python compare.py target/release/examples/quantize [MILLIONS OF VALUES]
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

import record


def random(rng, shape):
    """Weights with rows of different size, some outliers, some zeros."""
    x = rng.standard_t(5, shape).astype(np.float32) * np.float32(0.02)
    x *= np.exp(rng.normal(0, 1, (shape[0], 1))).astype(np.float32)
    x[rng.random(shape) < 1e-3] *= 50
    x[rng.random(shape) < 1e-3] = 0
    return x


def best(body):
    times = []
    for _ in range(3):
        start = time.thread_time()
        body()
        times.append(time.thread_time() - start)
    return min(times)


def compare(program, folder, name, x, weights):
    paths = [str(folder / part) for part in ("values", "out", "importance")]
    x.tofile(paths[0])
    args = [program, name, str(x.shape[1]), paths[0], paths[1]]
    if weights is not None:
        weights.tofile(paths[2])
        args.append(paths[2])
    ours, ours_back = map(int, subprocess.run(args, check=True, capture_output=True).stdout.split())
    data = pathlib.Path(paths[1]).read_bytes()
    expected = record.quantize(name, x, x.shape[1], weights)
    theirs = best(lambda: record.quantize(name, x, x.shape[1], weights))
    theirs_back = best(lambda: record.dequantize_raw(name, expected))
    equal = "equal" if data == expected else "DIFFERENT"
    print(f"{name:5} {'imatrix' if weights is not None else '':8}{equal:10}"
          f"quantize {ours / x.size:7.2f} ns a value, ggml {theirs * 1e9 / x.size:7.2f}: "
          f"{theirs * 1e9 / ours:5.1f} times; back {ours_back / x.size:5.2f}, "
          f"ggml {theirs_back * 1e9 / x.size:5.2f}: {theirs_back * 1e9 / ours_back:5.1f} times", flush=True)
    return data == expected


def main():
    program, millions = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 4
    rng = np.random.default_rng(5)
    columns = 4864
    x = random(rng, (int(millions * 1e6) // columns, columns))
    weights = rng.gamma(0.5, 1, columns).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        equal = [
            compare(program, pathlib.Path(folder), name, x, w)
            for name in record.TYPES for w in (None, weights)
        ]
    sys.exit(not all(equal))


main()
