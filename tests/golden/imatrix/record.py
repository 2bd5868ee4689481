"""Records llama-imatrix's sums over `text.txt` for tiny models: one NAME.gguf each.

The models are those of `tests/golden/gguf_source`, widened to F32 by llama-quantize, so that llama.cpp
multiplies in f32 as the reference should; keys and values are kept in f32 too.

    python record.py LLAMA_CPP    # the tree in llama_cpp_python-0.3.36.tar.gz, its tools built in build/
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = Path(sys.argv[1]) / "build" / "bin"
CONTEXT = {"qwen2": 32, "qwen3": 32, "llama3": 48}
EXACT = ["-fa", "off", "-ctk", "f32", "-ctv", "f32", "-t", "1"]


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, cwd=HERE)


with tempfile.TemporaryDirectory() as scratch:
    for name, context in CONTEXT.items():
        wide = Path(scratch) / f"{name}.gguf"
        run(TOOLS / "llama-quantize", "--allow-requantize", HERE.parent / "gguf_source" / wide.name, wide, "F32")
        size = ["-c", context, "-b", context, "-ub", context]
        out = ["-f", "text.txt", "-o", f"{name}.gguf", "--process-output", "--no-ppl"]
        run(TOOLS / "llama-imatrix", "-m", wide, *out, *size, *EXACT)
