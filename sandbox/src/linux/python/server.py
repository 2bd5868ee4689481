"""The fork server: one fresh child a job, one job at a time, nothing of a job kept.

It is the first process of its process namespace, behind every wall its children are to be behind,
and has no privilege. A request is a list of numbers and open files; what a job consists of is read
by the child alone, so that no later child finds it in memory it inherits.
"""

import _socket
import ctypes
import gc
import resource
import select
import struct
import time

CONTROL = 3
ENDED, CPU, WALL, ASKED = range(4)
ANSWER = 40  # bytes of an answer: whatever is shorter is a complaint
PR_SET_DUMPABLE = 4
# The C library's own functions. Half of what a short job costs are pages that it is the first to
# write since its birth; without the interpreter's own steps after a fork, which put in order what
# other threads may have left, there are a tenth fewer. The server has no other threads.
LIBC = ctypes.PyDLL(None)
LEAST, MOST = 0.002, 0.2  # seconds between two looks at a child's processor time


def read_parts(fd):
    """The parts of a job: source, harness, then names and contents of files by turns."""
    size, data = os.fstat(fd).st_size, b""
    while len(data) < size:
        data += os.read(fd, size - len(data))
    (count,) = struct.unpack_from("<Q", data)
    lengths = struct.unpack_from("<%dQ" % count, data, 8)
    parts, at = [], 8 + 8 * count
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    return parts


def lower(which, soft, hard):
    """Sets a limit; a hard limit that is lower already stays. No limit is -1."""
    most = resource.getrlimit(which)[1]
    if most != -1:
        soft, hard = (most if one == -1 else min(one, most) for one in (soft, hard))
    resource.setrlimit(which, (soft, hard))


def write_file(name, content):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    while content:
        content = content[os.write(fd, content) :]
    os.close(fd)


def set_up(payload, limits, folder):
    """The job's folder with its files, and its limits; the source and the harness."""
    os.setsid()
    source, harness, *rest = read_parts(payload)
    os.chdir(folder)
    for name, content in [(b"main.py", source), *zip(rest[::2], rest[1::2])]:
        write_file(name, content)
    for at in range(0, len(limits), 3):
        lower(*limits[at : at + 3])
    return source, harness


def child(files, limits, folder):
    """Takes the job's open files and limits on, and runs it; says so where that fails.

    The interpreter's own streams serve the job: the server was started with the same kinds of files
    (a file in memory, two pipes), and has read and written nothing.
    """
    try:
        source, harness = set_up(files[0], limits, folder)
    except BaseException as error:
        os.write(CONTROL, ("no job: %s" % error).encode()[: ANSWER - 1])
        os._exit(1)
    os.close(CONTROL)
    for number, fd in enumerate(files[1:]):
        os.dup2(fd, number)
    os.closerange(len(files) - 1, 64)
    threading.main_thread()._set_native_id()
    if "random" in sys.modules:
        sys.modules["random"].seed()
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    gc.enable()
    run(source, harness)


def watch(pid, poller, wall, cpu):
    """Waits for the child's end or the end of its time."""
    ended = os.pidfd_open(pid)
    poller.register(ended, select.POLLIN)
    start = time.monotonic()
    clock = (~pid << 3) | 2
    try:
        while True:
            elapsed, spent = time.monotonic() - start, time.clock_gettime(clock)
            if elapsed >= wall:
                return WALL
            if spent >= cpu:
                return CPU
            look = min(max(cpu - spent, LEAST), MOST, wall - elapsed)
            ready = [fd for fd, _ in poller.poll(look * 1000 + 1)]
            if ended in ready:
                return ENDED
            if CONTROL in ready:
                return ASKED
    finally:
        poller.unregister(ended)
        os.close(ended)


def kill_all():
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the last of them has just ended


def end_all(pid):
    """Kills what is left and reaps it all; the child's status, time and memory.

    Who loses its parent becomes a child of this process before the parent can be reaped: without
    a child there is nobody left.
    """
    status, spent, peak = 0, 0.0, 0
    while True:
        try:
            ended, answer, usage = os.wait4(-1, os.WNOHANG)
            if ended == 0:
                kill_all()
                ended, answer, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, spent, peak
        if ended == pid:
            status = answer
        spent += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)


def serve(folder):
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, CONTROL)
    poller = select.poll()
    poller.register(CONTROL, select.POLLIN)
    control.send(b"ready")
    while True:
        request, ancillary, _, _ = control.recvmsg(1024, _socket.CMSG_SPACE(4 * 8))
        if not request:
            os._exit(0)
        if request == b"k":
            continue  # for a job that had ended by itself
        files = [fd for _, _, data in ancillary for fd in struct.unpack("%di" % (len(data) // 4), data)]
        wall, cpu, *limits = struct.unpack("<%dq" % (len(request) // 8), request)
        start = time.monotonic()
        pid = LIBC.fork()
        if pid == 0:
            child(files, limits, folder)
        if pid < 0:
            sys.exit("the fork server cannot fork")
        for fd in files:
            os.close(fd)
        reason = watch(pid, poller, wall / 1e6, cpu / 1e6)
        elapsed = time.monotonic() - start
        status, spent, peak = end_all(pid)
        numbers = (status, reason, int(spent * 1e6), int(elapsed * 1e6), peak * 1024)
        control.send(struct.pack("<5q", *numbers))


def warm_up():
    """Goes through a child's steps, so that what they set up once is set up before any fork."""
    kept = sys.modules["__main__"], sys.argv, sys.path[0]
    for _ in range(20):
        write_file("/dev/null", b"x")
        resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))
        names = main_module("/main.py").__dict__
        exec(compile("def f(n): return [n]\nx = sum(f(int('1')))", "", "exec"), names)
    sys.modules["__main__"], sys.argv, sys.path[0] = kept


def main():
    folder, prelude = sys.argv[1:]
    if not hasattr(os, "pidfd_open"):
        sys.exit("the fork server needs Python 3.9 or later, found " + sys.version.split()[0])
    # No child may look into the server or into an earlier self: its start has undone the setting.
    LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    # The first process of a namespace ignores every signal that it has no handler for.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    exec(compile(prelude, "<prelude>", "exec", dont_inherit=True), {"__name__": "__prelude__"})
    os.environ.clear()
    warm_up()
    sys.stdout.flush()
    gc.disable()
    gc.collect()
    gc.freeze()
    serve(folder)


main()
