"""Loads what `wardrobe merge` and `wardrobe extract` write in transformers and PEFT, and compares logits.

    python tests/e2e/merged_loads.py [WARDROBE]        default: target/release/wardrobe; base and adapter: checkpoints/

Needs torch, transformers 5 and peft (peers.txt). Held to, in f32 on a prompt of the demo's kind: the merged folder's
logits within 1e-3 of PEFT's base + adapter, and the adapter that is extracted from base and merged folder within 1e-3
of the merged folder; the base alone is further off than 1.
"""

import pathlib
import subprocess
import sys
import tempfile

import peft
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE, ADAPTER = ROOT / "checkpoints/initial", ROOT / "checkpoints/sft"
PROMPT = "Using the numbers [12, 19, 7], create an equation that equals 24."
TOLERANCE = 1e-3


def logits(model):
    tokenizer = transformers.AutoTokenizer.from_pretrained(BASE)
    text = tokenizer.apply_chat_template([{"role": "user", "content": PROMPT}], add_generation_prompt=True, tokenize=False)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits[0]


def load(path):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def main():
    wardrobe = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/wardrobe"
    with tempfile.TemporaryDirectory() as work:
        merged, extracted = pathlib.Path(work) / "merged", pathlib.Path(work) / "extracted"

        def run(*words):
            subprocess.run([wardrobe, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

        run("merge", "--model", BASE, "--adapter", ADAPTER, "--output", merged, "--dtype", "f32")
        run("extract", "--model", BASE, "--tuned", merged, "--rank", 16, "--output", extracted)
        worn = logits(peft.PeftModel.from_pretrained(load(BASE), ADAPTER))
        bare, merged_logits = logits(load(BASE)), logits(load(merged))
        again = logits(peft.PeftModel.from_pretrained(load(BASE), extracted))
    apart = {"merged": (merged_logits - worn).abs().max().item(),
             "extracted": (again - merged_logits).abs().max().item(), "base": (bare - worn).abs().max().item()}
    print("largest difference of logits: " + ", ".join(f"{name} {value:.1e}" for name, value in apart.items()))
    assert apart["merged"] < TOLERANCE and apart["extracted"] < TOLERANCE and apart["base"] > 1, apart


if __name__ == "__main__":
    main()
