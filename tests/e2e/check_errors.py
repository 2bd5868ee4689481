"""What is refused, and how: the status, the envelope, the field."""

import json

import openai

from check_answers import HELLO, chat, complete


def unknown_models(checks, server):
    """unknown models"""
    for name in ("no-such-model", "../initial", "", "a/b"):
        with checks.raises(openai.NotFoundError, f"model {name!r}", code="model_not_found"):
            chat(server, name)
    with checks.raises(openai.NotFoundError, "models.retrieve", code="model_not_found"):
        server.client.models.retrieve("no-such-model")


def wrong_fields(checks, server):
    """wrong fields"""
    cases = [
        ({"temperature": "hot"}, "temperature"), ({"temperature": 5}, "temperature"), ({"top_p": 2}, "top_p"),
        ({"n": 0}, "n"), ({"max_tokens": -1}, "max_tokens"), ({"stop": [1]}, "stop"),
        ({"top_logprobs": 3}, "top_logprobs"), ({"logprobs": True, "top_logprobs": 100}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"), ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"), ({"audio": {}}, "audio"), ({"no_such_field": 1}, "no_such_field"),
        ({"logit_bias": {"x": 1}}, "logit_bias"), ({"model": 3}, "model"),
    ]
    for fields, param in cases:
        body = {"model": server.base, "messages": HELLO, **fields}
        status, text = server.post("/v1/chat/completions", body)
        error = json.loads(text).get("error", {})
        checks.equal((status, error.get("param")), (400, param), f"{fields}")
        checks.equal(set(error), {"message", "type", "param", "code"}, "the envelope")
    for fields, param in [({"prompt": {}}, "prompt"), ({"prompt": [[1, "a"]]}, "prompt"), ({"suffix": "x"}, "suffix"),
                          ({"best_of": 3}, "best_of"), ({"prompt": [10**9]}, "prompt")]:
        status, text = server.post("/v1/completions", {"model": server.base, "prompt": "x", **fields})
        checks.equal((status, json.loads(text)["error"]["param"]), (400, param), f"{fields}")


def too_long(checks, server):
    """contexts that are too long"""
    context = {"code": "context_length_exceeded"}
    with checks.raises(openai.BadRequestError, "a long prompt", **context):
        complete(server, server.base, [0] * (server.max_model_len + 1))
    with checks.raises(openai.BadRequestError, "a long answer", **context):
        complete(server, server.base, "x", max_tokens=server.max_model_len)
    with checks.raises(openai.BadRequestError, "streamed too", **context):
        complete(server, server.base, "x", max_tokens=server.max_model_len, stream=True)


def http(checks, server):
    """paths, methods, bodies, request ids"""
    for method, path, body, expected in [
        ("GET", "/v1/nothing", None, 404), ("GET", "/v1/chat/completions", None, 405),
        ("POST", "/v1/chat/completions", b"{", 400), ("POST", "/v1/chat/completions", b"[]", 400),
        ("POST", "/v1/models", {}, 405),
    ]:
        status, _, text = server.request(method, path, body)
        checks.equal(status, expected, f"{method} {path}")
        checks.that("error" in json.loads(text), "an envelope", text)
    status, _, _ = server.request("POST", "/v1/completions", b"{}", {"content-type": "text/plain"})
    checks.equal(status, 415, "a body that is not declared as JSON")
    _, headers, _ = server.request("GET", "/health", headers={"x-request-id": "mine-1"})
    checks.equal(headers["x-request-id"], "mine-1", "the client's request id")
    _, headers, _ = server.request("GET", "/version")
    checks.that(bool(headers["x-request-id"]), "a request id of the server's")
    checks.equal(server.request("GET", "/health")[0], 200, "/health")


def harmless(checks, server):
    """harmless fields"""
    answer = server.client.chat.completions.create(
        model=server.base, messages=HELLO, max_completion_tokens=4, user="u", metadata={"k": "v"}, store=False,
        seed=1, presence_penalty=0.5, frequency_penalty=0.5, logit_bias={"5": -100}, response_format={"type": "text"},
        extra_body={"top_k": 5, "min_p": 0.01, "repetition_penalty": 1.1, "min_tokens": 4, "ignore_eos": True,
                    "chat_template_kwargs": {"enable_thinking": False}})
    checks.equal(answer.usage.completion_tokens, 4, "completion_tokens")


SECTIONS = [unknown_models, wrong_fields, too_long, http, harmless]
