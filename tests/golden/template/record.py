"""Records what transformers renders, for tests/it/template.rs.

Usage: python record.py FOLDER_OF_TEMPLATES   (qwen2.5-instruct.jinja, qwen3.jinja, llama-3.2-instruct.jinja)

Pinned: transformers 5.23.0, jinja2 3.1.6. The templates given are not copied: expected.json holds
inputs and outputs only. The small templates beside this script are.
"""
import datetime
import hashlib
import json
import pathlib
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils as utils

assert transformers.__version__ == "5.23.0" and jinja2.__version__ == "3.1.6"
HERE = pathlib.Path(__file__).parent


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 13, 5, 9, 123456)


utils.datetime = Clock

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "What's the weather <now> & \"later\"? Größe in °C",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Stadt, e.g. 北京"},
                "days": {"type": "integer", "minimum": 1, "default": 3},
                "limit": {"type": "number", "default": 0.00001, "maximum": 1e16},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}


def system(text): return {"role": "system", "content": text}
def user(text): return {"role": "user", "content": text}
def assistant(text, **more): return {"role": "assistant", "content": text, **more}
def tool(text, **more): return {"role": "tool", "content": text, **more}
def call(name, arguments): return {"type": "function", "id": "call_1", "function": {"name": name, "arguments": arguments}}


BEIJING = call("get_weather", {"city": "北京", "days": 2, "limit": 1.0, "flags": [True, None, "<&'\">"], "deep": {}})
CONVERSATIONS = {
    "one question": [user("Hi")],
    "system": [system("Be short. "), user("Hi")],
    "two turns": [user("Hi"), assistant("Hello!"), user("And?")],
    "ends with a reply": [system("S"), user("Hi"), assistant("Hello!\n")],
    "long": [system("S"), user("1"), assistant("a"), user("2"), assistant("b"), user("3"), assistant("c")],
    "unicode and markup": [user("  <b>Tom & 'Jerry' \"said\"</b> \t{{ x }} {% raw %} 😶‍🌫️ 你好 Größe\r\n"), assistant("`1 < 2 && 3 > 2`")],
    "empty reply": [user("Hi"), assistant(""), user("?")],
    "thinking inside": [user("2+2"), assistant("<think>\nadd\n\nthem\n</think>\n\n4"), user("3+3"), assistant("<think>\nagain\n</think>\n\n6")],
    "reasoning field": [user("2+2"), assistant("4", reasoning_content="\nadd them\n"), user("3+3"), assistant("6", reasoning_content="again")],
    "reasoning by other names": [user("2+2"), assistant("4", reasoning="add")],
    "late system": [user("Hi"), system("Now be short."), user("Hm")],
    "tool call": [user("Weather?"), assistant("", tool_calls=[BEIJING])],
    "tool call with text": [user("Weather?"), assistant("Let me look.", tool_calls=[BEIJING])],
    "tool call without type": [user("Weather?"), assistant("", tool_calls=[{"name": "now", "arguments": {}}])],
    "tool call with null content": [user("Weather?"), {"role": "assistant", "content": None, "tool_calls": [BEIJING]}],
    "several calls": [user("Weather?"), assistant("", tool_calls=[BEIJING, call("now", {})]), tool("21 °C"), tool("{\"t\": 1}"), assistant("Warm.")],
    "tool result": [system("S"), user("Weather?"), assistant("", tool_calls=[BEIJING]), tool("21 °C & <sun>"), assistant("It's warm."), user("Thanks")],
    "tool result as object": [user("Weather?"), assistant("", tool_calls=[BEIJING]), tool({"t": 21.5, "sky": "clear <&>", "n": None})],
    "arguments as text": [user("Weather?"), assistant("", tool_calls=[call("get_weather", "{\"city\": \"Rom\"}")])],
    "tool response in user": [user("Q"), assistant("<think>\nx\n</think>\n\ny"), user("<tool_response>\n1\n</tool_response>"), assistant("z")],
    "odd spaces": [user("\x1c \u00a0q\u2028"), assistant("\u2028\u00a0\x1ca b\x1d \u3000")],
    "null tool calls": [user("Hi"), assistant("Hello", tool_calls=None), user("?")],
}
OWN = {
    "parts": [user([{"type": "text", "text": " a "}, {"type": "image", "url": "x"}]), assistant("ok")],
    "mapping content": [user("q"), tool({"a": 1, "b": [1.5, "x"]}), {"role": "ignored", "content": "x"}, {"role": "empty"}],
    "number content": [user("q"), {"role": "tool", "content": 1e20}, {"role": "tool", "content": 0.1}, {"role": "tool", "content": True}],
    "what does not print": [user("q"), {"role": "tool", "content": [{"k'": "\u00a0\u200d\u2028\x1c\x7f\\", "\U000e0001": "é'\"\u0301"}, -0.0, 1e22]}],
    "python strings": [user("it's"), {"role": "tool", "content": 3}, assistant("", tool_calls=[call("f", {"s": "it's \"q\"\n\u00e9", "l": ["a'", 1.0, 1e-7], "n": None, "b": False})])],
}
MARKED = {
    "marked": [user("a"), assistant("b 😶‍🌫️"), user("c"), assistant("d")],
    "marked by whitespace": [user("a"), {"role": "thinker", "content": "t"}, {"role": "tight", "content": "u"}, {"role": "tight", "content": " v "}],
}
CONVERSATIONS |= OWN | MARKED
ENV = {"bos_token": "<s>", "eos_token": "</s>"}


def render(source, case):
    messages = [{k: v for k, v in m.items() if v is not None} for m in CONVERSATIONS[case["conversation"]]]
    try:
        texts, spans = utils.render_jinja_template(
            [messages],
            tools=[WEATHER, CLOCK] if case.get("tools") else None,
            chat_template=source,
            add_generation_prompt=case.get("add_generation_prompt", False),
            continue_final_message=case.get("continue", False),
            return_assistant_tokens_mask=case.get("spans", False),
            **ENV,
            **case.get("kwargs", {}),
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        return {"error": type(error).__name__, "message": str(error)}
    text = texts[0]
    out = {"text": text}
    if case.get("spans"):
        at = lambda n: len(text[:n].encode())
        out["spans"] = [[at(a), at(b)] for a, b in spans[0]]
    return out


def cases():
    for name, messages in CONVERSATIONS.items():
        used = any(m.get("tool_calls") or m["role"] == "tool" for m in messages)
        replied = messages[-1]["role"] == "assistant" and not used
        case = {"conversation": name}
        if name in OWN:
            yield {"template": "features", **case}
            continue
        if name in MARKED:
            yield {"template": "markers", **case, "spans": True}
            yield {"template": "markers", **case, "add_generation_prompt": True}
            continue
        for template in ["qwen2.5-instruct", "qwen3", "llama-3.2-instruct", "chatml"]:
            if used and template == "chatml":
                continue
            yield {"template": template, **case}
            yield {"template": template, **case, "add_generation_prompt": True}
            if used:
                yield {"template": template, **case, "tools": True}
            if template in ["qwen3", "chatml"]:
                for thinking in [True, False]:
                    yield {"template": template, **case, "add_generation_prompt": not replied, "kwargs": {"enable_thinking": thinking}}
            if replied:
                yield {"template": template, **case, "continue": True}
        if "reasoning" not in name:
            yield {"template": "features", **case}
    question = {"conversation": "system", "tools": True, "add_generation_prompt": True}
    for template in ["qwen2.5-instruct", "qwen3", "llama-3.2-instruct", "features"]:
        yield {"template": template, **question}
    for kwargs in [{"date_string": "1 Jan 2000"}, {"tools_in_user_message": False}]:
        yield {"template": "llama-3.2-instruct", **question, "kwargs": kwargs}


def path_of(name, folder):
    own = {"chatml": HERE / "../../../recipes/chatml.jinja"}.get(name, HERE / f"{name}.jinja")
    return own if own.exists() else pathlib.Path(folder) / f"{name}.jinja"


def main(folder):
    recorded, hashes = [], {}
    for case in cases():
        source = path_of(case["template"], folder).read_text()
        hashes[case["template"]] = hashlib.sha256(source.encode()).hexdigest()
        recorded.append({**case, "expected": render(source, case)})
    table = lambda items: ",\n".join(items)
    dump = lambda value: json.dumps(value, ensure_ascii=False)
    chats = table(f"{dump(name)}: {dump(messages)}" for name, messages in CONVERSATIONS.items())
    (HERE / "expected.json").write_text(
        f'{{"sha256": {dump(hashes)},\n"tools": {dump([WEATHER, CLOCK])},\n"conversations": {{\n{chats}\n}},\n'
        f'"cases": [\n{table(map(dump, recorded))}\n]}}\n'
    )
    errors = [case["expected"] for case in recorded if "error" in case["expected"]]
    print(len(recorded), "cases,", len(errors), "errors")


main(sys.argv[1])
