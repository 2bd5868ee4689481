"""Records what llama.cpp makes of four tiny models: `recorded.json` beside this file.

Each model of `models/` gets weights made from its tensors' names (the Rust twin is `export/tests/it/tiny.rs`),
goes through convert_hf_to_gguf.py in the type it is stored in, and from there through llama-quantize to
every type. Kept: the metadata that the converter writes, and of every tensor its type and the beginning of
its bytes' SHA-256, in the order of llama-quantize's file. The same once more with an importance matrix.

    python record.py --llama-cpp DIR     # the tree in llama_cpp_python-0.3.36.tar.gz, with build/bin/llama-quantize

Needs torch, transformers, safetensors, sentencepiece and the tree's own gguf-py.
"""

import argparse
import hashlib
import json
import math
import pathlib
import runpy
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
TOKENIZER = HERE.parents[3] / "checkpoints" / "initial"
TYPES = [
    "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L",
    "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K",
]
WITH_IMPORTANCE = TYPES[3:]
OUTTYPE = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def uniform(name: str, count: int) -> np.ndarray:
    """`count` f32 draws in [-1, 1): splitmix64 seeded with the FNV-1a hash of `name`."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2**64 - 1)
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0).astype(np.float32)


def values(name: str, shape: list[int]) -> np.ndarray:
    """Cubed draws, so that blocks have outliers; every eighth row is small."""
    u = uniform(name, math.prod(shape)).reshape(shape)
    cubed = u * u * u * np.float32(0.25)
    if len(shape) == 1:
        return cubed + np.float32(1.0) if name.endswith("norm.weight") else cubed
    cubed[::8] *= np.float32(1 / 64)
    return cubed


def shapes(config: dict) -> dict[str, list[int]]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim", hidden // config["num_attention_heads"])
    q, kv = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    tensors = {"model.embed_tokens.weight": [config["vocab_size"], hidden]}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        tensors |= {
            at + "input_layernorm.weight": [hidden],
            at + "mlp.down_proj.weight": [hidden, inner],
            at + "mlp.gate_proj.weight": [inner, hidden],
            at + "mlp.up_proj.weight": [inner, hidden],
            at + "post_attention_layernorm.weight": [hidden],
            at + "self_attn.k_proj.weight": [kv, hidden],
            at + "self_attn.o_proj.weight": [hidden, q],
            at + "self_attn.q_proj.weight": [q, hidden],
            at + "self_attn.v_proj.weight": [kv, hidden],
        }
        if config["model_type"] == "qwen2":
            tensors |= {at + f"self_attn.{site}_proj.bias": [n] for site, n in (("q", q), ("k", kv), ("v", kv))}
        if config["model_type"] == "qwen3":
            tensors |= {at + f"self_attn.{site}_norm.weight": [head] for site in "qk"}
    tensors["model.norm.weight"] = [hidden]
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = [config["vocab_size"], hidden]
    return tensors


def write_model(config_file: pathlib.Path, folder: pathlib.Path) -> str:
    """The model's folder; returns the outtype that keeps its values."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    shutil.copy(config_file, folder / "config.json")
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]:
        shutil.copy(TOKENIZER / name, folder / name)
    shutil.copy(HERE / "generation_config.json", folder / "generation_config.json")
    config = json.loads(config_file.read_text())
    dtype = getattr(torch, config["torch_dtype"])
    tensors = {name: torch.from_numpy(values(name, shape)).to(dtype) for name, shape in shapes(config).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return OUTTYPE[config["torch_dtype"]]


def convert(llama_cpp: pathlib.Path, folder: pathlib.Path, outtype: str, to: pathlib.Path) -> None:
    """convert_hf_to_gguf.py in this process, its check of known tokenizers answered with `qwen2`."""
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
    sys.argv = ["convert", str(folder), "--outtype", outtype, "--outfile", str(to)]
    runpy.run_path(str(llama_cpp / "convert_hf_to_gguf.py"), run_name="__main__")


def quantize(llama_cpp: pathlib.Path, source: pathlib.Path, kind: str, to: pathlib.Path, *options: str) -> None:
    program = llama_cpp / "build" / "bin" / "llama-quantize"
    subprocess.run([program, *options, source, to, kind, "1"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tensors_of(path: pathlib.Path) -> list[list[str]]:
    from gguf import GGUFReader

    digest = lambda data: hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()[:12]
    return [[t.name, t.tensor_type.name, digest(t.data)] for t in GGUFReader(path).tensors]


def metadata_of(path: pathlib.Path) -> list[list]:
    from gguf import GGUFReader

    entries = []
    for field in GGUFReader(path).fields.values():
        if field.name.startswith("GGUF."):
            continue
        value = field.contents()
        if isinstance(value, list):
            value = hashlib.sha256("\n".join(map(str, value)).encode()).hexdigest()[:16] + f" of {len(value)}"
        entries.append([field.name, "/".join(kind.name for kind in field.types), value])
    return entries


def importance(names: dict[str, int], path: pathlib.Path) -> None:
    """An importance matrix of made-up sums of squares over 8 tokens."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "imatrix")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["made up"])
    writer.add_uint32("imatrix.chunk_count", 2)
    writer.add_uint32("imatrix.chunk_size", 4)
    for name, columns in names.items():
        sums = np.square(uniform(name + ".in_sum2", columns)) * np.float32(8)
        writer.add_tensor(name + ".in_sum2", sums.reshape(1, columns))
        writer.add_tensor(name + ".counts", np.full((1, 1), 8, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def record(llama_cpp: pathlib.Path, model: pathlib.Path, work: pathlib.Path) -> dict:
    folder = work / model.stem
    outtype = write_model(model, folder)
    source = work / f"{model.stem}.gguf"
    convert(llama_cpp, folder, outtype, source)
    made = {}

    def keep(label: str, path: pathlib.Path) -> None:
        found = tensors_of(path)
        result.setdefault("tensors", [name for name, _, _ in found])
        assert result["tensors"] == [name for name, _, _ in found]
        made[label] = [f"{kind} {digest}" for _, kind, digest in found]
        path.unlink()

    result = {"metadata": metadata_of(source)}
    to = work / "out.gguf"
    for kind in TYPES:
        if kind in ("F32", "F16", "BF16"):
            converted = work / "converted.gguf"
            convert(llama_cpp, folder, kind.lower(), converted)
            quantize(llama_cpp, converted, "COPY", to)
        else:
            quantize(llama_cpp, source, kind, to)
        keep(kind, to)
    if model.stem in ("qwen2", "qwen3", "llama"):
        from gguf import GGUFReader

        weighed = {t.name: int(t.shape[0]) for t in GGUFReader(source).tensors if t.name.startswith("blk.") and len(t.shape) == 2}
        importance(weighed, work / "imatrix.gguf")
        for kind in WITH_IMPORTANCE:
            quantize(llama_cpp, source, kind, to, "--imatrix", str(work / "imatrix.gguf"))
            keep(f"{kind} with importance", to)
    return {**result, "types": made}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True)
    llama_cpp = parser.parse_args().llama_cpp.resolve()
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    with tempfile.TemporaryDirectory() as work:
        models = sorted((HERE / "models").glob("*.json"))
        recorded = {model.stem: record(llama_cpp, model, pathlib.Path(work)) for model in models}
    (HERE / "recorded.json").write_text(json.dumps(recorded, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
