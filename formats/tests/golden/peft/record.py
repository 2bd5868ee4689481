"""Records what PEFT makes of LoRA configurations: which modules wear A and B, with which rank, alpha
and scale, and under which names their tensors are saved.

    python record.py        # writes cases.json, matching.json and read_back.json beside this script

Pinned: peft==0.21.2, transformers==5.23.0, torch==2.15.0.

`written.json` holds what AdapterConfig::to_json gives (the test holds it to that); here it is only read,
to record what PEFT makes of it.
"""

import copy
import json
import re
import tempfile
import warnings
from pathlib import Path

import peft
import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers import Qwen3Config, Qwen3ForCausalLM

assert peft.__version__ == "0.21.2", peft.__version__
HERE = Path(__file__).parent
warnings.filterwarnings("ignore")

SIZES = dict(
    vocab_size=24, hidden_size=16, intermediate_size=20, num_hidden_layers=3, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=32,
)  # fmt: skip
MODELS = {
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=10)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "tied": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True)),
}
QV = ["q_proj", "v_proj"]
CASES = {
    "list": ("qwen2", dict(r=4, lora_alpha=8, target_modules=QV)),
    "default-targets": ("qwen3", dict(r=4)),
    "full-names": (
        "llama",
        dict(r=2, target_modules=["model.layers.1.mlp.down_proj", "self_attn.k_proj"], layers_to_transform=[2]),
    ),
    "regex": ("qwen2", dict(target_modules=r"model\.layers\.[02]\..*(?<!k)_proj")),
    "regex-partial-does-not-match": ("qwen2", dict(target_modules=r".*\.1\.self_attn\.(q|k)_proj")),
    "all-linear": ("qwen3", dict(target_modules="All-Linear")),
    "exclude-list": ("llama", dict(target_modules="all-linear", exclude_modules=["up_proj", "model.layers.0.mlp.gate_proj"])),
    "exclude-regex": ("qwen2", dict(target_modules=QV, exclude_modules=r"model\.layers\.1\..*")),
    "one-layer": ("qwen2", dict(target_modules=QV, layers_to_transform=1)),
    "layers": ("qwen2", dict(target_modules=QV, layers_to_transform=[0, 2])),
    "no-layers-means-all": ("qwen2", dict(target_modules=QV, layers_to_transform=[])),
    "layers-pattern": ("qwen2", dict(target_modules=QV, layers_to_transform=[2], layers_pattern="layers")),
    "layers-patterns": ("llama", dict(target_modules=QV, layers_to_transform=[0], layers_pattern=["blocks", "layers"])),
    "rank-pattern": (
        "qwen2",
        dict(
            r=8, lora_alpha=16, target_modules=QV + ["o_proj"],
            rank_pattern={"q_proj": 2, r"layers\.1\.self_attn\.v_proj": 3, "^model.layers.2.self_attn.o_proj": 5, "proj": 7},
            alpha_pattern={r".*\.2\..*": 6, "o_proj|v_proj": 12},
        ),
    ),
    "rslora": ("llama", dict(r=8, lora_alpha=16, use_rslora=True, target_modules=QV, rank_pattern={"v_proj": 3}, alpha_pattern={"q_proj": 5})),
    "dora": ("qwen3", dict(r=2, use_dora=True, target_modules=QV)),
    "lora-bias": ("qwen2", dict(r=2, lora_bias=True, target_modules=QV)),
    "bias-all": ("qwen2", dict(r=2, bias="all", target_modules=["q_proj", "o_proj"])),
    "bias-lora-only": ("qwen2", dict(r=2, bias="lora_only", target_modules=["q_proj", "o_proj"])),
    "saved-modules": ("qwen2", dict(r=2, target_modules=QV, modules_to_save=["embed_tokens", "lm_head"])),
    "saved-container": ("qwen2", dict(r=2, target_modules="all-linear", modules_to_save=["self_attn"])),
    "saved-by-the-end-of-a-name": ("qwen2", dict(r=2, target_modules=QV, modules_to_save=["norm", "head"])),
    "saved-alternatives": ("llama", dict(r=2, target_modules=QV + ["o_proj"], modules_to_save=["lm_head", "v_proj|o_proj"])),
    "tied-saved": ("tied", dict(r=2, target_modules=QV, modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    "tied-targets": ("tied", dict(r=2, target_modules=["embed_tokens", "q_proj"], ensure_weight_tying=True)),
    "tied-but-not-ensured": ("tied", dict(r=2, target_modules=QV, modules_to_save=["embed_tokens"])),
    "head": ("qwen2", dict(r=2, target_modules=["lm_head", "q_proj"])),
    "dora-embedding": ("tied", dict(r=2, use_dora=True, target_modules=["embed_tokens", "q_proj"])),
    "embedding": ("llama", dict(r=2, target_modules=["embed_tokens", "q_proj"])),
    "velora": ("llama", dict(r=2, target_modules=QV, velora_config=dict(num_groups=4))),
    "gaussian": ("llama", dict(r=2, target_modules=QV, init_lora_weights="gaussian")),
    "orthogonal": ("llama", dict(r=2, target_modules=QV, init_lora_weights="orthogonal")),
}  # fmt: skip

# (configuration, names): matching by itself, on names that no small model has.
MATCHING = [
    (dict(target_modules=["q_proj", "a.b"]), ["q_proj", "xq_proj", "x.q_proj", "a.b", "c.a.b", "ca.b", "q_proj.x", ""]),
    (dict(target_modules=["w"], layers_to_transform=[1]),
     ["w", "layers.1.w", "m.layers.1.w", "m.layers.2.w", "m.layers.1.experts.2.w", "m.layers.2.experts.1.w", "1.1.1.w", "m.l.x1.w", "m.1.w", "..1.w"]),
    (dict(target_modules=["w"], layers_to_transform=[1], layers_pattern=["h", "layers"]),
     ["h.1.w", "layers.1.w", "m.h.1.w", "m.layers.1.h.2.w", "m.h.2.layers.1.w", "xh.1.w", "m.other.1.w"]),
    (dict(target_modules=["w"], layers_to_transform=[3], layers_pattern=r"(?:blocks|h)"), ["m.h.3.w", "m.blocks.3.w", "m.h.4.w"]),
    (dict(target_modules="(?i).*Q_PROJ"), ["m.q_proj", "m.q_proj.x"]),
    (dict(target_modules=r"a|ab"), ["a", "ab", "abc"]),
    (dict(target_modules=r"(?P<x>a+)-(?P=x)"), ["aa-aa", "aa-a"]),
    (dict(target_modules=r"(?!.*head).*proj"), ["m.head.proj", "m.tail.proj"]),
    (dict(target_modules=["w"], modules_to_save=["head", r"l\d"]), ["m.head.w", "head", "m.ahead.w", "m.l3.w", "m.l3x.w", "l3.w"]),
    (dict(target_modules=["w"], modules_to_save=["a|b"]), ["m.a.w", "m.b.w", "b.w", "xb.w", "a.w", "w"]),
    (dict(target_modules=["w"], layers_to_transform=[1], layers_pattern="h|k"), ["m.h.1.w", "m.k.1.w", "k.1.w", "h.1.w"]),
    (dict(target_modules=["w"], exclude_modules="m"), ["m", "m.w"]),
    (dict(target_modules=["w"], exclude_modules=["m.w"]), ["m.w", "n.m.w", "nm.w"]),
]
PATTERNS = [
    (["proj", "q_proj"], ["m.q_proj", "m.proj", "proj", "xproj"]),
    (["^q_proj", "v$", "a|b.c"], ["q_proj", "m.q_proj", "m.v", "m.a", "m.b.c", "xa"]),
    ([r"layers\.[0-4]\..*q_proj"], ["model.layers.3.self_attn.q_proj", "model.layers.7.self_attn.q_proj"]),
]


def kind_of(live):
    """A live parameter's name, adapter name and all, to [module, kind]; None for the base's own."""
    live = live.removeprefix("base_model.model.")
    endings = {
        ".lora_A.default.weight": "LoraA",
        ".lora_B.default.weight": "LoraB",
        ".lora_B.default.bias": "LoraBBias",
        ".lora_magnitude_vector.default.weight": "Magnitude",
        ".lora_embedding_A.default": "EmbeddingA",
        ".lora_embedding_B.default": "EmbeddingB",
        ".lora_velora_embed.default": "TrainingState",
        ".base_layer.weight": "BaseWeight",
        ".base_layer.bias": "Bias",
    }
    if ".modules_to_save.default." in live:
        module, rest = live.split(".modules_to_save.default.")
        inner, _, parameter = rest.rpartition(".")
        return [f"{module}.{inner}" if inner else module, f"ModuleToSave {parameter}"]
    for ending, kind in endings.items():
        if live.endswith(ending):
            return [live.removesuffix(ending), kind]
    return [live.removesuffix(".bias"), "Bias"] if live.endswith(".bias") else None


def record(model_name, kwargs):
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", **copy.deepcopy(kwargs))
    given = given_fields(config)
    base = MODELS[model_name]()
    names = [name for name, _ in base.named_modules() if name]
    model = get_peft_model(base, config)
    worn = {}
    for name, module in model.base_model.model.named_modules():
        if isinstance(module, LoraLayer):
            worn[name] = [module.r["default"], module.lora_alpha["default"], module.scaling["default"]]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = unshuffled(json.loads((Path(folder) / "adapter_config.json").read_text()))
        tensors = load_file(Path(folder) / "adapter_model.safetensors")
    live = {}
    for name, tensor in model.state_dict().items():
        live.setdefault(tensor.data_ptr(), []).append(name)
    state = get_peft_model_state_dict(model)
    assert state.keys() == tensors.keys()
    first = [name for name in state if not re.search(r"\.layers\.[12]\.", name)]
    kinds = {}
    for name in first:
        # Tied tensors live under several names; the saved one begins with its own module's.
        options = filter(None, map(kind_of, live[state[name].data_ptr()]))
        kinds[name] = next(o for o in options if name.startswith(f"base_model.model.{o[0]}."))
    return dict(model=model_name, given=given, saved=saved, worn=worn, tensors=kinds), names


def plain(config):
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def given_fields(config):
    """What differs from PEFT's defaults, before a model changes any of it."""
    default = LoraConfig().to_dict()
    return {k: v for k, v in plain(config.to_dict()).items() if k == "peft_type" or v != default[k]}


def unshuffled(config):
    """PEFT saves these two lists out of sets, in an order that changes from run to run."""
    for key in ("target_modules", "exclude_modules"):
        if isinstance(config[key], list):
            config[key].sort()
    return config


def matching():
    targets = []
    for kwargs, names in MATCHING:
        config = LoraConfig(task_type="CAUSAL_LM", **kwargs)
        targets.append(dict(config=given_fields(config), names={n: bool(check_target_module_exists(config, n)) for n in names}))
    patterns = []
    for keys, names in PATTERNS:
        chosen = {}
        for name in names:
            key = get_pattern_key(keys, name)
            chosen[name] = keys.index(key) if key in keys else None
        patterns.append(dict(keys=keys, names=chosen))
    return dict(targets=targets, patterns=patterns)


def read_back(config):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "adapter_config.json").write_text(json.dumps(config))
        loaded = PeftConfig.from_pretrained(folder)
    assert type(loaded) is LoraConfig
    return plain(loaded.to_dict())


def dump(name, cases):
    """One case a line."""
    lines = [f" {json.dumps(case)}: {json.dumps(value)}" for case, value in cases.items()]
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


cases, modules = {}, {}
for name, (model, kwargs) in CASES.items():
    cases[name], modules[model] = record(model, kwargs)
cases["modules"] = modules
dump("cases.json", cases)
(HERE / "matching.json").write_text(json.dumps(matching(), indent=1) + "\n")
written = json.loads((HERE / "written.json").read_text())
dump("read_back.json", {name: read_back(config) for name, config in written.items()})
