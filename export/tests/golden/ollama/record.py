"""Records what the families' own Jinja templates render, for the family detection and the Go templates.

Usage: python record.py FOLDER   with qwen2.5.jinja, qwen3.jinja, llama3.1.jinja, llama3.2.jinja (the templates of
Qwen2.5-7B-Instruct, Qwen3-0.6B, Llama-3.1-8B-Instruct, Llama-3.2-3B-Instruct) and chatml-think.jinja
(recipes/chatml.jinja). Writes src/ollama/data/{conversations,digests}.json.

Pinned: transformers 5.23.0, jinja2 3.1.6. The templates given are not copied: digests of their output are kept.
"""
import datetime
import hashlib
import json
import pathlib
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils as utils

from conversations import conversations, limits

assert transformers.__version__ == "5.23.0" and jinja2.__version__ == "3.1.6"
DATA = pathlib.Path(__file__).parents[3] / "src" / "ollama" / "data"
BOS = "<|begin_of_text|>"
# A fine-tune may have another default system prompt: its place is kept, its text is not.
QWEN_DEFAULT = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
PLACEHOLDER = "{default system prompt}"


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 13, 5, 9)


utils.datetime = Clock


def render(source, conversation):
    kwargs = {} if conversation["think"] is None else {"enable_thinking": conversation["think"]}
    if "bos_token" in source:
        kwargs["bos_token"] = BOS
    try:
        texts, _ = utils.render_jinja_template(
            conversations=[conversation["messages"]],
            tools=conversation["tools"],
            chat_template=source,
            add_generation_prompt=not conversation["continues"],
            continue_final_message=conversation["continues"],
            **kwargs,
        )
    except jinja2.exceptions.TemplateError:
        return None
    return texts[0].removeprefix(BOS)


def digest(family, conversation, text):
    if text is None:
        return None
    if family == "qwen2.5" and conversation["messages"][0]["role"] != "system":
        assert QWEN_DEFAULT in text
        text = text.replace(QWEN_DEFAULT, PLACEHOLDER, 1)
    return hashlib.sha256(text.encode()).hexdigest()


def main(folder):
    everything = conversations() + limits()
    names = [conversation["name"] for conversation in everything]
    assert len(set(names)) == len(names)
    digests = {}
    for family in ["qwen2.5", "qwen3", "llama3.1", "llama3.2", "chatml-think"]:
        source = (folder / f"{family}.jinja").read_text()
        digests[family] = {c["name"]: digest(family, c, render(source, c)) for c in everything}
    DATA.mkdir(exist_ok=True)
    lines = lambda items: ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    kept = f'{{"conversations": [\n{lines(conversations())}\n],\n"limits": [\n{lines(limits())}\n]}}\n'
    (DATA / "conversations.json").write_text(kept)
    (DATA / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")


main(pathlib.Path(sys.argv[1]))
