"""Records what transformers computes for tiny models of every shape that Wardrobe reads.

    pip install -r requirements.txt && python record.py

Each case is a folder: `config.json` as transformers 4 or 5 writes it, `tensors.json` (name -> shape; the
values come from `weights.py`) and `expected.safetensors`: `ids` [n], `positions` [p], `logits` [p, vocab].
`generator.json` beside them pins the generator: names with shapes and the bits of the first values.
All arithmetic is f32, on the eager attention path. Bit patterns differ a little between machines; the tests
allow 1e-4.
"""

import json
import os
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from weights import check_versions, fill, token_ids, values

HERE = pathlib.Path(__file__).parent


def config(kind: str, hidden: int, heads: int, kv: int, head_dim: int | None, **more) -> dict:
    """The fields every case has; `more` overrides and adds."""
    base = {
        "architectures": [{"qwen2": "Qwen2", "qwen3": "Qwen3", "llama": "Llama"}[kind] + "ForCausalLM"],
        "model_type": kind,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": 152,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "vocab_size": 160,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.02,
        "attention_dropout": 0.0,
        "use_cache": True,
    }
    if head_dim is not None:
        base["head_dim"] = head_dim
    if kind != "llama":
        base |= {"use_sliding_window": False, "sliding_window": None, "max_window_layers": 28}
    return base | more


def v4(theta: float, scaling: dict | None, dtype: str = "float32") -> dict:
    """Rope and dtype as transformers 4 wrote them."""
    return {"rope_theta": theta, "rope_scaling": scaling, "torch_dtype": dtype, "transformers_version": "4.57.3"}


def v5(theta: float, scaling: dict | None = None, dtype: str = "float32") -> dict:
    """Rope and dtype as transformers 5 writes them."""
    rope = {"rope_theta": theta, "rope_type": "default"} | (scaling or {})
    return {
        "rope_parameters": rope,
        "dtype": dtype,
        "layer_types": ["full_attention"] * 2,
        "transformers_version": "5.23.0",
    }


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"factor": 4.0, "original_max_position_embeddings": 32}

# name -> (config, length of the context)
CASES: dict[str, tuple[dict, int]] = {
    # Qwen2.5-0.5B in small: 14 query heads on 2, tied, biases on q, k, v.
    "qwen2_tied_gqa7": (config("qwen2", 112, 14, 2, None, tie_word_embeddings=True) | v4(1e6, None), 100),
    # The true width of Qwen2.5-0.5B (896 is no multiple of 256), one layer, untied.
    "qwen2_896_untied": (
        config("qwen2", 896, 14, 2, None, num_hidden_layers=1, intermediate_size=320, vocab_size=96)
        | v5(1e6)
        | {"layer_types": ["full_attention"]},
        40,
    ),
    "qwen2_yarn_attention_factor": (
        config("qwen2", 64, 4, 2, None)
        | v4(1e4, {"type": "yarn", "attention_factor": 1.25, "beta_fast": 16, "beta_slow": 2, **YARN}),
        100,
    ),
    # head_dim 32 where hidden/heads is 16.
    "qwen3_untied_gqa2": (config("qwen3", 64, 4, 2, 32) | v5(1e6), 100),
    "qwen3_tied_gqa1": (config("qwen3", 96, 3, 3, 16, tie_word_embeddings=True) | v4(1e6, None), 100),
    "qwen3_yarn": (config("qwen3", 64, 4, 1, 32) | v5(1e6, {"rope_type": "yarn", **YARN}), 100),
    # Weights that bf16 holds exactly, so that packing them as bf16 loses nothing.
    "qwen3_bf16": (config("qwen3", 72, 4, 2, 16, tie_word_embeddings=True) | v5(1e6, dtype="bfloat16"), 40),
    "qwen3_attention_bias": (config("qwen3", 64, 2, 1, 24, attention_bias=True) | v4(1e4, None), 40),
    "llama_tied_llama3": (config("llama", 80, 4, 2, 20, tie_word_embeddings=True) | v4(5e5, LLAMA3), 100),
    "llama_untied_llama3": (config("llama", 96, 6, 3, None) | v5(5e5, LLAMA3), 100),
    "llama_linear_biases": (
        config("llama", 64, 4, 4, None, attention_bias=True, mlp_bias=True)
        | v4(1e4, {"type": "linear", "factor": 2.5}),
        100,
    ),
    "llama_yarn_mscale": (
        config("llama", 64, 4, 2, None)
        | v5(1e4, {"rope_type": "yarn", "mscale": 1.0, "mscale_all_dim": 0.7, "truncate": False, **YARN}),
        100,
    ),
}


def record(name: str, cfg: dict, length: int) -> float:
    """Writes one case; returns its largest |logit|."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(cfg, indent=2) + "\n")
    loaded = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(loaded, dtype=torch.float32, attn_implementation="eager").eval()
    dtype = torch.bfloat16 if "bfloat16" in (cfg.get("dtype"), cfg.get("torch_dtype")) else torch.float32
    shapes = fill(model, dtype)
    lines = ",\n".join(f'  "{key}": {shape}' for key, shape in sorted(shapes.items()))
    (folder / "tensors.json").write_text("{\n" + lines + "\n}\n")
    ids = token_ids(name, length, cfg["vocab_size"])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    # The first rows, both sides of a block edge (blocks hold 32 tokens), the last row.
    positions = torch.tensor([p for p in (0, 1, 15, 31, 32, 63, 64, 65) if p < length - 1] + [length - 1])
    tensors = {"ids": ids[0].contiguous(), "positions": positions, "logits": logits[positions].contiguous()}
    save_file(tensors, folder / "expected.safetensors")
    return logits.abs().max().item()


def record_generator() -> None:
    """Bits of the first four values of one tensor of each kind."""
    names = {"model.norm.weight": [8], "a.q_proj.bias": [8], "model.embed_tokens.weight": [9, 7], "a.q_proj.weight": [5, 7]}
    pins = []
    for name, shape in names.items():
        bits = values(name, shape, torch.float32).flatten()[:4].view(torch.int32).tolist()
        pins.append({"name": name, "shape": shape, "bits": [b & 0xFFFFFFFF for b in bits]})
    lines = ",\n".join("  " + json.dumps(pin) for pin in pins)
    (HERE / "generator.json").write_text("[\n" + lines + "\n]\n")


def main() -> None:
    check_versions()
    record_generator()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    for name, (cfg, length) in CASES.items():
        print(f"{name}: largest |logit| {record(name, cfg, length):.2f}")


if __name__ == "__main__":
    main()
