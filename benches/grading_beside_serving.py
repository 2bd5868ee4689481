"""Tokens a second of a server that an evaluation asks, with programs graded beside it and without.

usage: python benches/grading_beside_serving.py --model DIR [--problems N] [--max-tokens N] [--rounds N] ...

Starts `wardrobe serve` (the release build) on a free port and lets `wardrobe eval` ask it the same questions with the same seeds,
by turns: once every answer is graded as a program on `--tests` tests, each in a sandboxed process of its own, and once by comparing
texts, which costs nothing. A model that writes no programs would leave nothing to grade, so a relay between the two puts a program
that passes in the place of every answer, in both turns. The shorter the answers, the more grading there is beside them: programs
have some hundreds of tokens. What counts is the server's own counter of generated tokens, from the first
to the last of them. `wardrobe bench model --shape qwen2.5-0.5b --output DIR` makes a model worth the name; with one so small that all
answers are there before the first is graded there is nothing to measure. Needs Python 3.9 and nothing else; a quiet machine.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARDROBE = ROOT / "target/release/wardrobe"
# About what a contest's solution does: some milliseconds of plain Python.
PROGRAM = """import sys
n, k = map(int, sys.stdin.readline().split())
total = 0
for i in range(n):
    total = (total * 31 + i * k) % 1000003
print(total)
"""
SUITE = """name = "{name}"
title = "{name}"
about = "Grading beside serving."
prompt = "text"
[data]
files = ["problems.jsonl"]
id = "question_id"
[sampling]
samples = 1
temperature = 1.0
max_tokens = {max_tokens}
[grader]
{grader}
[prompts.text]
text = "{{question_content}}"
"""
GRADERS = {
    "graded": 'kind = "code"\nformat = "livecodebench"',
    "not graded": 'kind = "exact"\nreference = "question_id"',
}


# The evaluation under way: it ends with this program.
RUNNING = []


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--loops", type=int, default=50_000, help="of the program: 50,000 take about 5 ms")
    parser.add_argument("--graders", type=int, default=0, help="threads; 0 for the default")
    parser.add_argument("--nice", type=int, default=0, help="priority of the evaluation and its graders, 0 to 19")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def problem(number, options):
    """A record of LiveCodeBench's; the question is a line of words that nobody answers."""

    def test(k):
        total = 0
        for i in range(options.loops):
            total = (total * 31 + i * k) % 1000003
        return {"input": f"{options.loops} {k}\n", "output": f"{total}\n", "testtype": "stdin"}

    words = " ".join(f"number {number + i} and" for i in range(12))
    tests = [test(k) for k in range(1, options.tests + 1)] if number == 0 else None
    return {
        "question_id": f"q{number}", "question_title": "Sum", "question_content": words, "platform": "atcoder",
        "contest_id": "c", "contest_date": "2024-01-06T00:00:00", "starter_code": "", "difficulty": "easy",
        "metadata": "{}", "public_test_cases": "[]", "private_test_cases": tests,
    }


def write_suites(folder, options):
    records = [problem(number, options) for number in range(options.problems)]
    tests = json.dumps(records[0]["private_test_cases"])
    lines = [json.dumps({**record, "private_test_cases": tests}) for record in records]
    for name, grader in GRADERS.items():
        suite = folder / name
        suite.mkdir()
        text = SUITE.format(name=name, grader=grader, max_tokens=options.max_tokens)
        (suite / "suite.toml").write_text(text)
        (suite / "problems.jsonl").write_text("\n".join(lines) + "\n")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serve(options, adapters):
    adapters.mkdir()
    port = free_port()
    command = [WARDROBE, "serve", "--model", options.model, "--adapter-dir", adapters, "--port", str(port)]
    command += ["--served-model-name", "base", "--generation-config", "openai"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            return server, port
        except OSError:
            if server.poll() is not None:
                sys.exit(f"the server ended with status {server.returncode}; does {options.model} load?")
            time.sleep(0.1)
    server.kill()
    sys.exit("the server did not start within two minutes")


def relay(port):
    """Passes requests on, and puts the program in the place of every answer."""
    program = f"```python\n{PROGRAM}```"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self, method):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            upstream.request(method, self.path, body, {"content-type": "application/json"})
            answer = upstream.getresponse()
            data = answer.read()
            upstream.close()
            if method == "POST" and answer.status == 200:
                reply = json.loads(data)
                reply["choices"][0]["text"] = program
                data = json.dumps(reply).encode()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.pass_on("GET")

        def do_POST(self):
            self.pass_on("POST")

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def generated(port):
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
    return float(re.search(r"^vllm:generation_tokens_total\S* (\S+)$", page, re.M).group(1))


def turn(suite, folder, port, relayed, options):
    """Tokens a second, and how long grading went on after the last token."""
    command = ["nice", "-n", str(options.nice), WARDROBE, "eval", folder / suite, "--url", f"http://127.0.0.1:{relayed}"]
    command += ["--force", "--json", "--output", folder / "out", "--concurrency", str(options.concurrency), "--sandbox", "best-effort"]
    command += ["--graders", str(options.graders)] if options.graders else []
    before = last = generated(port)
    begun = ended = None
    # A job array would take its share of the problems alone.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    RUNNING[:] = [running]
    output = []
    reading = threading.Thread(target=lambda: output.extend(running.communicate()))
    reading.start()
    while reading.is_alive():
        now, count = time.perf_counter(), generated(port)
        if count > last:
            begun = begun or (now, count)
            ended, last = (now, count), count
        time.sleep(0.02)
    left = time.perf_counter()
    if running.returncode != 0:
        sys.exit(output[1].decode())
    rate = next(rate for rate in json.loads(output[0])["rates"])
    if suite == "graded" and (rate["samples"], rate["passed"]) != (options.problems, options.problems):
        sys.exit(f"{rate['passed']} of {rate['samples']} programs passed, expected {options.problems}: is the machine too busy?")
    if begun is None or ended[0] <= begun[0]:
        sys.exit("the run was over before it could be timed; ask for more --problems or --max-tokens")
    return (ended[1] - begun[1]) / (ended[0] - begun[0]), left - ended[0], last - before


def measure(folder, options):
    """The two turns of each round: rate, seconds of grading after the last token, tokens."""
    server, port = serve(options, folder / "adapters")
    try:
        relayed = relay(port)
        write_suites(folder, options)
        turn("not graded", folder, port, relayed, options)
        rounds = []
        for number in range(options.rounds):
            order = list(GRADERS) if number % 2 == 0 else list(GRADERS)[::-1]
            rates = {suite: turn(suite, folder, port, relayed, options) for suite in order}
            rounds.append(rates)
            with_it, without = rates["graded"], rates["not graded"]
            print(
                f"round {number + 1}: {with_it[0]:8.1f} tokens/s graded, {without[0]:8.1f} not graded, "
                f"ratio {with_it[0] / without[0]:.3f}; grading ended {with_it[1]:.1f} s after the last token",
                flush=True,
            )
            if with_it[2] != without[2]:
                sys.exit("the two turns did not generate the same tokens")
        return rounds
    finally:
        for process in [*RUNNING, server]:
            process.terminate()
            process.wait()


def main():
    options = arguments()
    if not WARDROBE.exists():
        subprocess.run(["cargo", "build", "--release", "--bin", "wardrobe"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as name:
        rounds = measure(Path(name), options)
    ratios = sorted(rates["graded"][0] / rates["not graded"][0] for rates in rounds)
    tests = options.problems * (options.tests + 1)
    print(f"{options.problems} answers of up to {options.max_tokens} tokens a turn, {tests} sandboxed runs of programs beside them")
    print(f"rate kept while grading: median {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
