"""Records families.json and families.safetensors: loss and LoRA gradients of one batch on tiny Qwen2 and Llama models.

Plain transformers and PEFT: mean cross-entropy over the trained tokens of all examples, one example a forward
pass. Weights come from ../model/weights.py as in sft.py, whose examples these are. Pinned: torch 2.15.0,
transformers 5.23.0, peft 0.21.2. All f32 on the CPU.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__)
sys.path.append(str(HERE.parent))
sys.path.append(str(HERE.parent.parent / "model"))
import weights  # noqa: E402

PINS = {torch: "2.15.0", transformers: "5.23.0", peft: "0.21.2"}
for module, version in PINS.items():
    assert module.__version__.split("+")[0] == version, (module.__name__, module.__version__)

SHAPE = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
}
# Qwen2 has biases on q, k and v and an untied head; this Llama has a bias everywhere and one KV head.
FAMILIES = {
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, {
        **SHAPE, "num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 10000.0, "tie_word_embeddings": False,
    }),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, {
        **SHAPE, "num_attention_heads": 4, "num_key_value_heads": 1, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "attention_bias": True, "mlp_bias": True,
    }),
}
LORA = {"r": 4, "lora_alpha": 6, "lora_dropout": 0.0, "target_modules": "all-linear"}


def record(name, config_class, model_class, config, examples):
    model = model_class(config_class(**config, attn_implementation="eager"))
    shapes = weights.fill(model, torch.float32)
    model.tie_weights()
    model = peft.get_peft_model(model, peft.LoraConfig(**LORA, task_type="CAUSAL_LM"))
    on_disk = {n: n.replace(".default", "") for n, p in model.named_parameters() if p.requires_grad}
    for parameter, tensor in model.named_parameters():
        if parameter in on_disk:
            tensor.data = weights.values(on_disk[parameter], list(tensor.shape), torch.float32)
    total, labels = torch.zeros(()), 0
    for example in examples:
        ids = torch.tensor([example["input_ids"]])
        mask = torch.tensor(example["completion_mask"][1:]).bool()
        logits = model(input_ids=ids).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        total, labels = total + losses[mask].sum(), labels + int(mask.sum())
    loss = total / labels
    loss.backward()
    grads = {f"{name}.{on_disk[n]}": p.grad.numpy().copy() for n, p in model.named_parameters() if n in on_disk}
    return {"config": config, "tensors": shapes, "loss": loss.item()}, grads


def main():
    examples = json.loads((HERE.parent / "sft.json").read_text())["examples"][:4]
    golden, tensors = {}, {}
    for name, family in FAMILIES.items():
        golden[name], grads = record(name, *family, examples)
        tensors.update(grads)
        print(name, golden[name]["loss"], len(grads))
    HERE.with_suffix(".json").write_text(json.dumps({"families": golden, "examples": examples}) + "\n")
    save_file(tensors, HERE.with_suffix(".safetensors"))


main()
