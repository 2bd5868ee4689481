"""Records sft.json and sft.safetensors: five optimizer steps of TRL's SFTTrainer with a PEFT LoRA.

The model is a tiny Qwen3 whose weights come from ../model/weights.py, which the Rust tests repeat, so
none are stored. Pinned: torch 2.15.0, transformers 5.23.0, trl 1.16.0, peft 0.21.2. All f32 on the CPU.
"""

import json
import pathlib
import sys
import tempfile

import peft
import torch
import transformers
import trl
from datasets import Dataset
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models
from torch.utils.data import SequentialSampler

PINS = {torch: "2.15.0", transformers: "5.23.0", trl: "1.16.0", peft: "0.21.2"}
for module, version in PINS.items():
    assert module.__version__.split("+")[0] == version, (module.__name__, module.__version__)

HERE = pathlib.Path(__file__)
sys.path.append(str(HERE.parent.parent / "model"))
import weights  # noqa: E402

MASK = (1 << 64) - 1
CONFIG = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "max_position_embeddings": 64, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True, "attention_bias": False,
}
LORA = {"r": 4, "lora_alpha": 6, "lora_dropout": 0.0, "target_modules": "all-linear"}
RUN = {
    "learning_rate": 1e-2, "warmup_steps": 2, "lr_scheduler_type": "linear", "weight_decay": 0.1,
    "max_grad_norm": 0.5, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
    "max_steps": 5, "max_length": 32, "seed": 0, "completion_only_loss": True,
}


def splitmix64(state):
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def examples():
    made = []
    for index in range(20):
        length = 4 + splitmix64(1000 + index) % 9
        ids = [splitmix64(100 * index + i) % CONFIG["vocab_size"] for i in range(length)]
        start = 1 + splitmix64(2000 + index) % (length - 2)
        made.append({"input_ids": ids, "completion_mask": [int(i >= start) for i in range(length)]})
    return made


class InOrder(trl.SFTTrainer):
    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(self.train_dataset)


def on_disk(name):
    return name.replace(".default", "")


def build():
    model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**CONFIG, attn_implementation="eager"))
    shapes = weights.fill(model, torch.float32)
    model.tie_weights()
    model = peft.get_peft_model(model, peft.LoraConfig(**LORA, task_type="CAUSAL_LM"))
    for name, tensor in model.named_parameters():
        if tensor.requires_grad:
            tensor.data = weights.values(on_disk(name), list(tensor.shape), torch.float32)
    return model, shapes


def main(work):
    words = {str(i): i for i in range(CONFIG["vocab_size"])}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="0")), pad_token="0", eos_token="1",
    )
    data = examples()
    model, shapes = build()
    args = trl.SFTConfig(
        output_dir=work, **RUN, use_cpu=True, bf16=False, gradient_checkpointing=False, logging_steps=1,
        save_strategy="no", report_to=[], disable_tqdm=True,
    )
    trainer = InOrder(
        model=model, args=args, train_dataset=Dataset.from_list(data), processing_class=tokenizer,
    )
    tensors = {}
    clip = trainer.accelerator.clip_grad_norm_

    def keep_first(parameters, *rest, **options):
        if not tensors:
            for name, tensor in trainer.model.named_parameters():
                if tensor.requires_grad:
                    tensors["grad." + on_disk(name)] = tensor.grad.numpy().copy()
        return clip(parameters, *rest, **options)

    trainer.accelerator.clip_grad_norm_ = keep_first
    trainer.train()
    for name, tensor in trainer.model.named_parameters():
        if tensor.requires_grad:
            tensors["final." + on_disk(name)] = tensor.detach().numpy().copy()
    save_file(tensors, HERE.with_suffix(".safetensors"))
    kept = ("loss", "grad_norm", "learning_rate", "entropy", "num_tokens", "mean_token_accuracy", "epoch")
    logs = [{k: log[k] for k in kept} for log in trainer.state.log_history if "loss" in log]
    golden = {"config": CONFIG, "tensors": shapes, "lora": LORA, "run": RUN, "examples": data, "logs": logs}
    HERE.with_suffix(".json").write_text(json.dumps(golden) + "\n")
    for log in logs:
        print(log)


with tempfile.TemporaryDirectory() as work:
    main(work)
