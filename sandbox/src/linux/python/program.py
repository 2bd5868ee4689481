"""Runs a piece of source in this process as `python3 main.py` would, and ends the process."""

import builtins
import os
import sys
import threading
import types
from _signal import SIGINT, default_int_handler, signal
from _thread import _count
from atexit import _ncallbacks, _run_exitfuncs
from gc import collect, get_objects
from io import BufferedWriter, TextIOWrapper
from os import _exit


def main_module(path):
    """Puts a fresh module in the program's place; its names."""
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    main.__file__ = path
    main.__cached__ = None
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    sys.argv = [path]
    sys.path[0] = os.path.dirname(path)
    return main.__dict__


def leave_room(frames):
    """The program calls as deep as ever, below so many frames of ours."""
    sys.setrecursionlimit(sys.getrecursionlimit() + frames)


def compiled(source, harness, path):
    """The code of the harness, or without one of the source."""
    text, path = (harness, "<harness>") if harness else (source, path)
    return compile(text, path, "exec", 0, True)


def exit_status(code):
    """The status that `SystemExit(code)` means."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stdout.flush()
    print(code, file=sys.stderr)
    return 1


def execute(source, harness, code, names):
    """Runs the code, made of the source or the harness where there is none; the status to end with.
    In place of code, what its compilation raised is raised."""
    try:
        if isinstance(code, SyntaxError):
            raise code
        if harness:
            names.update(source=source.decode(), result_fd=3)
        exec(code or compiled(source, harness, names["__file__"]), names)
    except SystemExit as stop:
        return exit_status(stop.code)
    except BaseException as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_globals is globals():
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 1
    return 0


def let_go(names):
    """Lets go of the names of the program in the interpreter's order: files that it left open are
    written out, and finalizers may print."""
    for private in (True, False):
        for name in list(names):
            if isinstance(name, str) and name.startswith("_") == private and name != "__builtins__":
                names[name] = None


WRITERS = (TextIOWrapper, BufferedWriter)


def flush_files(_):
    """What a cycle holds comes apart in any order: a file might close before its buffer is out.
    Those of text first: they write to the others. Classes of the program are neither hashed nor
    compared, which it may have made impossible."""
    files = [one for one in get_objects() if issubclass(type(one), WRITERS)]
    for kind in WRITERS:
        for file in files:
            if issubclass(type(file), kind):
                try:
                    file.flush()
                except BaseException:
                    pass


def collect_cycles(_):
    """All generations: the program may have collected, and left in the oldest what now can go."""
    collect()


def close_main(names):
    """The program's right end stays right here: it may have left no memory for any of this."""
    for step in (let_go, flush_files, collect_cycles):
        try:
            step(names)
        except BaseException:
            pass


def flush_streams():
    """Whether all that was printed got out."""
    whole = True
    for name in ("stdout", "stderr"):
        try:
            stream = getattr(sys, name, None)
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:
            whole = False
    return whole


def last_steps():
    """Waits for threads and calls exit hooks, where there are any."""
    steps = []
    if _count() > 0 or getattr(threading, "_threading_atexits", True):
        steps.append(threading._shutdown)
    if _ncallbacks() > 0:
        steps.append(_run_exitfuncs)
    for step in steps:
        try:
            step()
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)


def end_program(status, names):
    """The interpreter's own end without its slow parts: threads, exit hooks, flushing, then the
    program's names, and what their going printed. The status to end with."""
    last_steps()
    if not flush_streams():
        status = 120
    try:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        close_main(names)
    except BaseException:
        pass
    return status if flush_streams() else 120


def run(source, harness, code, names):
    # As the interpreter has it: the module `signal` would look up names for both arguments.
    signal(SIGINT, default_int_handler)
    status = 1
    try:
        status = end_program(execute(source, harness, code, names), names)
    finally:
        _exit(status)
