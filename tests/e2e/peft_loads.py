"""Trains an adapter with the program, loads it in PEFT, and compares the two evaluation losses.

    python tests/e2e/peft_loads.py [WARDROBE]        default: target/release/wardrobe; base: checkpoints/initial

Needs torch, transformers 5 and peft (peers.txt). Held to: no tensor missing or left over, every B moved, and on held-out examples the loss that
PEFT computes within 1e-4 of `eval_loss` in metrics.jsonl (relative; base and adapter in f32).
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import peft
import torch
import transformers
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "checkpoints/initial"
TOLERANCE = 1e-4


def train(wardrobe, work):
    def run(*words):
        subprocess.run([wardrobe, *map(str, words)], check=True, stderr=subprocess.DEVNULL)

    kinds = ("data", "generate", "countdown", "--kind", "sft")
    run(*kinds, "--n", 200, "--seed", 1, "--output", work / "train.jsonl")
    run(*kinds, "--n", 20, "--seed", 2, "--split", "test", "--output", work / "eval.jsonl")
    run("train", "sft", "--model", BASE, "--weights", "f32", "--data", work / "train.jsonl", "--eval-data",
        work / "eval.jsonl", "--output", work / "out", "--max-steps", 10, "--learning-rate", 2e-3, "--save-steps", 0,
        "--gradient-checkpointing", "false")
    return work / "out"


def loss(model, tokenizer, path):
    total, labels = 0.0, 0
    for line in path.read_text().splitlines():
        messages = json.loads(line)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]
        prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template(messages, tokenize=False)
        assert whole.startswith(prompt)
        start = len(tokenizer(prompt, add_special_tokens=False).input_ids)
        ids = torch.tensor([tokenizer(whole, add_special_tokens=False).input_ids])
        with torch.no_grad():
            logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        total -= logps.gather(1, ids[0, 1:, None])[start - 1:].sum().item()
        labels += ids.shape[1] - start
    return total / labels


def main():
    wardrobe = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/wardrobe"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        output = train(wardrobe, work)
        base = transformers.AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(output)
        model = peft.PeftModel.from_pretrained(base, output).eval()
        stored = load_file(output / "adapter_model.safetensors")
        loaded = peft.get_peft_model_state_dict(model)
        assert set(stored) == set(loaded), set(stored) ^ set(loaded)
        assert all(torch.equal(stored[name], loaded[name]) for name in stored)
        assert all(tensor.any() for name, tensor in stored.items() if "lora_B" in name)
        found = loss(model, tokenizer, work / "eval.jsonl")
        logs = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        expected = [log["eval_loss"] for log in logs if "eval_loss" in log][-1]
        print(f"{len(stored)} tensors; loss {found:.6f} in PEFT, {expected:.6f} in the program")
        assert abs(found - expected) <= TOLERANCE * expected


if __name__ == "__main__":
    main()
