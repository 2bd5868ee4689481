"""What is answered: chat and completions, whole and streamed, log-probabilities, stops, echo."""

import json
import math

HELLO = [{"role": "user", "content": "Hello there, who are you?"}]


def chat(server, model, **more):
    return server.client.chat.completions.create(**{
        "model": model, "messages": HELLO, "temperature": 0, "max_tokens": 24, "extra_body": {"ignore_eos": True},
        **more})


def complete(server, model, prompt, **more):
    extra = {"ignore_eos": True, **more.pop("extra_body", {})}
    return server.client.completions.create(
        **{"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 16, "extra_body": extra, **more})


def streamed(chunks):
    """Chunks of one chat stream -> (roles, texts by choice, finish reasons by choice, usage, generations)."""
    roles, texts, reasons, usage, generations = [], {}, {}, None, set()
    for chunk in chunks:
        generations.add(chunk.adapter_generation)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            if choice.delta.role:
                roles.append(choice.delta.role)
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    return roles, texts, reasons, usage, generations


def models(checks, server):
    """models"""
    cards = {card.id: card for card in server.client.models.list().data}
    checks.that(server.base in cards and server.adapter in cards, "base and adapter are listed", sorted(cards))
    card = server.client.models.retrieve(server.adapter)
    checks.equal(card.parent, server.base, "an adapter's parent")
    checks.that("/" not in card.root, "no path of the disk is shown", card.root)
    checks.equal(server.client.models.retrieve(server.base).parent, None, "the base's parent")


def chat_whole(checks, server):
    """chat"""
    for model in (server.base, server.adapter):
        answer = chat(server, model)
        choice = answer.choices[0]
        checks.equal(answer.object, "chat.completion", "object")
        checks.equal(answer.model, model, "model")
        checks.equal(choice.message.role, "assistant", "role")
        checks.equal(choice.finish_reason, "length", "finish_reason")
        checks.equal(answer.usage.completion_tokens, 24, "completion_tokens")
        total = answer.usage.prompt_tokens + answer.usage.completion_tokens
        checks.equal(answer.usage.total_tokens, total, "total_tokens")
        checks.that(answer.system_fingerprint.startswith("fp_"), "a fingerprint", answer.system_fingerprint)
        is_base = model == server.base
        checks.equal(answer.adapter_generation is None, is_base, "whether no generation is named")
        checks.equal(chat(server, model).choices[0].message.content, choice.message.content, "the same again")


def chat_streamed(checks, server):
    """chat, streamed"""
    for model in (server.base, server.adapter):
        whole = chat(server, model)
        stream = chat(server, model, stream=True, stream_options={"include_usage": True})
        roles, texts, reasons, usage, generations = streamed(stream)
        checks.equal(roles, ["assistant"], "the role, once")
        checks.equal(texts[0], whole.choices[0].message.content, "the streamed text")
        checks.equal(reasons, {0: "length"}, "the finish reason, once")
        checks.equal(usage.completion_tokens, 24, "the streamed usage")
        checks.equal(generations, {whole.adapter_generation}, "every chunk's generation")
    status, headers, text = server.request("POST", "/v1/chat/completions", {
        "model": server.base, "messages": HELLO, "max_tokens": 3, "stream": True, "temperature": 0})
    events = [line for line in text.split("\n\n") if line]
    checks.equal((status, headers["content-type"].split(";")[0]), (200, "text/event-stream"), "status and type")
    checks.that(all(event.startswith("data: ") for event in events), "every event is data", events)
    checks.equal(events[-1], "data: [DONE]", "the last event")
    checks.that('"usage"' not in text, "no usage unless asked for")


def several_choices(checks, server):
    """n, seeds"""
    def ask(**more):
        answer = chat(server, server.adapter, n=3, temperature=1.0, seed=7, max_tokens=12, **more)
        return [choice.message.content for choice in answer.choices], answer
    texts, answer = ask()
    checks.equal([choice.index for choice in answer.choices], [0, 1, 2], "the indexes")
    checks.that(len(set(texts)) > 1, "choices differ at temperature 1", texts)
    checks.equal(ask()[0], texts, "the same seed, the same choices")
    checks.equal(answer.usage.completion_tokens, 36, "completion_tokens over all choices")
    single = chat(server, server.adapter, temperature=1.0, seed=7, max_tokens=12)
    checks.equal(answer.usage.prompt_tokens, single.usage.prompt_tokens, "the prompt is counted once")
    checks.equal(single.choices[0].message.content, texts[0], "the first choice is that of n=1")
    _, streams, reasons, _, _ = streamed(
        chat(server, server.adapter, n=3, temperature=1.0, seed=7, max_tokens=12, stream=True))
    checks.equal([streams[i] for i in range(3)], texts, "the streamed choices")
    checks.equal(sorted(reasons), [0, 1, 2], "each choice ends")


def chat_logprobs(checks, server):
    """chat log-probabilities"""
    answer = chat(server, server.adapter, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    checks.equal(len(content), answer.usage.completion_tokens, "one entry a token")
    data = b"".join(bytes(entry.bytes) for entry in content).decode("utf-8", "replace")
    checks.that(answer.choices[0].message.content.startswith(data[:4]), "the bytes are the text's", data)
    for entry in content:
        checks.equal(len(entry.top_logprobs), 3, "top_logprobs")
        best = [top.logprob for top in entry.top_logprobs]
        checks.that(best == sorted(best, reverse=True), "best first", best)
        checks.equal(entry.logprob, best[0], "the greedy token's own")
        checks.that(sum(map(math.exp, best)) <= 1 + 1e-5, "probabilities", best)
    chunks = chat(server, server.adapter, logprobs=True, top_logprobs=3, stream=True)
    parts = [entry for chunk in chunks for choice in chunk.choices
             for entry in (choice.logprobs.content if choice.logprobs else [])]
    checks.equal([entry.logprob for entry in parts], [entry.logprob for entry in content], "the streamed figures")


def stops(checks, server):
    """stop strings"""
    full = chat(server, server.base).choices[0].message.content
    at = max(len(full) // 3, 1)
    stop = full[at:at + 2]
    before = full[:full.index(stop)]
    answer = chat(server, server.base, stop=[stop, "\u0000never"])
    checks.equal(answer.choices[0].message.content, before, "the text before the stop")
    checks.equal(answer.choices[0].finish_reason, "stop", "finish_reason")
    checks.equal(answer.choices[0].stop_reason, stop, "stop_reason")
    _, texts, reasons, _, _ = streamed(chat(server, server.base, stop=stop, stream=True))
    checks.equal((texts[0], reasons[0]), (before, "stop"), "the streamed text")
    kept = chat(server, server.base, stop=stop,
                extra_body={"ignore_eos": True, "include_stop_str_in_output": True})
    checks.equal(kept.choices[0].message.content, before + stop, "the text with the stop")


def completions(checks, server):
    """completions"""
    text = "The cat sat on"
    ids = server.post("/tokenize", {"prompt": text})
    checks.equal(ids[0], 200, "/tokenize")
    ids = json.loads(ids[1])["tokens"]
    alone = complete(server, server.adapter, text)
    checks.equal(complete(server, server.adapter, ids).choices[0].text, alone.choices[0].text, "text or ids")
    both = complete(server, server.adapter, [text, "A dog"], n=2, temperature=0)
    checks.equal([choice.index for choice in both.choices], [0, 1, 2, 3], "prompts times n")
    checks.equal(both.choices[1].text, alone.choices[0].text, "a prompt's second choice")
    lists = complete(server, server.adapter, [ids, ids])
    checks.equal([choice.text for choice in lists.choices], [alone.choices[0].text] * 2, "lists of ids")
    echoed = complete(server, server.adapter, text, echo=True)
    checks.equal(echoed.choices[0].text, text + alone.choices[0].text, "echo")
    stream = complete(server, server.adapter, text, echo=True, stream=True)
    checks.equal("".join(chunk.choices[0].text for chunk in stream), echoed.choices[0].text, "echo, streamed")
    back = server.post("/detokenize", {"tokens": ids})
    checks.equal(json.loads(back[1])["prompt"], text, "/detokenize")


def scored(checks, server):
    """scores by echo, as lm-evaluation-harness asks for them"""
    for model in (server.base, server.adapter):
        prompt = "Once upon a time"
        made = complete(server, model, prompt, logprobs=2, extra_body={"return_token_ids": True})
        choice = made.choices[0]
        ids = choice.prompt_token_ids + choice.token_ids
        for more in ({"max_tokens": 0}, {"max_tokens": 1}):
            echo = complete(server, model, ids, echo=True, logprobs=2, **more).choices[0].logprobs
            count = len(ids) + more["max_tokens"]
            lengths = {len(getattr(echo, name)) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
            checks.equal(lengths, {count}, "four lists of one length")
            checks.equal(echo.token_logprobs[0], None, "nothing predicts the first token")
            start = len(choice.prompt_token_ids)
            checks.equal(echo.token_logprobs[start:len(ids)], choice.logprobs.token_logprobs,
                         "scores equal those of generation, to the bit")
            greedy = all(own == max(top.values()) for own, top in
                         zip(echo.token_logprobs[start:len(ids)], echo.top_logprobs[start:len(ids)]))
            checks.that(greedy, "what was generated greedily is scored as greedy")
            checks.equal(echo.text_offset, sorted(echo.text_offset), "offsets rise")


SECTIONS = [models, chat_whole, chat_streamed, several_choices, chat_logprobs, stops, completions, scored]
