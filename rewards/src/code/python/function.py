"""Runs a solution's method on one test's arguments, or a test program after a solution. For a
method the usual names are in reach, as on LeetCode; for a test program none are, as in HumanEval.

No expected value is ever here in the first case: the method's value goes out as JSON, by the exact
builtin type under it, and is compared outside. In the second case the test program is the judge, as
its benchmark has it, and its word is all there is.
"""

import fcntl
import json
import os
import sys
import types

STARRED = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools "
    "operator io sys json builtins typing"
).split()
NAMED = [name for name in STARRED if name not in ("builtins", "typing")]
DEPTH = 400

names = {}
exec("".join(f"from {name} import *\n" for name in STARRED), names)
exec("".join(f"import {name}\n" for name in NAMED), names)
NAMES = {name: value for name, value in names.items() if not name.startswith("__")}

quote = json.encoder.encode_basestring_ascii
_write, _exit = os.write, os._exit


def key(value):
    if str in type(value).__mro__:
        return quote(str.__str__(value))
    if value is None or type(value) in (bool, int, float):
        return '"' + encode(value) + '"'
    raise TypeError(f"a dictionary key of type {type(value).__name__} has no JSON form")


def encode(value, depth=0):
    """JSON of a value; a subclass counts as the builtin it extends."""
    if depth > DEPTH:
        raise TypeError("the value is nested too deeply")
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    kinds = type(value).__mro__
    if int in kinds:
        return int.__repr__(value)
    if float in kinds:
        text = float.__repr__(value)
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    if str in kinds:
        return quote(str.__str__(value))
    if list in kinds or tuple in kinds:
        items = list.__iter__(value) if list in kinds else tuple.__iter__(value)
        return "[" + ",".join([encode(item, depth + 1) for item in items]) + "]"
    if dict in kinds:
        items = dict.items(value)
        return "{" + ",".join([f"{key(k)}:{encode(v, depth + 1)}" for k, v in items]) + "}"
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return encode(value.item(), depth + 1)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def tell(result_fd, text):
    data = memoryview(text.encode())
    while data:
        data = data[_write(result_fd, data) :]
    _exit(0)


def module_of(source, names):
    """The solution as a module of its own."""
    module = types.ModuleType("solution")
    module.__dict__.update(names)
    sys.modules["solution"] = module
    exec(compile(source, "solution.py", "exec"), module.__dict__)
    return module


def call(source, result_fd, name):
    """Arguments come on standard input, one JSON value a line. `=` and the value, or `!` and why."""
    arguments = [json.loads(line) for line in sys.stdin.read().split("\n")]
    sys.setrecursionlimit(50000)
    module = module_of(source, NAMES)
    if hasattr(module, "Solution"):
        method = getattr(module.Solution(), name)
    else:
        method = getattr(module, name)
        if method is NAMES.get(name):
            raise NameError(f"the solution defines neither Solution nor {name}")
    value = method(*arguments)
    sys.set_int_max_str_digits(0)
    try:
        text = "=" + encode(value)
    except TypeError as error:
        text = "!" + str(error)
    tell(result_fd, text)


def test(source, result_fd):
    """The word of this job comes on standard input, then the test program. `=` and the word where it
    ran through, `!` and why where it objects. The channel goes by another number meanwhile, and the
    word is in this function alone."""
    word, _, program = sys.stdin.read().partition("\n")
    program = compile(program, "tests.py", "exec")
    private = fcntl.fcntl(result_fd, fcntl.F_DUPFD_CLOEXEC, 64 + os.urandom(1)[0] % 128)
    os.close(result_fd)
    for stated in ("source", "result_fd"):
        sys.modules["__main__"].__dict__.pop(stated, None)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    module = module_of(source, {})
    try:
        exec(program, module.__dict__)
    except AssertionError as error:
        tell(private, "!" + (str(error) or "an assertion failed"))
    tell(private, "=" + word)
