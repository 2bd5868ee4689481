"""Runs a piece of source in this process as `python3 main.py` would, and ends the process."""

import atexit
import builtins
import gc
import io
import os
import signal
import sys
import threading
import types


def main_module(path):
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    main.__file__ = path
    main.__cached__ = None
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    sys.argv = [path]
    sys.path[0] = os.path.dirname(path)
    return main


def exit_status(code):
    """The status that `SystemExit(code)` means."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stdout.flush()
    print(code, file=sys.stderr)
    return 1


def execute(source, harness):
    """Runs the source, or in its place the harness; the status to end with."""
    path = os.path.join(os.getcwd(), "main.py")
    try:
        main = main_module(path)
        if harness:
            main.__dict__.update(source=source.decode(), result_fd=3)
            code = compile(harness, "<harness>", "exec", dont_inherit=True)
        else:
            code = compile(source, path, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit as stop:
        return exit_status(stop.code)
    except BaseException as error:
        error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def close_main():
    """Lets go of the names of the program in the interpreter's order: files that it left open are
    written out, and finalizers may print."""
    names = sys.modules["__main__"].__dict__
    for private in (True, False):
        for name in list(names):
            if isinstance(name, str) and name.startswith("_") == private and name != "__builtins__":
                names[name] = None
    # What a cycle holds comes apart in any order: a file might close before its buffer is out.
    objects = gc.get_objects()
    for kind in (io.TextIOWrapper, io.BufferedWriter):
        for file in objects:
            if issubclass(type(file), kind):
                try:
                    file.flush()
                except BaseException:
                    pass
    del objects, file
    gc.collect()


def flush_streams():
    """Whether all that was printed got out."""
    whole = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:
            whole = False
    return whole


def finish(status):
    """The interpreter's own end without its slow parts: threads, exit hooks, flushing, then the
    program's names, and what their going printed."""
    try:
        for step in (threading._shutdown, atexit._run_exitfuncs):
            try:
                step()
            except BaseException as error:
                sys.excepthook(type(error), error, error.__traceback__)
        if not flush_streams():
            status = 120
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        close_main()
        if not flush_streams():
            status = 120
    finally:
        os._exit(status)


def run(source, harness):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        status = execute(source, harness)
    finally:
        finish(status)
