"""llama.cpp as the peer of `wardrobe bench peer`: the same bf16 weights, the same work.

Converts a Hugging Face folder (Qwen2 or Qwen3, bf16 or f32) to a bf16 GGUF with the `gguf` package,
loads it with llama-cpp-python, then answers one command a line on standard input:

    run PROMPT_TOKENS GENERATE_TOKENS SEED    ->  {"prefill_seconds": s, "decode_seconds": s}

Decoding is greedy through the low-level C interface, one `llama_decode` a token, so that nothing but
llama.cpp and one argmax is timed. Needs: llama-cpp-python (built with -DGGML_NATIVE=ON), gguf, numpy.

Usage: llama_cpp_peer.py MODEL_DIR GGUF_FILE THREADS CONTEXT_TOKENS
"""

import ctypes
import json
import mmap
import struct
import sys
import time
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from llama_cpp import llama_cpp as lib

ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3}


def read_safetensors(path):
    """Name -> (dtype, shape, bytes) of one file, without copying."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    start = 8 + length
    view = memoryview(data)
    return {
        name: (entry["dtype"], entry["shape"], view[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]])
        for name, entry in header.items()
    }


def read_tensors(model):
    single = model / "model.safetensors"
    if single.exists():
        return read_safetensors(single)
    index = json.loads((model / "model.safetensors.index.json").read_text())
    tensors = {}
    for shard in sorted(set(index["weight_map"].values())):
        tensors.update(read_safetensors(model / shard))
    return tensors


def to_f32(dtype, data):
    if dtype == "F32":
        return np.frombuffer(data, np.float32)
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    sys.exit(f"this script converts BF16 and F32 weights, not {dtype}")


def to_bf16(dtype, data):
    if dtype == "BF16":
        return np.frombuffer(data, np.uint16)
    return gguf.quants.quantize(to_f32(dtype, data), gguf.GGMLQuantizationType.BF16).view(np.uint16)


def add_tensors(writer, config, tensors):
    layers = config["num_hidden_layers"]
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]], layers)
    for name, (dtype, shape, data) in tensors.items():
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new_name is None:
            sys.exit(f"llama.cpp has no place for the tensor {name}")
        if len(shape) == 1:
            writer.add_tensor(new_name, to_f32(dtype, data).copy())
        else:
            # As bytes: the writer then takes the shape in bytes and restores it for the type.
            values = to_bf16(dtype, data).reshape(shape).view(np.uint8)
            writer.add_tensor(new_name, values, raw_dtype=gguf.GGMLQuantizationType.BF16)


def add_vocabulary(writer, model, vocab_size):
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    tokens = [f"[PAD{i}]" for i in range(vocab_size)]
    types = [gguf.TokenType.UNUSED] * vocab_size
    for token, i in tokenizer["model"]["vocab"].items():
        tokens[i], types[i] = token, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], gguf.TokenType.CONTROL
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)


def convert(model, path):
    config = json.loads((model / "config.json").read_text())
    if config["model_type"] not in ARCHITECTURES:
        sys.exit(f"this script converts {sorted(ARCHITECTURES)}, not {config['model_type']}")
    rope = config.get("rope_parameters") or {}
    writer = gguf.GGUFWriter(path, config["model_type"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta") or rope["rope_theta"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    add_vocabulary(writer, model, config["vocab_size"])
    add_tensors(writer, config, read_tensors(model))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return config["vocab_size"]


class Peer:
    """One model and one context of llama.cpp."""

    def __init__(self, path, vocab_size, threads, context):
        self.vocab_size = vocab_size
        self.quiet = lib.llama_log_callback(lambda level, text, data: None)
        lib.llama_log_set(self.quiet, ctypes.c_void_p(0))  # llama.cpp keeps only the address
        lib.llama_backend_init()
        model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
        if not model:
            sys.exit(f"llama.cpp could not load {path}")
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = context
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self.context = lib.llama_init_from_model(model, params)
        if not self.context:
            sys.exit("llama.cpp could not make a context")

    def decode(self, tokens):
        """Runs `tokens` and returns the most probable next one."""
        array = (lib.llama_token * len(tokens))(*tokens)
        if lib.llama_decode(self.context, lib.llama_batch_get_one(array, len(tokens))) != 0:
            sys.exit("llama_decode failed")
        logits = lib.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, (self.vocab_size,)).argmax())

    def run(self, prompt, generate, seed):
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        tokens = np.random.default_rng(seed).integers(0, self.vocab_size, prompt).tolist()
        start = time.perf_counter()
        token = self.decode(tokens)
        prefilled = time.perf_counter()
        for _ in range(generate - 1):
            token = self.decode([token])
        done = time.perf_counter()
        return {"prefill_seconds": prefilled - start, "decode_seconds": done - prefilled}


def main():
    model, path = Path(sys.argv[1]), Path(sys.argv[2])
    threads, context = int(sys.argv[3]), int(sys.argv[4])
    vocab_size = convert(model, path)
    peer = Peer(path, vocab_size, threads, context)
    system = lib.llama_print_system_info().decode().strip()
    ready = {"llama_cpp_python": llama_cpp.__version__, "system": system}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        _, prompt, generate, seed = line.split()
        print(json.dumps(peer.run(int(prompt), int(generate), int(seed))), flush=True)


if __name__ == "__main__":
    main()
