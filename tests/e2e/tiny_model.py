"""Writes a tiny random model and an adapter for it, for driving the server where no real model is.

    python3 tiny_model.py DIR

makes DIR/initial (a Qwen3-architecture base with a byte-level tokenizer and a ChatML template) and the
adapter DIR/sft. Standard library only; the same seed gives the same bytes.
The text it writes is noise.
"""

import json
import math
import pathlib
import random
import struct
import sys

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, MLP = 64, 2, 4, 2, 16, 128
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "</think>"]
VOCAB = 256 + len(SPECIALS) + len(ADDED) + 3  # three rows of padding, as real models have

TEMPLATE = """{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""


def byte_alphabet():
    """GPT-2's byte -> character table."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(0x100 + extra)
            extra += 1
    return table


def tokenizer():
    vocab = {char: byte for byte, char in byte_alphabet().items()}
    added = [
        {
            "id": 256 + i, "content": text, "special": text in SPECIALS, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
        }
        for i, text in enumerate(SPECIALS + ADDED)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": [],
        },
    }


def safetensors(path, tensors):
    """tensors: name -> (shape, floats), written as F32."""
    header, offset, body = {}, 0, []
    for name, (shape, values) in tensors.items():
        data = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        body.append(data)
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(body))


def matrix(rng, rows, columns, gain=1.0):
    scale = gain / math.sqrt(columns)
    return [rows, columns], [rng.gauss(0, scale) for _ in range(rows * columns)]


def ones(count):
    return [count], [1.0] * count


def sites():
    return {
        "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN), "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
        "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
        "mlp.gate_proj": (MLP, HIDDEN), "mlp.up_proj": (MLP, HIDDEN), "mlp.down_proj": (HIDDEN, MLP),
    }


def base(folder):
    rng = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"model.embed_tokens.weight": matrix(rng, VOCAB, HIDDEN, math.sqrt(HIDDEN))}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for site, (rows, columns) in sites().items():
            tensors[f"{prefix}{site}.weight"] = matrix(rng, rows, columns)
        for name, count in [("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN),
                            ("self_attn.q_norm", HEAD_DIM), ("self_attn.k_norm", HEAD_DIM)]:
            tensors[f"{prefix}{name}.weight"] = ones(count)
    tensors["model.norm.weight"] = ones(HIDDEN)
    shape, head = matrix(rng, VOCAB, HIDDEN, 3.0)
    for row in range(VOCAB):
        if not 0x20 <= row < 0x7F:  # printable ASCII is likelier, so that the noise can be read
            head[row * HIDDEN:(row + 1) * HIDDEN] = [v * 0.3 for v in head[row * HIDDEN:(row + 1) * HIDDEN]]
    tensors["lm_head.weight"] = (shape, head)
    safetensors(folder / "model.safetensors", tensors)
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": VOCAB, "hidden_size": HIDDEN,
        "intermediate_size": MLP, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "hidden_act": "silu",
        "max_position_embeddings": 1024, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "attention_bias": False, "torch_dtype": "float32", "eos_token_id": 258, "bos_token_id": 256,
    }
    text = {
        "config.json": config,
        "generation_config.json": {"eos_token_id": [258, 256], "pad_token_id": 256},
        "tokenizer.json": tokenizer(),
        "tokenizer_config.json": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    }
    for name, value in text.items():
        (folder / name).write_text(json.dumps(value))
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def adapter(folder, seed, rank=4):
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    targets = ["q_proj", "v_proj", "down_proj"]
    tensors = {}
    for layer in range(LAYERS):
        for site, (rows, columns) in sites().items():
            if site.split(".")[1] in targets:
                prefix = f"base_model.model.model.layers.{layer}.{site}."
                tensors[prefix + "lora_A.weight"] = matrix(rng, rank, columns)
                tensors[prefix + "lora_B.weight"] = matrix(rng, rows, rank)
    safetensors(folder / "adapter_model.safetensors", tensors)
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "initial", "r": rank,
        "lora_alpha": 2 * rank, "lora_dropout": 0.0, "bias": "none", "target_modules": targets, "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))


def main():
    root = pathlib.Path(sys.argv[1])
    base(root / "initial")
    adapter(root / "sft", 100)


if __name__ == "__main__":
    main()
