//! Programs of honest people: each ends as `python3 main.py` would end it.

use sandbox::{End, Limits};

use crate::support::{WAYS, limits, text};

/// Runs the source both ways; it must end with status 0, and print this.
fn prints(source: &str, stdin: &str, expected: &str) {
    prints_within(source, stdin.as_bytes(), expected, &limits());
}

fn prints_within(source: &str, stdin: &[u8], expected: &str, limits: &Limits) {
    for way in WAYS {
        let outcome = way.run(source, stdin, limits);
        let stderr = text(&outcome.stderr);
        assert_eq!(outcome.end, End::Exited(0), "{way:?}: {source}\n{stderr}");
        assert_eq!(text(&outcome.stdout), expected, "{way:?}: {source}\n{stderr}");
    }
}

#[test]
fn reads_lines_by_every_idiom() {
    for source in [
        "import sys\nfor line in sys.stdin: print(int(line) + 1)",
        "import sys\nprint(*[int(x) + 1 for x in sys.stdin.read().split()], sep='\\n')",
        "import sys\nfor line in sys.stdin.buffer: print(int(line) + 1)",
        "import sys\nread = sys.stdin.buffer.readline\nprint(int(read()) + 1)\nprint(int(read()) + 1)",
        "import sys\nprint(*[int(x) + 1 for x in sys.stdin.readlines()], sep='\\n')",
        "print(*[int(x) + 1 for x in open(0).read().split()], sep='\\n')",
        "import os\nprint(*[int(x) + 1 for x in os.read(0, 100).split()], sep='\\n')",
        "print(*[int(x) + 1 for x in open('/dev/stdin')], sep='\\n')",
        "input = __import__('sys').stdin.readline\nprint(int(input()) + 1)\nprint(int(input()) + 1)",
        "import fileinput\nfor line in fileinput.input(): print(int(line) + 1)",
        "try:\n  while True: print(int(input()) + 1)\nexcept EOFError: pass",
        "import io, os, sys\nsys.stdin = io.StringIO(os.read(0, os.fstat(0).st_size).decode())\n\
         print(int(input()) + 1)\nprint(int(input()) + 1)",
        "import mmap\nwith mmap.mmap(0, 0, access=mmap.ACCESS_READ) as m:\n  \
         print(*[int(x) + 1 for x in m.read().split()], sep='\\n')",
    ] {
        prints(source, "1\n2\n", "2\n3\n");
    }
}

#[test]
fn writes_by_every_idiom() {
    for source in [
        "print('a', flush=True)\nprint('b')",
        "import sys\nsys.stdout.write('a\\nb\\n')",
        "import sys\nsys.stdout.buffer.write(b'a\\nb\\n')",
        "import os\nos.write(1, b'a\\nb\\n')",
        "print('a\\nb')",
        "import sys\nprint('a', file=sys.stdout)\nprint('b', file=sys.stdout)\nsys.stdout.flush()",
        "open('/dev/stdout', 'w').write('a\\nb\\n')",
        "import io, sys\nout = io.StringIO()\nprint('a\\nb', file=out)\nsys.stdout.write(out.getvalue())",
        "with open(1, 'w', closefd=False) as f: f.write('a\\nb\\n')",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print('a\\nb')\nprint(s.getvalue(), end='')",
        "import os\nos.system('echo a; echo b')",
        "out = open(1, 'w')\nout.write('a\\nb\\n')",
        "w = open(1, 'w').write\nw('a\\n')\nw('b\\n')",
        "import os\nprint('a')\nout = os.fdopen(1, 'w')\nout.write('b\\n')",
        "class Out: file = open(1, 'w')\nOut.file.write('a\\nb\\n')",
        "class Out:\n  def __init__(self): self.me = self\n  def __del__(self): print('a\\nb')\nout = Out()",
        "def lines():\n  try: yield 'a'\n  finally: print('b')\ng = lines()\nprint(next(g))",
        "import io, sys\nprint('a\\nb')\nsys.stdout = io.StringIO()\nprint('c')",
        "import sys\nclass Out:\n  def write(self, text): sys.__stdout__.write(text)\n  def flush(self): pass\nsys.stdout = Out()\nprint('a\\nb')",
        "class Kind(type):\n  def __eq__(a, b): return a is b\nclass Out(metaclass=Kind): pass\nout = Out()\nprint('a\\nb')",
        "import gc\nclass Out:\n  def __init__(self): self.me = self\n  def __del__(self): print('b')\nout = Out()\ngc.collect()\nprint('a')",
        "import sys\nprint('a\\nb')\nsys.stdout.flush()\ndel sys.stdout, sys.__stdout__",
        "import subprocess\nprint(subprocess.run(['echo', 'a\\nb'], capture_output=True, text=True).stdout, end='')",
    ] {
        prints(source, "", "a\nb\n");
    }
}

#[test]
fn who_ends_with_no_memory_left_ends_well() {
    // What is held cannot be let go of without a collection, and listing it takes memory.
    let source = "reserve = bytearray(4 << 20)\nx = []\nx.append(x)\ntry:\n  while True: x.append([])\n\
                  except MemoryError: del reserve\nprint('a')";
    prints_within(source, b"", "a\n", &Limits { memory: 128 << 20, ..limits() });
}

#[test]
fn scopes_and_modules_are_those_of_a_program() {
    for source in [
        "x = 1\ndef f():\n  global x\n  x = 2\nf()\nprint(x)",
        "def main(): print(2)\nif __name__ == '__main__': main()",
        "import sys\nassert sys.modules['__main__'].__dict__ is globals()\nprint(2)",
        "import __main__\ny = 2\nprint(__main__.y)",
        "import pickle\nclass A:\n  pass\nassert type(pickle.loads(pickle.dumps(A()))) is A\nprint(2)",
        "import dataclasses\n@dataclasses.dataclass\nclass P:\n  x: int\nprint(P(2).x)",
        "import sys\nassert len(sys.argv) == 1 and sys.argv[0].endswith('main.py')\nprint(2)",
        "assert open(__file__).read().startswith('assert')\nprint(2)",
        "import inspect\ndef f():\n  return 2\nassert 'return 2' in inspect.getsource(f)\nprint(f())",
        "open('helper.py', 'w').write('value = 2')\nimport helper\nprint(helper.value)",
        "from __future__ import annotations\ndef f(x: undefined): return x\nprint(f(2))",
        "x: int = 2\nprint(x if __annotations__ else 0) if '__annotations__' in globals() else print(x)",
        "exec('z = 2')\nprint(z)",
        "import __future__, builtins\nassert not hasattr(builtins, 'source') and 'source' not in globals()\nprint(2)",
    ] {
        prints(source, "", "2\n");
    }
}

#[test]
fn what_contestants_use_works() {
    for source in [
        "import sys\nsys.setrecursionlimit(10 ** 6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(50000))",
        "import sys, threading\nsys.setrecursionlimit(10 ** 6)\nthreading.stack_size(1 << 27)\n\
         def f(n): return 0 if n == 0 else 1 + f(n - 1)\n\
         t = threading.Thread(target=lambda: print(f(50000)))\nt.start()\nt.join()",
        "import threading\nn = [0]\nlock = threading.Lock()\ndef f():\n  for _ in range(5000):\n    with lock: n[0] += 1\n\
         ts = [threading.Thread(target=f) for _ in range(10)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nprint(n[0])",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as p: print(sum(p.map(lambda x: 500 * x, [10, 20, 30, 40])))",
        "import asyncio\nasync def f():\n  await asyncio.sleep(0.01)\n  return 50000\nprint(asyncio.run(f()))",
        "import signal, time\nsignal.signal(signal.SIGALRM, lambda *a: print(50000))\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.1)",
        "import os\nr, w = os.pipe()\nif os.fork() == 0:\n  os.write(w, b'50000')\n  os._exit(0)\nos.wait()\nprint(os.read(r, 9).decode())",
        "import heapq, bisect, collections, itertools, functools, math, string, re, random, operator, copy, decimal, fractions\n\
         @functools.lru_cache(None)\ndef f(n): return 1 if n < 2 else f(n - 1) + f(n - 2)\n\
         h = [3, 1]\nheapq.heapify(h)\nassert bisect.bisect([1, 2], 1) == 1 and f(80) and random.random() < 1\n\
         print(50000 * heapq.heappop(h) * math.gcd(3, 4) * fractions.Fraction(2, 2))",
        "import array, time, datetime, calendar, statistics, hashlib, zlib, struct, textwrap, typing, enum, secrets, uuid\n\
         assert time.time() > 1e9 and datetime.datetime.now() and uuid.uuid4() and secrets.token_hex()\nprint(statistics.mean([50000]))",
        "import tempfile\nwith tempfile.TemporaryFile('w+') as f:\n  f.write('50000')\n  f.seek(0)\n  print(f.read())",
        "import multiprocessing, os\nassert os.cpu_count() and multiprocessing.cpu_count()\nprint(50000)",
        "import ctypes\nprint(ctypes.c_int(50000).value)",
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\nprint(50000)",
        "import datetime, os, zoneinfo\nif os.path.exists('/usr/share/zoneinfo'): assert zoneinfo.ZoneInfo('Europe/Berlin').utcoffset(datetime.datetime(2024, 7, 1)).seconds == 7200\nprint(50000)",
        "import gc, weakref\nassert gc.isenabled()\ngc.collect()\nprint(50000)",
        "import resource, platform, locale, getpass, socket\nassert platform.system() == 'Linux'\nprint(50000)",
    ] {
        prints(source, "", "50000\n");
    }
}

#[test]
fn calls_go_as_deep_as_in_an_interpreter_of_its_own() {
    let source =
        "n = 0\ndef f():\n  global n\n  n += 1\n  f()\ntry: f()\nexcept RecursionError: print(n)";
    let [server, program] = WAYS.map(|way| text(&way.run(source, b"", &limits()).stdout));
    assert!(program.trim().parse::<u32>().unwrap() > 900, "{program}");
    assert_eq!(server, program);
}

#[test]
fn numpy_works_where_it_is_installed() {
    let source = "try:\n  import numpy\n  print(int(numpy.arange(5).sum()))\nexcept ModuleNotFoundError: print(10)";
    prints_within(source, b"", "10\n", &Limits { memory: 4 << 30, ..limits() });
}

#[test]
fn text_is_unicode() {
    prints("print(input()[::-1], len('\u{1F600}é'))", "ü\u{1F600}\n", "\u{1F600}ü 2\n");
    let source = "import sys\nprint(sys.stdout.encoding.lower(), sys.stdin.encoding.lower(), sys.getdefaultencoding())";
    prints(source, "", "utf-8 utf-8 utf-8\n");
}

#[test]
fn large_input_and_output_pass() {
    let limits = Limits { output: 16 << 20, ..limits() };
    let input = "123456789\n".repeat(1 << 20);
    let source = "import sys\nprint(sum(map(int, sys.stdin)))";
    prints_within(source, input.as_bytes(), &format!("{}\n", 123_456_789_u64 << 20), &limits);
    let source = "import sys\nsys.stdout.write('x' * (5 << 20))";
    prints_within(source, b"", &"x".repeat(5 << 20), &limits);
}
