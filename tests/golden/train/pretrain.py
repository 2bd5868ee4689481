"""Records pretrain.json: loss and gradients (every STRIDE-th element) of all parameters of the model of sft.py.

Four of its examples, every token a label. Pinned: torch 2.15.0, transformers 5.23.0. f32 on the CPU.
"""

import json
import pathlib
import sys

import torch
import transformers

assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__
assert transformers.__version__ == "5.23.0", transformers.__version__

HERE = pathlib.Path(__file__)
sys.path.append(str(HERE.parent.parent / "model"))
import weights  # noqa: E402

STRIDE = 37
golden = json.loads(HERE.with_name("sft.json").read_text())
config = transformers.Qwen3Config(**golden["config"], attn_implementation="eager")
model = transformers.Qwen3ForCausalLM(config)
weights.fill(model, torch.float32)
model.tie_weights()
logps = []
for example in golden["examples"][:4]:
    ids = torch.tensor([example["input_ids"]])
    logits = model(input_ids=ids).logits[0, :-1]
    logps.append(logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0])
loss = -torch.cat(logps).mean()
loss.backward()
gradients = {name: p.grad.flatten()[::STRIDE].tolist() for name, p in model.named_parameters()}
recorded = {"loss": loss.item(), "stride": STRIDE, "gradients": gradients}
HERE.with_suffix(".json").write_text(json.dumps(recorded) + "\n")
