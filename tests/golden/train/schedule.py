"""Records schedule.json with transformers' get_scheduler. Pinned: transformers 5.23.0."""

import json
import pathlib

import torch
import transformers
from transformers import TrainingArguments, get_scheduler

assert transformers.__version__ == "5.23.0", transformers.__version__

PEAK = 3e-4


def rates(kind, warmup, total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    args = TrainingArguments(output_dir="unused", warmup_steps=warmup, use_cpu=True, bf16=False)
    name = "constant_with_warmup" if kind == "constant" else kind
    scheduler = get_scheduler(name, optimizer, args.get_warmup_steps(total), total)
    found = []
    for _ in range(total):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


cases = [
    {"kind": kind, "peak": PEAK, "warmup": warmup, "total": total, "rates": rates(kind, warmup, total)}
    for kind in ("constant", "linear", "cosine")
    for warmup, total in ((0, 7), (3, 11), (0.15, 13))
]
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
