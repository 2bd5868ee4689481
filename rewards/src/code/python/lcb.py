"""Judges one solution by the rules of LiveCodeBench's checker, its mistakes included.

One interpreter runs every test in turn; expected outputs are in it, as they are there. What a
solution can see of that checker and rely on (where its code is put, which names hold what while it
runs) is the same here, since verdicts depend on it. Nothing here is safe against a solution that
cheats: that is what the other verdict is for. Stops at the first test that fails.
"""

import ast
import builtins
import faulthandler
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from io import StringIO
from types import ModuleType
from unittest.mock import mock_open, patch

WRONG, TIMEOUT, ERROR = -2, -3, -4

STARRED = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json builtins typing"
).split()
NAMED = [name for name in STARRED if name not in ("builtins", "typing")]
PRELUDE = (
    "".join(f"from {name} import *\n" for name in STARRED)
    + "".join(f"import {name}\n" for name in NAMED)
    + "sys.setrecursionlimit(50000)\n"
)

GONE = {
    os: "kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames "
    "truncate replace unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir",
    shutil: "rmtree move chown",
    subprocess: "Popen",
    builtins: "quit help",
}
UNIMPORTABLE = "ipdb joblib resource psutil tkinter".split()


class TimeoutException(Exception):
    pass


def waited(list_folder=os.listdir, open_file=os.open, read=os.read, close=os.close):
    """Seconds that threads stood ready and had no processor; 0 where nothing tells."""
    try:
        total = 0
        for thread in list_folder("/proc/self/task"):
            file = open_file(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
            total += int(read(file, 100).split()[1])
            close(file)
        return total / 1e9
    except Exception:
        return 0


def arm(limit, computed=time.process_time):
    """Gives what comes next so many seconds."""
    global armed
    armed = [waited(), computed() + limit]
    signal.alarm(limit)


def on_alarm(signum, frame, computed=time.process_time):
    # A busy machine makes nobody late; threads that keep each other waiting compute meanwhile.
    owed = min(waited() - armed[0], armed[1] - computed())
    if owed > 0.01:
        armed[0] += owed
        signal.setitimer(signal.ITIMER_REAL, owed)
        return
    # A solution that lives on finds this line in its output.
    print("timeout occured: alarm went off")
    raise TimeoutException


def disarm():
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for owner, names in GONE.items():
        for name in names.split():
            setattr(owner, name, None)
    for name in UNIMPORTABLE:
        sys.modules[name] = None


class Buffer:
    """`sys.stdin.buffer`: reads whole, and its first line again and again."""

    def __init__(self, text):
        self.data = text.encode("utf-8")

    def read(self, *args):
        return self.data

    def readline(self, *args):
        return self.data.split(b"\n")[0] + b"\n"


class Stdin:
    """`sys.stdin`: `readline` moves on, `read` and `readlines` always give everything."""

    def __init__(self, text):
        self.text = text
        self.stream = StringIO(text)
        self.buffer = Buffer(text)

    def read(self, *args):
        return self.text

    def readline(self, *args):
        return self.stream.readline(*args)

    def readlines(self, *args):
        return self.text.split("\n")

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Stdout:
    """Takes `sys.stdout` for a while; what was printed is in `printed` after it."""

    def __enter__(self):
        self.before = sys.stdout
        sys.stdout = self.stream = StringIO()
        self.stream.close = lambda _: None
        return self

    def __exit__(self, *args):
        self.printed = self.stream.getvalue()
        sys.stdout = self.before


def without_main_guard(code):
    """The program with the body of a last `if __name__ == '__main__'` in place of it."""
    try:
        body = ast.parse(code).body
        last = body[-1]
        if isinstance(last, ast.If) and ast.unparse(last.test).strip() == "__name__ == '__main__'":
            return ast.unparse(body[:-1]) + "\n" + ast.unparse(last.body)
    except:
        pass
    return code


def as_function(code):
    """The program as the body of `wrapped_function`, its imports before it; as it is if that fails."""
    try:
        body = ast.parse(code).body
        imports = [part for part in body if isinstance(part, (ast.Import, ast.ImportFrom))]
        rest = [part for part in body if not isinstance(part, (ast.Import, ast.ImportFrom))]
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        function = ast.FunctionDef(
            name="wrapped_function", args=nothing, body=rest, decorator_list=[], lineno=-1
        )
        return PRELUDE + "\n" + ast.unparse(imports) + "\n" + ast.unparse(function)
    except Exception:
        return code


def method_of(code, name, limit):
    """Runs the module and takes the function, or the method of a new `Solution`."""
    arm(limit)
    try:
        module = ModuleType("tmp_sol", "")
        exec(code, module.__dict__)
        owner = module.Solution() if "class Solution" in code else module
    finally:
        signal.alarm(0)
    return getattr(owner, name)


def code_of(error):
    return TIMEOUT if "timeoutexception" in repr(error).lower() else ERROR


def show(value):
    """What the checker does to report a value; some values fail at it, and with them the test."""
    return value if isinstance(value, str) else str(value)


def call_with_input(method, text):
    lines = iter(text.split("\n"))
    # The first three change the true `sys.stdin`, which a program that imported `stdin` holds.
    with (
        patch("sys.stdin.read", lambda *args: text),
        patch("sys.stdin.readlines", lambda *args: text.split("\n")),
        patch("sys.stdin.readline", lambda *args: next(lines)),
        patch("sys.stdin", Stdin(text)),
        patch("builtins.open", mock_open(read_data=text)),
    ):
        try:
            method()
        except SystemExit:
            pass


def decimals(line):
    try:
        return [Decimal(word) for word in line.split()]
    except:
        return None


def same_line(printed, expected):
    if printed == expected:
        return True
    printed, expected = decimals(printed), decimals(expected)
    return printed is not None and expected is not None and printed == expected


def same_output(printed, expected):
    printed = [line.strip() for line in printed.strip().split("\n")]
    expected = [line.strip() for line in expected.strip().split("\n")]
    return len(printed) == len(expected) and all(map(same_line, printed, expected))


def judge_function(code, all_inputs, all_outputs, name, limit):
    method = method_of(PRELUDE + "\n\n" + code, name, limit)
    all_inputs = [[json.loads(line) for line in text.split("\n")] for text in all_inputs]
    all_outputs = [json.loads(text) for text in all_outputs]
    all_results = []
    for gt_inp, gt_out in zip(all_inputs, all_outputs):
        arm(limit)
        faulthandler.enable()
        try:
            time.time()
            prediction = method(*gt_inp)
            time.time()
            signal.alarm(0)
            if isinstance(prediction, tuple):
                prediction = list(prediction)
            tmp_result = prediction == gt_out
            all_results.append(tmp_result)
            if not tmp_result:
                show(prediction), show(gt_inp), show(gt_out)
                return all_results, WRONG
        except Exception as error:
            signal.alarm(0)
            result = code_of(error)
            all_results.append(result)
            return all_results, result
        finally:
            signal.alarm(0)
            faulthandler.disable()
    return all_results, None


def judge_program(code, all_inputs, all_outputs, limit):
    method = method_of(as_function(without_main_guard(code)), "wrapped_function", limit)
    all_results = []
    for gt_inp, gt_out in zip(all_inputs, all_outputs):
        arm(limit)
        faulthandler.enable()
        with Stdout() as captured_output:
            try:
                time.time()
                call_with_input(method, gt_inp)
                time.time()
                signal.alarm(0)
            except Exception as error:
                signal.alarm(0)
                result = code_of(error)
                all_results.append(result)
                return all_results, result
            finally:
                signal.alarm(0)
                faulthandler.disable()
        if not same_output(captured_output.printed, gt_out):
            all_results.append(WRONG)
            return all_results, WRONG
        all_results.append(True)
    return all_results, None


def judge(code, tests, limit):
    signal.signal(signal.SIGALRM, on_alarm)
    disarm()
    arm(limit)
    try:
        if tests["name"] is None:
            return judge_program(code, tests["inputs"], tests["outputs"], limit)
        return judge_function(code, tests["inputs"], tests["outputs"], tests["name"], limit)
    except Exception:
        return [ERROR], ERROR
    finally:
        signal.alarm(0)


def number(result):
    """A test's result as JSON: true, false, a number; null for what is none of them."""
    if type(result).__module__ == "numpy":
        result = result.item()
    return result if isinstance(result, (bool, int, float)) else None


def main(code, result_fd):
    """Reads tests from standard input, writes `{results, code}`; writes nothing where it dies."""
    dump, loads, write, leave = json.dumps, json.loads, os.write, os._exit
    pickled = pickle.dumps
    tests = loads(sys.stdin.read())
    sys.set_int_max_str_digits(50000)
    results, error_code = judge(code, tests, tests["limit"])
    # Results go through a pipe there, and what cannot be pickled never arrives.
    pickled(results)
    report = dump({"results": [number(result) for result in results], "code": error_code})
    data = memoryview(report.encode())
    while data:
        data = data[write(result_fd, data) :]
    leave(0)
