"""Records which type llama.cpp gives each tensor of three real models: `mixtures.json` beside this file.

llama.cpp keeps these lists as its own regression test, tests/snapshots/*.schema; here they are kept for the types
that we write, layers folded into lists.

    python mixtures.py --llama-cpp DIR     # the tree in llama_cpp_python-0.3.36.tar.gz
"""

import argparse
import json
import pathlib
import re

MODELS = {"qwen3-0.6b": "qwen3", "qwen3-14b": "qwen3", "meta-llama-3.1-70b-instruct": "llama"}
TYPES = (
    "F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K".split()
)


def record(path: pathlib.Path) -> dict:
    lines = path.read_text().splitlines()
    facts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", lines[1])}
    types, current = {}, None
    for line in lines[2:]:
        if head := re.fullmatch(r"\[(\w+)\] (\w+)", line):
            current = {"default": head[2].upper(), "others": {}}
            if head[1] in TYPES:
                types[head[1]] = current
        elif line:
            name, kind = line.split()
            layer = re.match(r"blk\.(\d+)\.(.*)", name)
            key = f"{layer[2] if layer else name} {kind.upper()}"
            current["others"].setdefault(key, []).append(int(layer[1]) if layer else 0)
    return {"facts": facts, "types": types}


parser = argparse.ArgumentParser()
parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
snapshots = parser.parse_args().llama_cpp / "tests" / "snapshots"
recorded = {name: {"architecture": kind, **record(snapshots / f"{name}.schema")} for name, kind in MODELS.items()}
pathlib.Path(__file__).with_name("mixtures.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")
