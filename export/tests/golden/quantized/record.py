"""Records tiny quantized weights and what their reference implementations make of them.

Run once, by hand; the tests read what it leaves beside itself: one NAME.safetensors a case and
cases.json (config.json's quantization_config, torch_dtype, and for each dense tensor the shape, the
reference's output type, the SHA-256 of its little-endian bytes and its first values).

    pip install torch==2.15.0 transformers==5.23.0 accelerate==1.15.0 bitsandbytes==0.50.2 \
        compressed-tensors==0.20.0
    pip download --no-deps auto-gptq==0.7.1 autoawq==0.2.9       # unpack both; neither is installed
    python record.py AUTO_GPTQ_DIR AUTOAWQ_DIR

References: bitsandbytes' dequantize_4bit and int8_vectorwise_dequant, AutoGPTQ's QuantLinear (its
product with the identity), AutoAWQ's dequantize_gemm, compressed-tensors' compressors and
transformers' Fp8Dequantize. The weights' bytes come from the same libraries, but for AutoGPTQ's v2,
which is v1 with every zero point one higher, as GPTQModel converts it.
"""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import torch
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from bitsandbytes.backends.utils import _get_4bit_code
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Qwen2Config
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

HERE = Path(__file__).parent
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
cases = {}


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expect(tensor):
    raw = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return {
        "shape": list(tensor.shape),
        "dtype": NAMES[tensor.dtype],
        "sha256": hashlib.sha256(raw).hexdigest(),
        "first": tensor.flatten()[:2].float().tolist(),
    }


def record(case, config, torch_dtype, tensors, dense):
    save_file({name: t.contiguous() for name, t in tensors.items()}, HERE / f"{case}.safetensors")
    expected = {name: expect(t) for name, t in dense.items()}
    cases[case] = {"quantization_config": config, "torch_dtype": torch_dtype, "dense": expected}


def weight(rows, columns, dtype=torch.float32, scale=0.05):
    return (torch.randn(rows, columns) * scale).to(dtype)


def four_bit():
    config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False}
    plain = [("nf4", torch.bfloat16, 64, False), ("fp4", torch.float16, 64, False)]
    nested = [("nf4", torch.bfloat16, 64, True), ("fp4", torch.float32, 64, True)]
    # Blocks that cross rows: the CPU's kernel does not know them, the portable one and CUDA's do.
    crossing = [("nf4", torch.float16, 128, True), ("nf4", torch.float32, 64, False)]
    for (kind, dtype, size, double), shape in [(c, (16, 128)) for c in plain + nested] + [
        (crossing[0], (15, 72)),
        (crossing[1], (7, 33)),
    ]:
        w = weight(*shape, dtype)
        codes, state = bnb.quantize_4bit(
            w, blocksize=size, compress_statistics=double, quant_type=kind
        )
        absmax = state.absmax
        if double:
            absmax = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
        code = _get_4bit_code(kind, codes.device)
        code = state.code if kind == "fp4" else code
        dense = _dequantize_4bit_compute(codes.reshape(-1), absmax, code, size, w.shape, dtype)
        if shape[1] % size == 0:
            assert torch.equal(dense, bnb.dequantize_4bit(codes, state))
        tensors = {"m.weight": codes}
        for key, value in state.as_dict(packed=True).items():
            tensors[f"m.weight.{key}"] = value
        name = f"{kind}_{NAMES[dtype].lower()}_{shape[1]}{'_double' if double else ''}"
        record(name, config, str(dtype).removeprefix("torch."), tensors, {"m.weight": dense})


def int8():
    config = {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True}
    values, scb, _ = bnb.int8_vectorwise_quant(weight(16, 96, torch.float16))
    dense = bnb.int8_vectorwise_dequant(values, scb)
    tensors = {"m.weight": values, "m.SCB": scb, "m.weight_format": torch.tensor(0, dtype=torch.uint8)}
    record("int8", config, "float16", tensors, {"m.weight": dense})


def gptq(auto_gptq):
    module = load(Path(auto_gptq) / "auto_gptq/nn_modules/qlinear/qlinear_cuda.py", "qlinear_cuda")
    rows, columns, size = 32, 128, 32
    for bits, sym, act in [(2, True, False), (3, False, False), (3, True, True), (4, True, False),
                           (4, False, True), (8, False, False)]:
        linear = torch.nn.Linear(columns, rows, bias=False)
        linear.weight.data = weight(rows, columns)
        top = 2**bits - 1
        order = torch.randperm(columns) if act else torch.arange(columns)
        g_idx = torch.empty(columns, dtype=torch.int32)
        g_idx[order] = torch.arange(columns, dtype=torch.int32) // size
        scales = torch.rand(rows, columns // size) * 0.02 + 0.01
        scales = scales.half().float()
        zeros = torch.full_like(scales, (top + 1) // 2)
        if not sym:
            zeros = torch.randint(1, top + 1, scales.shape).float()
        layer = module.QuantLinear(bits, size, columns, rows, False)
        layer.pack(linear, scales, zeros, g_idx)
        layer.scales = layer.scales.half()
        layer.autogptq_cuda_available = False
        dense = layer(torch.eye(columns).half()).T
        config = {"quant_method": "gptq", "bits": bits, "group_size": size, "sym": sym,
                  "desc_act": act, "checkpoint_format": "gptq"}
        tensors = {f"m.{key}": value for key, value in layer.state_dict().items()}
        name = f"gptq_{bits}{'' if sym else '_asym'}{'_act' if act else ''}"
        record(name, config, "float16", tensors, {"m.weight": dense})
        if bits == 4:
            tensors["m.qzeros"] = tensors["m.qzeros"] + 0x11111111
            if not act:
                del tensors["m.g_idx"]
            config = {**config, "checkpoint_format": "gptq_v2"}
            record(f"{name}_v2", config, "float16", tensors, {"m.weight": dense})


def awq(autoawq):
    packing = load(Path(autoawq) / "awq/utils/packing_utils.py", "packing_utils")
    rows, columns, size = 24, 64, 32
    codes = torch.randint(0, 16, (columns, rows), dtype=torch.int32)
    zeros = torch.randint(0, 16, (columns // size, rows), dtype=torch.int32)
    scales = (torch.rand(columns // size, rows) * 0.02 + 0.01).half()

    def pack(values):
        packed = torch.zeros(values.shape[0], values.shape[1] // 8, dtype=torch.int32)
        for column in range(packed.shape[1]):
            for place, source in enumerate(packing.AWQ_ORDER):
                packed[:, column] |= values[:, column * 8 + source] << (4 * place)
        return packed

    tensors = {"m.qweight": pack(codes), "m.qzeros": pack(zeros), "m.scales": scales}
    dense = packing.dequantize_gemm(tensors["m.qweight"], tensors["m.qzeros"], scales, 4, size).T
    assert torch.equal(dense, ((codes - zeros.repeat_interleave(size, 0)) * scales.repeat_interleave(size, 0)).T)
    config = {"quant_method": "awq", "bits": 4, "group_size": size, "version": "gemm",
              "zero_point": True, "modules_to_not_convert": None}
    record("awq", config, "float16", tensors, {"m.weight": dense})


def compressed():
    bf16, f32, f16 = torch.bfloat16, torch.float32, torch.float16
    args = [
        ("pack-quantized", 4, "int", True, "group", 32, bf16),
        ("pack-quantized", 4, "int", False, "group", 32, f16),
        ("pack-quantized", 8, "int", True, "channel", None, bf16),
        ("pack-quantized", 8, "int", False, "channel", None, f32),
        ("pack-quantized", 3, "int", False, "group", 32, bf16),
        ("pack-quantized", 4, "int", True, "tensor", None, bf16),
        ("int-quantized", 8, "int", True, "channel", None, bf16),
        ("int-quantized", 8, "int", False, "channel", None, f32),
        ("naive-quantized", 8, "float", True, "tensor", None, bf16),
        ("float-quantized", 8, "float", True, "channel", None, f32),
        ("float-quantized", 8, "float", True, "group", 32, f16),
        ("float-quantized", 8, "float", True, "block", [16, 32], bf16),
    ]
    for format, bits, kind, symmetric, strategy, size, dtype in args:
        rows, columns = 20, 96
        keys = {"num_bits": bits, "type": kind, "symmetric": symmetric, "strategy": strategy}
        if strategy == "group":
            keys["group_size"] = size
        if strategy == "block":
            keys["block_structure"] = size
        scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**keys))
        top = 448 if kind == "float" else 2 ** (bits - 1)
        shape = {"tensor": (1,), "channel": (rows, 1), "group": (rows, columns // 32),
                 "block": (2, 3)}[strategy]
        scale = ((torch.rand(shape) + 0.5) * 0.15 / top).to(dtype)
        state = {"weight": weight(rows, columns, dtype), "weight_scale": scale}
        if not symmetric:
            state["weight_zero_point"] = torch.randint(-top // 2, top // 2, shape).to(torch.int8)
        compressor = BaseCompressor.get_value_from_registry(format)
        stored = compressor.compress(state, scheme)
        dense = compressor.decompress(dict(stored), scheme)["weight"]
        config = {
            "quant_method": "compressed-tensors", "format": format, "ignore": ["lm_head"],
            "quantization_status": "compressed", "kv_cache_scheme": None,
            "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": None,
                                          "output_activations": None, "weights": keys}},
        }
        name = f"ct_{format.split('-')[0]}_{kind}{bits}_{strategy}{'' if symmetric else '_asym'}"
        tensors = {f"m.{key}": value for key, value in stored.items()}
        record(name, config, "bfloat16", tensors, {"m.weight": dense})


def fp8():
    reference = Fp8Dequantize(None)
    for name, block, shape, key, dtype in [
        ("fp8_block", [16, 32], (2, 3), "weight_scale_inv", torch.float32),
        ("fp8_block_e8m0", [16, 32], (2, 3), "weight_scale_inv", torch.float8_e8m0fnu),
        ("fp8_tensor", None, (), "weight_scale", torch.float32),
        ("fp8_row", None, (32, 1), "weight_scale", torch.bfloat16),
    ]:
        values = weight(32, 96, scale=100.0).to(torch.float8_e4m3fn)
        scale = torch.rand(shape) * 1e-3 + 1e-4
        scale = scale.to(dtype)
        dense = reference._dequantize_one(values, scale, output_dtype=torch.bfloat16)
        method = "fbgemm_fp8" if name == "fp8_row" else "fp8"
        config = {"quant_method": method, "activation_scheme": "dynamic", "weight_block_size": block}
        tensors = {"m.weight": values, f"m.{key}": scale, "m.input_scale": torch.ones(1)}
        record(name, config, "bfloat16", tensors, {"m.weight": dense})
    every = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    config = {"quant_method": "fp8", "activation_scheme": "static"}
    for name, dtype in [("fp8_every_e4m3", torch.float8_e4m3fn), ("fp8_every_e5m2", torch.float8_e5m2)]:
        # Not-a-numbers have many spellings: left out.
        values = every.masked_fill(every.view(dtype).float().isnan(), 0).view(dtype)
        dense = values.float()
        tensors = {"m.weight": values, "m.weight_scale": torch.ones(())}
        record(name, config, "float32", tensors, {"m.weight": dense})


def whole_model():
    config = Qwen2Config(
        vocab_size=48, hidden_size=64, intermediate_size=128, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False,
        max_position_embeddings=64,
    )
    folder = HERE / "model"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    quantize = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=quantize, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).dequantize()
    state = {name: t.detach() for name, t in dense.state_dict().items()}
    expected = {name: expect(t) for name, t in state.items()}
    cases["model"] = {"dense": expected}
    (folder / "generation_config.json").unlink(missing_ok=True)


torch.manual_seed(0)
four_bit()
int8()
gptq(sys.argv[1])
awq(sys.argv[2])
compressed()
fp8()
whole_model()
lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
(HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
