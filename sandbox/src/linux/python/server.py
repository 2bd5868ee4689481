"""The fork server: one fresh child a job, one job at a time, nothing of a job kept.

It is the first process of its process namespace, behind every wall its children are to be behind,
and has no privilege. A request is a list of numbers and open files; what a job consists of is read
by the child alone, so that no later child finds it in memory it inherits.

Most of what a short job costs are pages that it is the first to write since its birth, and the
interpreter writes wherever it looks. Hence the C library's own functions on one piece of memory that
is laid out once: they make and name no objects, and their fork leaves out the interpreter's steps
for other threads, which this server has none of. Hence also `warm_up`.
"""

import ctypes
import errno
import random
import site
from gc import collect, disable, enable, freeze
from marshal import dumps, loads
from os import close, closerange, dup2, read, write
from os import open as open_file
from warnings import catch_warnings

CONTROL = 3
ENDED, FAILED, COMPILED = (kind.to_bytes(8, "little") for kind in range(3))
LONGEST = 60000  # bytes of compiled code that are worth handing back
SIGKILL, WNOHANG, MSG_PEEK, MSG_DONTWAIT = 9, 1, 2, 64
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4

LIBC = ctypes.PyDLL(None, use_errno=True)
FORK, WAIT, KILL, RECEIVE, SEND = LIBC.fork, LIBC.wait4, LIBC.kill, LIBC.recvmsg, LIBC.send
GROUP, CHDIR, LIMIT, PRCTL = LIBC.setpgid, LIBC.chdir, LIBC.setrlimit, LIBC.prctl
FILL = LIBC.memset
RESEED = super(random.Random, random._inst).seed
WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

# The memory, in words of 8 bytes. A request: lengths of source, code, harness and files, how many
# limits there are, and each as which, soft, hard.
SPACE = ctypes.create_string_buffer(2048)
WORDS, INTS = (memoryview(SPACE).cast("B").cast(kind) for kind in "qi")
SOURCE, CODE, HARNESS, FILES, LIMITS, FIRST_LIMIT = range(6)
REQUEST, ANCILLARY, HEADER, VECTOR, STATUS, USAGE, ANSWER, WORD = 0, 128, 144, 152, 154, 156, 176, 180
OF_A_JOB = 8 * (WORD + 1 - STATUS)  # what a job leaves in it, in bytes
# Of the message's open files, in words of 4 bytes: how long they are with 16 bytes before them.
FILES_LENGTH, PAYLOAD, STREAMS = 2 * ANCILLARY, 2 * ANCILLARY + 4, 2 * ANCILLARY + 5
RESULT = STREAMS + 3


def at(word):
    return ctypes.c_void_p(ctypes.addressof(SPACE) + 8 * word)


MESSAGE, TO_STATUS, TO_USAGE, TO_ANSWER, TO_WORD = map(at, (HEADER, STATUS, USAGE, ANSWER, WORD))
TO_LIMITS = [at(FIRST_LIMIT + 1 + 3 * n) for n in range(8)]


def lay_out():
    """The header of every message that is received: one vector, and room for open files."""
    WORDS[HEADER + 2], WORDS[HEADER + 3] = at(VECTOR).value, 1
    WORDS[HEADER + 4] = at(ANCILLARY).value
    WORDS[VECTOR], WORDS[VECTOR + 1] = at(REQUEST).value, 8 * (ANCILLARY - REQUEST)


def read_all(fd, size):
    data = read(fd, size)
    while len(data) < size:
        data += read(fd, size - len(data))
    return data


def write_file(name, content):
    fd = open_file(name, WRITE_NEW, 0o644)
    while content:
        content = content[write(fd, content) :]
    close(fd)


def write_files(data):
    """Files by turns as two lengths, the name, the content."""
    while data:
        name = 16 + int.from_bytes(data[:8], "little")
        end = name + int.from_bytes(data[8:16], "little")
        write_file(data[16:name], data[name:end])
        data = data[end:]


def set_up(payload, folder):
    """The job's folder with its files, and its limits; source, code and harness."""
    GROUP(0, 0)
    if CHDIR(folder) < 0:
        raise OSError(ctypes.get_errno(), "entering the working folder")
    source = read_all(payload, WORDS[SOURCE])
    code = WORDS[CODE] and read_all(payload, WORDS[CODE])
    harness = WORDS[HARNESS] and read_all(payload, WORDS[HARNESS])
    write_file("main.py", source)
    if WORDS[FILES]:
        write_files(read_all(payload, WORDS[FILES]))
    for n in range(WORDS[LIMITS]):
        if LIMIT(WORDS[FIRST_LIMIT + 3 * n], TO_LIMITS[n]) < 0:
            raise OSError(ctypes.get_errno(), "setting limit %d" % WORDS[FIRST_LIMIT + 3 * n])
    return source, code, harness


def code_of(source, code, harness, path):
    """The code to run: as it came, or made and handed back for the next job; for a program that has
    none, the error. `None` where it is to be made when it runs: what the compiler warns of goes to
    every job's own stderr."""
    if code:
        return loads(code)
    error = None
    try:
        with catch_warnings(record=True) as warned:
            try:
                code = compiled(source, harness, path)
            except SyntaxError as found:
                error = found
        if warned or error:
            return None if warned else error
        data = dumps(code)
        if len(data) < LONGEST:
            write(CONTROL, COMPILED + data)
        return code
    except BaseException:
        return None


def child(folder, names):
    """Takes the job's open files and limits on, and runs it; says so where that fails.

    The interpreter's own streams serve the job: the server was started with the same kinds of files
    (a file in memory, two pipes), and has read and written nothing.
    """
    try:
        source, code, harness = set_up(INTS[PAYLOAD], folder)
        for number in (0, 1, 2):
            dup2(INTS[STREAMS + number], number)
        RESEED()
        code = code_of(source, code, harness, names["__file__"])
    except BaseException as error:
        write(CONTROL, FAILED + str(error).encode())
        _exit(1)
    own = 3
    if INTS[FILES_LENGTH] > 32:
        dup2(INTS[RESULT], own)
        own = 4
    closerange(own, 64)
    PRCTL(PR_SET_DUMPABLE, 1, 0, 0, 0)
    enable()
    run(source, harness, code, names)


def asked_to_stop(*_):
    """Ends the job when the caller's message says so: a job may send the signal as well."""
    if LIBC.recv(CONTROL, TO_WORD, 8, MSG_PEEK | MSG_DONTWAIT) == 1:
        LIBC.recv(CONTROL, TO_WORD, 8, MSG_DONTWAIT)
        KILL(-1, SIGKILL)


def wait(flags):
    """The next process that has ended, 0 for none yet, -1 for none left.

    Whoever is told of its end believes that nothing is alive: no other error than this one counts,
    for an interruption may leave the error of what the handler did.
    """
    while True:
        ended = WAIT(-1, TO_STATUS, flags, TO_USAGE)
        if ended >= 0 or ctypes.get_errno() == errno.ECHILD:
            return ended


def until_end(pid):
    """Waits for the child, then kills what is left and reaps it all; tells the child's status, and
    time and memory of all.

    Who loses its parent becomes a child of this process before the parent can be reaped: without
    a child there is nobody left.
    """
    status, spent, peak, flags = 0, 0, 0, 0
    while True:
        ended = wait(flags)
        if ended < 0:
            break
        if ended == 0:
            KILL(-1, SIGKILL)
            flags = 0
            continue
        if ended == pid:
            status, flags = INTS[2 * STATUS], WNOHANG
        spent += (WORDS[USAGE] + WORDS[USAGE + 2]) * 1000000 + WORDS[USAGE + 1] + WORDS[USAGE + 3]
        peak = max(peak, WORDS[USAGE + 4])
    WORDS[ANSWER + 1], WORDS[ANSWER + 2], WORDS[ANSWER + 3] = status, spent, peak
    SEND(CONTROL, TO_ANSWER, 32, 0)
    # The next child inherits this memory.
    FILL(TO_STATUS, 0, OF_A_JOB)


def serve(folder, names):
    while True:
        WORDS[HEADER + 5] = 8 * (HEADER - ANCILLARY)
        length = RECEIVE(CONTROL, MESSAGE, 0)
        if length == 0:
            _exit(0)
        if length < 8:
            continue  # interrupted, or about a job that had ended by itself
        pid = FORK()
        if pid == 0:
            child(folder, names)
        if pid < 0:
            sys.exit("the fork server cannot fork")
        closerange(CONTROL + 1, 64)
        until_end(pid)


WARMING = b"import sys\na, b = map(int, '1 2'.split())\nprint(a + b, sys.stdin.read())\n"


def warm_up(path):
    """Goes through a child's steps, so that what they set up once is set up before any fork: the
    interpreter's caches would be filled anew, and their pages written, by every child. The names of
    the next program."""
    output, null = os.dup(1), os.open("/dev/null", os.O_RDWR)
    dup2(null, 1)
    for _ in range(30):
        write_file("/dev/null", read_all(null, 0))
        WORDS[FIRST_LIMIT + 1] = WORDS[FIRST_LIMIT + 2] = 0
        LIMIT(4, TO_LIMITS[0])  # of core dumps, which there are none of
        RESEED()
        dup2(null, null)
        closerange(62, 64)
        PRCTL(PR_SET_DUMPABLE, 0, 0, 0, 0)
        signal(SIGINT, asked_to_stop)
        names = main_module(path)
        code = loads(dumps(compiled(WARMING, b"", path)))
        end_program(execute(WARMING, b"", code, names), names)
    dup2(output, 1)
    os.close(output)
    os.close(null)
    return main_module(path)


def begin_afresh():
    """Fills the gaps between what lives in memory, of every size up to the largest that the
    interpreter keeps together: what a child makes then lies on few pages, one beside the other."""
    for size in range(48, 513, 16):
        for _ in range(1024):  # no more where objects lie otherwise
            FILLING.append(bytes(size - sys.getsizeof(b"")))
            if id(FILLING[-1]) % POOL == POOL_HEADER:
                break
    # The C library sorts what was given back to it when it is asked for more than all of that.
    bytes(1 << 20)


# Where the interpreter's first object of a fresh pool lies, by its `obmalloc.c`.
POOL, POOL_HEADER = 1 << 14 if sys.version_info >= (3, 10) else 1 << 12, 48
FILLING = []


def as_a_program_finds_it(path):
    """What the interpreter's start without its module `site` has left out."""
    sys.path[1:] = path
    site.setquit()
    site.setcopyright()
    site.sethelper()


# The script itself, main, serve, child, run, execute; in older interpreters exec, where it is warm.
FRAMES = 6 + (sys.version_info < (3, 11))


def main():
    folder, prelude, *path = sys.argv[1:]
    if os.getpid() != 1:
        sys.exit("the fork server ends every process it sees: it must be the first of a namespace")
    # No child may look into the server or into an earlier self: its start has undone the setting.
    PRCTL(PR_SET_DUMPABLE, 0, 0, 0, 0)
    # The warden ends with the caller.
    PRCTL(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    disable()
    as_a_program_finds_it(path)
    exec(compile(prelude, "<prelude>", "exec", dont_inherit=True), {"__name__": "__prelude__"})
    for name in ("PYTHONHASHSEED", "PYTHONUTF8", "LD_BIND_NOW"):
        os.environ.pop(name, None)
    leave_room(FRAMES)
    lay_out()
    names = warm_up(os.path.join(folder, "main.py"))
    collect()
    begin_afresh()
    freeze()
    # The interpreter's own handler would raise in the midst of anything, and end the server.
    signal(SIGINT, asked_to_stop)
    write(CONTROL, b"ready")
    serve(ctypes.c_char_p(folder.encode()), names)


main()
