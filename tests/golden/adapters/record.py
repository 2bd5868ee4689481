"""Records what PEFT computes with adapters of every kind that Wardrobe wears.

    pip install -r ../model/requirements.txt && python record.py

Each case is a folder as PEFT's `save_pretrained` wrote it, plus `expected.safetensors` (`ids` [n],
`positions` [p], `logits` [p, vocab], f32) and a line in `cases.json` that names its base, a folder of
`../model`. The logits are those of a fresh base with the saved folder loaded on it, so they hold what PEFT
does with the files, not what the training run had in memory. Every trained value is moved away from its
initial value, so that no part of an adapter is without effect.
"""

import json
import os
import pathlib
import shutil
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "model"))

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from weights import check_versions, fill, token_ids

QWEN3, QWEN3_TIED, QWEN2 = "qwen3_untied_gqa2", "qwen3_tied_gqa1", "qwen2_tied_gqa7"
QV = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
ATTENTION = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}
EMBED = {"r": 2, "lora_alpha": 4, "target_modules": ["embed_tokens"]}
HEAD = {"r": 2, "lora_alpha": 4, "target_modules": ["lm_head"]}

SETS = ("target_modules", "exclude_modules", "modules_to_save")

# name -> (base, LoraConfig). `change_files` alters some after saving.
CASES: dict[str, tuple[str, dict]] = {
    "lora_default_targets": (QWEN3, {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1}),
    "lora_bf16": (QWEN3, QV),
    "lora_f16": (QWEN3, QV),
    "lora_on_biases": (QWEN2, ATTENTION),
    "all_linear": (QWEN3, {"r": 2, "lora_alpha": 5, "target_modules": "all-linear"}),
    "all_linear_word": (QWEN3, {"r": 1, "target_modules": "all-linear"}),
    "rslora": (QWEN3, QV | {"use_rslora": True}),
    "patterns": (
        QWEN3,
        {
            "r": 2,
            "lora_alpha": 4,
            "target_modules": ["q_proj", "v_proj", "down_proj"],
            "rank_pattern": {"q_proj": 1, "layers.1.mlp.down_proj": 3, r"model\.layers\.0\..*v_proj": 4},
            "alpha_pattern": {"v_proj": 3, r"^model\.layers\.1\.self_attn\.q_proj": 7},
        },
    ),
    "rslora_patterns": (
        QWEN2,
        QV | {"use_rslora": True, "rank_pattern": {"v_proj": 3}, "alpha_pattern": {"layers.0.self_attn.q_proj": 5}},
    ),
    "regex": (QWEN3, QV | {"r": 2, "target_modules": r"(?!.*layers\.0\.mlp).*\.(self_attn\.(k|o)|mlp\.up)_proj"}),
    "layers_to_transform": (QWEN3, QV | {"layers_to_transform": [1]}),
    "layers_pattern": (QWEN3, QV | {"layers_to_transform": 0, "layers_pattern": ["layers"]}),
    "layers_to_transform_exact": (
        QWEN3,
        QV | {"target_modules": ["model.layers.0.self_attn.q_proj", "v_proj"], "layers_to_transform": [1]},
    ),
    "exclude_list": (
        QWEN3,
        {"r": 1, "target_modules": "all-linear", "exclude_modules": ["k_proj", "layers.0.mlp.up_proj"]},
    ),
    "exclude_regex": (QWEN3, {"r": 1, "target_modules": "all-linear", "exclude_modules": r".*layers\.1\..*_proj"}),
    "fan_in_fan_out": (QWEN3, QV),
    "dora": (QWEN3, QV | {"use_dora": True}),
    "dora_on_biases": (QWEN2, ATTENTION | {"use_dora": True, "use_rslora": True, "rank_pattern": {"k_proj": 1}}),
    "dora_bias_all": (QWEN2, QV | {"use_dora": True, "bias": "all"}),
    "dora_head": (QWEN3, HEAD | {"use_dora": True}),
    "dora_embed": (QWEN3, EMBED | {"use_dora": True}),
    "bias_all": (QWEN2, {"r": 2, "target_modules": ["q_proj"], "bias": "all"}),
    "bias_lora_only": (QWEN2, {"r": 2, "target_modules": ["q_proj"], "bias": "lora_only"}),
    "bias_all_no_biases": (QWEN3, QV | {"bias": "all"}),
    "lora_bias": (QWEN2, QV | {"r": 2, "lora_bias": True}),
    "lora_bias_no_base_bias": (QWEN3, QV | {"r": 2, "lora_bias": True}),
    "save_embed": (QWEN3, {"r": 1, "modules_to_save": ["embed_tokens"]}),
    "save_head": (QWEN3, {"r": 1, "modules_to_save": ["lm_head"]}),
    "save_both": (QWEN3, {"r": 1, "modules_to_save": ["embed_tokens", "lm_head"]}),
    "save_embed_tied": (QWEN3_TIED, {"r": 1, "modules_to_save": ["embed_tokens"]}),
    "save_head_tied": (QWEN3_TIED, {"r": 1, "modules_to_save": ["lm_head"]}),
    "save_embed_tied_ensured": (
        QWEN3_TIED,
        {"r": 1, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "embed": (QWEN3, EMBED),
    "embed_tied": (QWEN3_TIED, EMBED),
    "embed_tied_ensured": (QWEN3_TIED, EMBED | {"ensure_weight_tying": True}),
    "head": (QWEN3, HEAD),
    "head_tied": (QWEN3_TIED, HEAD),
    "embed_and_head_tied": (QWEN3_TIED, EMBED | {"target_modules": ["embed_tokens", "lm_head", "q_proj"]}),
    "embed_base_changed": (QWEN3, EMBED),
    "embed_base_changed_tied": (QWEN3_TIED, EMBED),
    "embed_saved_whole": (QWEN3, QV | {"r": 1}),
    "embed_saved_whole_tied": (QWEN3_TIED, QV | {"r": 1}),
}


def base_model(base: str) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(HERE.parent / "model" / base)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    fill(model, torch.float32)
    model.name_or_path = "tiny/" + base
    return model


def perturb(model: torch.nn.Module) -> None:
    """Moves every trained value: B, biases and magnitudes away from their start, saved modules by a little."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        noise = torch.randn_like(parameter)
        with torch.no_grad():
            if "magnitude" in name:
                parameter.mul_(1 + 0.2 * noise)
            elif "lora_" in name:
                parameter.copy_(0.3 * noise)
            else:
                parameter.add_(0.1 * noise)


def change_files(name: str, folder: pathlib.Path) -> None:
    """What a case changes after saving: dtypes, values that PEFT resolves before saving, a changed base."""
    file = folder / "adapter_model.safetensors"
    for case, dtype in {"lora_bf16": torch.bfloat16, "lora_f16": torch.float16}.items():
        if name == case:
            save_file({k: v.to(dtype) for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    changed = {"fan_in_fan_out": {"fan_in_fan_out": True}, "all_linear_word": {"target_modules": "all-linear"}}
    config = json.loads((folder / "adapter_config.json").read_text()) | changed.get(name, {})
    # PEFT holds these as sets and writes them in random order.
    config |= {key: sorted(config[key]) for key in SETS if isinstance(config[key], list)}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if name.startswith(("embed_base_changed", "embed_saved_whole")):
        tensors = load_file(file)
        keys = [key for key in tensors if "lora" not in key]
        noise = 0.1 * torch.randn_like(tensors[keys[0]])
        save_file(tensors | {key: tensors[key] + noise for key in keys}, file, metadata={"format": "pt"})


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids).logits[0]


def record(name: str, base: str, fields: dict) -> dict:
    """Writes one case and returns its line of `cases.json`."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(sum(name.encode()))
    trained = get_peft_model(base_model(base), LoraConfig(task_type="CAUSAL_LM", **fields))
    perturb(trained)
    trained.save_pretrained(folder, save_embedding_layers=True if "saved_whole" in name else "auto")
    (folder / "README.md").unlink(missing_ok=True)
    change_files(name, folder)

    model = base_model(base)
    ids = token_ids(name, 24, model.config.vocab_size)
    positions = torch.tensor([0, 11, 23])
    plain = logits(model, ids)[positions]
    worn = logits(PeftModel.from_pretrained(model, folder).eval(), ids)[positions]
    tensors = {"ids": ids[0].contiguous(), "positions": positions, "logits": worn.contiguous()}
    save_file(tensors, folder / "expected.safetensors")
    effect = (worn - plain).abs().max().item()
    assert effect > 0.05, f"{name} changes no logit by more than {effect}"
    return {"case": name, "base": base, "effect": round(effect, 3)}


def main() -> None:
    check_versions()
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    chosen = sys.argv[1:] or list(CASES)
    lines = []
    for name in chosen:
        lines.append("  " + json.dumps(record(name, *CASES[name])))
        print(lines[-1])
    if len(chosen) == len(CASES):
        (HERE / "cases.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
