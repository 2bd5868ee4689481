"""Records config.json files as transformers writes them, and what it makes of them.

    python record.py        # once with each transformers below; writes saved.v4.json or saved.v5.json,
                            # expected.v5.json and read_back.v4.json or read_back.v5.json

Pinned: transformers==4.57.3 (no torch needed) and transformers==5.23.0 with torch==2.15.0.

`written.json` holds what ModelConfig::to_json gives for each case (the test holds it to that); here it
is only read, to record what both transformers make of it.
"""

import json
import tempfile
from pathlib import Path

import transformers
from transformers import AutoConfig, LlamaConfig, Qwen2Config, Qwen3Config

MAJOR = int(transformers.__version__.split(".")[0])
assert transformers.__version__ in ("4.57.3", "5.23.0"), transformers.__version__
HERE = Path(__file__).parent

QWEN25 = dict(
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
    num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768,
    rope_theta=1000000.0, tie_word_embeddings=True, bos_token_id=151643, eos_token_id=151645,
    use_sliding_window=False, sliding_window=32768, max_window_layers=21,
)  # fmt: skip
QWEN3 = dict(
    vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28,
    num_attention_heads=16, num_key_value_heads=8, head_dim=128, max_position_embeddings=40960,
    rope_theta=1000000, tie_word_embeddings=True, bos_token_id=151643, eos_token_id=151645,
)  # fmt: skip
SMOLLM2 = dict(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
    num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5,
    rope_theta=100000, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
)  # fmt: skip
LLAMA32 = dict(
    vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
    num_attention_heads=32, num_key_value_heads=8, head_dim=64, max_position_embeddings=131072,
    rms_norm_eps=1e-5, rope_theta=500000.0, tie_word_embeddings=True, bos_token_id=128000,
    eos_token_id=[128001, 128008, 128009],
    rope_scaling=dict(
        rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192,
    ),
)  # fmt: skip


def yarn(**fields):
    return dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32768, **fields)


CASES = {
    "qwen2.5-0.5b": (Qwen2Config, {**QWEN25, "torch_dtype": "bfloat16"}),
    "qwen2-defaults": (Qwen2Config, {}),
    "qwen2.5-yarn": (Qwen2Config, {**QWEN25, "max_position_embeddings": 131072, "rope_scaling": yarn()}),
    "qwen3-0.6b": (Qwen3Config, {**QWEN3, "torch_dtype": "bfloat16"}),
    "qwen3-defaults": (Qwen3Config, {}),
    "qwen3-biased": (Qwen3Config, {**QWEN3, "attention_bias": True, "tie_word_embeddings": False}),
    "qwen3-yarn-mscale": (
        Qwen3Config,
        {**QWEN3, "rope_scaling": yarn(mscale=0.707, mscale_all_dim=1.2, beta_fast=24, beta_slow=2, truncate=False)},
    ),
    "qwen3-yarn-attention-factor": (Qwen3Config, {**QWEN3, "rope_scaling": yarn(attention_factor=1.25)}),
    "smollm2-135m": (LlamaConfig, {**SMOLLM2, "torch_dtype": "float32"}),
    "llama-defaults": (LlamaConfig, {}),
    "llama-3.2-1b": (LlamaConfig, {**LLAMA32, "torch_dtype": "float16"}),
    "llama-biased": (LlamaConfig, {**SMOLLM2, "attention_bias": True, "mlp_bias": True, "bos_token_id": None}),
    "llama-linear": (LlamaConfig, {**SMOLLM2, "rope_scaling": dict(rope_type="linear", factor=2.5)}),
}


def saved(config_class, kwargs):
    config = config_class(**kwargs)
    config.architectures = [config_class.__name__.replace("Config", "ForCausalLM")]
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        return json.loads((Path(folder) / "config.json").read_text())


def load(config):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        return AutoConfig.from_pretrained(folder)


def resolved(config):
    """What the modelling code reads."""
    eos = config.eos_token_id
    dtype = getattr(config, "dtype", None) or getattr(config, "torch_dtype", None)
    return dict(
        architecture=config.architectures[0],
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        tie_word_embeddings=config.tie_word_embeddings,
        initializer_range=config.initializer_range,
        dtype=None if dtype is None else str(dtype).removeprefix("torch."),
        bos_token_id=config.bos_token_id,
        eos_token_ids=[] if eos is None else eos if isinstance(eos, list) else [eos],
        pad_token_id=config.pad_token_id,
        rope=rope(config),
    )


def rope(config):
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None:  # transformers 4
        parameters = dict(config.rope_scaling or {}, rope_theta=config.rope_theta)
    return {"rope_type": parameters.get("rope_type", "default"), **parameters}


def biases(config):
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        layer = AutoModelForCausalLM.from_config(config).model.layers[0]
    has = lambda module: module.bias is not None
    assert has(layer.self_attn.q_proj) == has(layer.self_attn.k_proj) == has(layer.self_attn.v_proj)
    assert has(layer.mlp.gate_proj) == has(layer.mlp.up_proj) == has(layer.mlp.down_proj)
    return dict(
        qkv_bias=has(layer.self_attn.q_proj),
        o_bias=has(layer.self_attn.o_proj),
        mlp_bias=has(layer.mlp.gate_proj),
        qk_norm=hasattr(layer.self_attn, "q_norm"),
    )


def attention_factor(config):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    kind = config.rope_parameters["rope_type"]
    return 1.0 if kind == "default" else float(ROPE_INIT_FUNCTIONS[kind](config)[1])


def dump(name, cases):
    """One case a line."""
    lines = [f" {json.dumps(case)}: {json.dumps(value)}" for case, value in cases.items()]
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


configs = {name: saved(*case) for name, case in CASES.items()}
dump(f"saved.v{MAJOR}.json", configs)
if MAJOR == 5:
    expected = {}
    for name, config in configs.items():
        config = load(config)
        factor = attention_factor(config)
        expected[name] = {**resolved(config), **biases(config), "attention_factor": factor}
    dump("expected.v5.json", expected)
written = json.loads((HERE / "written.json").read_text())
dump(f"read_back.v{MAJOR}.json", {name: resolved(load(config)) for name, config in written.items()})
