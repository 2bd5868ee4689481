"""Records what PEFT merges: `merge_and_unload` of every adapter of `../adapters`, and `add_weighted_adapter`.

    pip install -r ../model/requirements.txt && python record.py

`merged.safetensors` holds, for each case and each tensor that merging changed, SAMPLES of its values (flat places
`i * 7919 + 13` modulo its length) under the name `case|tensor`. `cases.json` says what each case is: its base, its
adapters, the type the base is held in, and how the adapters are combined. Cases that PEFT refuses have an `error`;
those where it changes more than the adapter did while it was worn (an adapter on one end of tied embeddings, which
`merge_and_unload` adds to both) are marked `both_ends`, and only their linears are kept.

PEFT draws DARE's masks from torch's global generator. Here `torch.bernoulli` is replaced by draws from the named
streams of `../model/weights.py`, so that others can draw the same: `dare SEED ADAPTER PART MODULE`.
"""

import json
import os
import pathlib
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "model"), str(HERE.parent / "adapters")]

import torch
from peft import PeftModel
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.lora.model import LoraModel
from safetensors.torch import save_file

import importlib.util

from weights import check_versions, uniform

spec = importlib.util.spec_from_file_location("adapters_record", HERE.parent / "adapters" / "record.py")
adapters_record = importlib.util.module_from_spec(spec)
spec.loader.exec_module(adapters_record)
base_model = adapters_record.base_model

SAMPLES = 16
ADAPTERS = HERE.parent / "adapters"
QWEN3, QWEN3_TIED, QWEN2 = "qwen3_untied_gqa2", "qwen3_tied_gqa1", "qwen2_tied_gqa7"
HALVES = ["all_linear", "dora", "rslora_patterns", "lora_bf16", "embed", "save_head"]

SAME_RANK = {"adapters": ["lora_default_targets", "rslora", "layers_to_transform"], "weights": [0.7, -0.4, 1.3]}
ANY_RANK = {"adapters": ["all_linear", "rslora", "patterns"], "weights": [1.0, 0.5, -0.75]}
EMBEDS = {"adapters": ["embed", "embed"], "weights": [0.5, 1.5]}
COMBINED = {
    "linear": SAME_RANK | {"combine": "linear"},
    "linear_embed": EMBEDS | {"combine": "linear"},
    "cat": ANY_RANK | {"combine": "cat"},
    "cat_embed": EMBEDS | {"combine": "cat"},
    "svd": ANY_RANK | {"combine": "svd"},
    "svd_rank": ANY_RANK | {"combine": "svd", "rank": 3},
    "ties": SAME_RANK | {"combine": "ties", "density": 0.5},
    "ties_frequency": SAME_RANK | {"combine": "ties", "density": 0.3, "sign": "frequency"},
    "ties_svd": ANY_RANK | {"combine": "ties_svd", "density": 0.4},
    "ties_svd_embed": EMBEDS | {"combine": "ties_svd", "density": 0.4},
    "dare_linear": SAME_RANK | {"combine": "dare_linear", "density": 0.7, "seed": 3},
    "dare_ties": SAME_RANK | {"combine": "dare_ties", "density": 0.6, "seed": 4, "sign": "frequency"},
    "dare_linear_svd": ANY_RANK | {"combine": "dare_linear_svd", "density": 0.7, "seed": 5},
    "dare_linear_embed": EMBEDS | {"combine": "dare_linear", "density": 0.7, "seed": 8},
    "dare_ties_svd": ANY_RANK | {"combine": "dare_ties_svd", "density": 0.6, "seed": 6},
    "magnitude_prune": SAME_RANK | {"combine": "magnitude_prune", "density": 0.5},
    "magnitude_prune_svd": ANY_RANK | {"combine": "magnitude_prune_svd", "density": 0.5, "rank": 4},
}


def samples(tensor: torch.Tensor) -> torch.Tensor:
    places = (torch.arange(SAMPLES) * 7919 + 13) % tensor.numel()
    return tensor.flatten()[places].contiguous()


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter, tied ones under both names."""
    return {name: p.detach().clone() for name, p in model.named_parameters(remove_duplicate=False)}


def keep(name: str, before: dict, after: dict, kept: dict) -> list[str]:
    changed = [key for key in after if not torch.equal(before[key], after[key])]
    kept.update({f"{name}|{key}": samples(after[key]) for key in changed})
    return changed


def merge_one(name: str, base: str, adapter: str, dtype: torch.dtype, kept: dict) -> dict:
    case = {"case": name, "base": base, "adapters": [adapter], "dtype": str(dtype).removeprefix("torch.")}
    model = base_model(base).to(dtype)
    before = tensors(model)
    worn = PeftModel.from_pretrained(model, ADAPTERS / adapter)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        served = worn(input_ids=ids).logits
    try:
        merged = worn.merge_and_unload()
    except RuntimeError as error:
        return case | {"error": str(error)}
    with torch.no_grad():
        differs = (merged(input_ids=ids).logits - served).abs().max().item()
    changed = keep(name, before, tensors(merged), kept)
    assert changed, name
    if dtype == torch.float32 and differs > 1e-3:
        for end in ("model.embed_tokens.weight", "lm_head.weight"):
            kept.pop(f"{name}|{end}")
        case["both_ends"] = True
    return case


class Masks:
    """Stands in for torch.bernoulli while PEFT combines one module after another."""

    def __init__(self, model: LoraModel, seed: int):
        self.names = {id(m): n for n, m in model.model.named_modules() if isinstance(m, LoraLayer)}
        self.seed, self.queue = seed, []

    def expect(self, target, adapters: list[str], parts: list[str]) -> None:
        worn = [i for i, a in enumerate(adapters) if a in target.lora_A or a in target.lora_embedding_A]
        name = self.names[id(target)]
        self.queue = [f"dare {self.seed} {i} {part} {name}" for part in parts for i in worn]

    def draw(self, probabilities: torch.Tensor) -> torch.Tensor:
        u = (uniform(self.queue.pop(0), probabilities.numel()).astype("float64") + 1.0) / 2.0
        return (torch.from_numpy(u).reshape(probabilities.shape) < probabilities.double()).float()


def combine(name: str, case: dict, kept: dict) -> dict:
    model = base_model(QWEN3)
    before = tensors(model)
    names = [f"a{i}" for i in range(len(case["adapters"]))]
    worn = PeftModel.from_pretrained(model, ADAPTERS / case["adapters"][0], adapter_name=names[0])
    for adapter, folder in list(zip(names, case["adapters"]))[1:]:
        worn.load_adapter(ADAPTERS / folder, adapter_name=adapter)
    masks = Masks(worn.base_model, case.get("seed", 0))
    plain, svd = LoraModel._generalized_task_arithmetic_weighted_adapter, LoraModel._svd_generalized_task_arithmetic_weighted_adapter

    def plain_with_masks(self, kind, adapters, weights, target, *rest):
        masks.expect(target, adapters, ["lora_A", "lora_B"])
        return plain(self, kind, adapters, weights, target, *rest)

    def svd_with_masks(self, kind, adapters, weights, rank, target, *rest, **named):
        masks.expect(target, adapters, ["delta"])
        return svd(self, kind, adapters, weights, rank, target, *rest, **named)

    LoraModel._generalized_task_arithmetic_weighted_adapter = plain_with_masks
    LoraModel._svd_generalized_task_arithmetic_weighted_adapter = svd_with_masks
    bernoulli, torch.bernoulli = torch.bernoulli, masks.draw
    worn.add_weighted_adapter(
        names,
        case["weights"],
        "mix",
        combination_type=case["combine"],
        svd_rank=case.get("rank"),
        density=case.get("density"),
        majority_sign_method=case.get("sign", "total"),
    )
    torch.bernoulli = bernoulli
    LoraModel._generalized_task_arithmetic_weighted_adapter, LoraModel._svd_generalized_task_arithmetic_weighted_adapter = plain, svd
    worn.set_adapter("mix")
    assert keep(name, before, tensors(worn.merge_and_unload()), kept)
    return {"case": name, "base": QWEN3, "dtype": "float32"} | case


def main() -> None:
    check_versions()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    lines, kept = [], {}
    for line in json.loads((ADAPTERS / "cases.json").read_text()):
        lines.append(merge_one(line["case"], line["base"], line["case"], torch.float32, kept))
        if line["case"] in HALVES:
            lines.append(merge_one(line["case"] + "_half", line["base"], line["case"], torch.bfloat16, kept))
    for name, case in COMBINED.items():
        lines.append(combine("combined_" + name, case, kept))
    (HERE / "cases.json").write_text("[\n" + ",\n".join("  " + json.dumps(line) for line in lines) + "\n]\n")
    save_file(kept, HERE / "merged.safetensors")


if __name__ == "__main__":
    main()
