"""Many clients at once, clients that leave, a full queue, and the end."""

import json
import os
import random
import signal
import threading
import time

import openai

from check_answers import chat, complete

RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
# Seconds between two replacements; a busy machine may manage half as many.
EVERY = 0.1
PROMPTS = ["Tell me a story.", "What is 12 + 30?", "A list of colours:", "x", "Why is the sky blue? " * 8]


def ask(server, model, prompt):
    answer = chat(server, model, messages=[{"role": "user", "content": prompt}], max_tokens=16)
    return answer.adapter_generation, answer.choices[0].message.content


def replaced_under_load(checks, server, variants, seconds):
    """8 clients while an adapter is replaced every 100 ms"""
    name, solo = "e2e-swapped", {}
    for folder in variants.folders:
        server.load(name, folder, inplace=True)
        for prompt in PROMPTS:
            generation, text = ask(server, name, prompt)
            solo[generation, prompt] = text
    bases = {prompt: ask(server, server.base, prompt)[1] for prompt in PROMPTS}
    done, results, swaps = threading.Event(), [], [0, 0]

    def client(seed):
        rng = random.Random(seed)
        while not done.is_set():
            prompt, model = rng.choice(PROMPTS), rng.choice([name, name, server.base])
            try:
                generation, text = ask(server, model, prompt)
                expected = bases[prompt] if model == server.base else solo.get((generation, prompt))
                results.append((None if text == expected else f"{text!r} is not {expected!r}", generation))
            except openai.OpenAIError as error:
                results.append((repr(error), None))

    def replace():
        due = time.monotonic()
        # A machine that cannot keep up takes longer; what is asked of it stays.
        for _ in range(round(seconds / EVERY)):
            status, text = server.load(name, random.choice(variants.folders), inplace=True)
            swaps[status != 200] += 1
            due += EVERY
            time.sleep(max(0, due - time.monotonic()))
        done.set()

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)] + [threading.Thread(target=replace)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = [problem for problem, _ in results if problem]
    generations = {generation for _, generation in results if generation}
    print(f"    {len(results)} answers, {swaps[0]} replacements, {len(generations)} generations, {len(wrong)} wrong")
    checks.equal(wrong[:3], [], "wrong answers")
    checks.equal(swaps[1], 0, "failed replacements")
    checks.that(len(results) >= 8, "every client was answered", len(results))
    checks.equal(len(generations), len(variants.folders), "generations that answered")
    checks.that(len(set(solo.values())) > len(PROMPTS), "the generations' answers differ")
    server.unload(name)


def gone_clients(checks, server):
    """clients that leave"""
    room = server.max_model_len - 200
    stream = complete(server, server.base, "x", max_tokens=room, stream=True)
    next(iter(stream))
    checks.that(server.wait_for(RUNNING, 1), "the streamed request runs")
    stream.close()
    checks.that(server.wait_for(RUNNING, 0, 2), "a closed stream frees its sequence")
    body = {"model": server.base, "prompt": "x", "max_tokens": room, "ignore_eos": True, "n": 2}
    connection = server.raw("/v1/completions", body)
    checks.that(server.wait_for(RUNNING, 2), "both choices of a whole request run")
    connection.close()
    checks.that(server.wait_for(RUNNING, 0, 2), "a closed connection frees both")


def full_queue(checks, server, max_queue):
    """a full queue"""
    refused, other, lock = [], [], threading.Lock()

    def client():
        try:
            complete(server, server.base, "x", max_tokens=100)
        except openai.RateLimitError as error:
            with lock:
                refused.append(error)
        except openai.OpenAIError as error:
            with lock:
                other.append(error)

    threads = [threading.Thread(target=client) for _ in range(max_queue * 3 + 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checks.equal(other, [], "other errors")
    checks.that(refused, "some were told to come back")
    for error in refused[:3]:
        checks.equal(error.body["code"], "rate_limit_exceeded", "code")
        checks.that(int(error.response.headers["retry-after"]) >= 1, "Retry-After")
    checks.that(server.wait_for(WAITING, 0) and server.wait_for(RUNNING, 0), "the queue is empty again")


def drained(checks, server, pid):
    """SIGTERM lets what runs finish"""
    stream = complete(server, server.base, "x", max_tokens=300, stream=True)
    chunks = [next(iter(stream))]
    os.kill(pid, signal.SIGTERM)
    for chunk in stream:
        chunks.append(chunk)
    checks.equal(chunks[-1].choices[0].finish_reason, "length", "the running request ended by itself")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            status, text = server.post("/v1/completions", {"model": server.base, "prompt": "x", "max_tokens": 1})
            checks.equal((status, json.loads(text)["error"]["type"]), (503, "server_error"), "a late request")
        except OSError:
            break
        time.sleep(0.05)
    else:
        checks.that(False, "connections are refused in the end")
