"""Records adamw.json: ten steps of torch's AdamW on 12 numbers. Pinned: torch 2.15.0."""

import json
import pathlib

import torch

assert torch.__version__.startswith("2.15.0"), torch.__version__

LR = [0.0, 1e-3, 2e-3, 3e-3, 3e-3, 2e-3, 1e-3, 5e-4, 5e-4, 5e-4]
SETTINGS = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1}


def track(weight_decay, start, gradients):
    param = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.AdamW(
        [param], lr=1.0, betas=(SETTINGS["beta1"], SETTINGS["beta2"]),
        eps=SETTINGS["epsilon"], weight_decay=weight_decay, foreach=False, fused=False,
    )
    values = []
    for lr, gradient in zip(LR, gradients):
        optimizer.param_groups[0]["lr"] = lr
        param.grad = gradient.clone()
        optimizer.step()
        values.append(param.detach().tolist())
    return values


torch.manual_seed(0)
start = torch.randn(12)
gradients = [torch.randn(12) * 10.0 ** -(i % 4) for i in range(len(LR))]
golden = {
    "lr": LR, **SETTINGS, "start": start.tolist(), "gradients": [g.tolist() for g in gradients],
    "decayed": track(SETTINGS["weight_decay"], start, gradients), "plain": track(0.0, start, gradients),
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
