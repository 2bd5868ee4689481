"""Records how TRL's SFTTrainer tokenizes and masks, for tests/it/datasets.rs.

Usage: python record.py        Pinned: trl 1.16.0, transformers 5.23.0.

tokenizer/ is what Tokenizer::train_bpe makes of a text in the test, which checks that and leaves a new one
in the target folder where it differs. TRL needs marked.jinja, which renders
what tokenizer/chat_template.jinja does, with its replies marked.
"""
import json
import pathlib
import tempfile

import transformers
import trl
from datasets import Dataset

assert trl.__version__ == "1.16.0" and transformers.__version__ == "5.23.0"
HERE = pathlib.Path(__file__).parent


def system(text): return {"role": "system", "content": text}
def user(text): return {"role": "user", "content": text}
def assistant(text): return {"role": "assistant", "content": text}


SEARCH = "<think>\n12*7=84 left 19 84\n84-19=65 no\n19+12=31 left 7 31\n31-7=24 yes\n</think>\n<answer>(19 + 12) - 7</answer>"
QUESTION = "Using the numbers [12, 19, 7], create an equation that equals 24."
MESSAGES = [
    {"messages": [user(QUESTION), assistant(SEARCH)]},
    {"messages": [system("Be short."), user("2+2="), assistant("2+2=4"), user("3+3="), assistant("3+3=6 🚀")]},
    {"messages": [user("Hi"), assistant("été 你好"), user("and?")]},
    {"messages": [user("<|im_start|>"), assistant("")]},
]
FROM_VALUE = [{"conversations": [{"from": "user", "value": "2+2="}, {"from": "assistant", "value": "4"}]}]
PAIRS = [
    {"prompt": [user(QUESTION)], "completion": [assistant(SEARCH)]},
    {"prompt": [system("S"), user("a"), assistant("b"), user("c")], "completion": [assistant("d"), user("e"), assistant("f")]},
]
NO_THINKING = [{"prompt": [user("2+2=")], "completion": [assistant("4")], "chat_template_kwargs": {"enable_thinking": False}}]
TEXT_PAIRS = [
    {"prompt": "What is 2+2? ", "completion": "4"},
    {"prompt": "The num", "completion": "bers are 1 and 2"},
    {"prompt": "a", "completion": "b<|im_end|>"},
]
TEXTS = [{"text": "Using the numbers 1 and 2"}, {"text": "ends already<|im_end|>"}, {"text": "é"}]
GROUPS = [
    ("messages", MESSAGES, {"assistant_only_loss": True}),
    ("messages, everything", MESSAGES, {}),
    ("messages, cut to 40", MESSAGES, {"assistant_only_loss": True, "max_length": 40}),
    ("messages, cut to 25", MESSAGES, {"assistant_only_loss": True, "max_length": 25}),
    ("conversations, everything", FROM_VALUE, {}),
    ("prompt and completion", PAIRS, {}),
    ("prompt and completion, everything", PAIRS, {"completion_only_loss": False}),
    ("thinking off", NO_THINKING, {}),
    ("text pairs", TEXT_PAIRS, {}),
    ("texts", TEXTS, {}),
    ("texts, cut to 12", TEXTS, {"max_length": 12}),
]


def model(tokenizer):
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    ))


def main():
    groups = []
    for name, records, options in GROUPS:
        tokenizer = transformers.AutoTokenizer.from_pretrained(HERE / "tokenizer")
        tokenizer.chat_template = (HERE / "marked.jinja").read_text()
        with tempfile.TemporaryDirectory() as out:
            args = trl.SFTConfig(output_dir=out, report_to="none", use_cpu=True, bf16=False, **{"max_length": None, **options})
            trainer = trl.SFTTrainer(model=model(tokenizer), args=args, train_dataset=Dataset.from_list(records), processing_class=tokenizer)
            rows = [{"ids": row["input_ids"], "labels": row["labels"]} for row in trainer.train_dataset]
        groups.append({"name": name, "options": options, "records": records, "rows": rows})
    lines = ",\n".join(json.dumps(group, ensure_ascii=False) for group in groups)
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")
    print([(group["name"], len(group["rows"])) for group in groups])


main()
