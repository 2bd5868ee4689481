"""Problems, solutions and replies of our own that record.py puts to LiveCodeBench's checker."""


def stdin(*tests):
    return {"func_name": None, "tests": [list(test) for test in tests]}


def functional(name, *tests):
    return {"func_name": name, "tests": [list(test) for test in tests]}


PROBLEMS = {
    "sum": stdin(("1 2\n", "3\n"), ("10 20\n", "30\n"), ("-5 5\n", "0\n")),
    "sum1": stdin(("1 2\n", "3\n")),
    "rows": stdin(("3\n1 2\n3 4\n5 6\n", "3\n7\n11\n"), ("1\n0 0\n", "0\n")),
    "rows1": stdin(("2\n1 2\n3 4\n", "3\n7\n")),
    "third": stdin(("0.1 0.2\n", "0.3\n"), ("1 2\n", "3\n")),
    "word": stdin(("abc\n", "cba\n"), ("x y\n", "y x\n")),
    "bits": stdin(("5\n", "0101\n")),
    "nothing": stdin(("1\n", ""), ("2\n", "\n")),
    "nan": stdin(("1\n", "nan\n")),
    "snan": stdin(("1\n", "sNaN\n")),
    "big": stdin(("3\n", "50000000000000000\n")),
    "none": stdin(),
    "add": functional("add", ("1\n2", "3"), ("10\n-10", "0"), ("0\n1", "1")),
    "add1": functional("add", ("1\n2", "3")),
    "pairs": functional("pairs", ("[1, 2, 3]", "[[1, 2], [2, 3]]"), ("[1]", "[]")),
    "half": functional("half", ("1", "0.5"), ("3", "1.5")),
    "tenth": functional("tenth", ("3", "0.3")),
    "isodd": functional("isodd", ("3", "true"), ("4", "false")),
    "count": functional("count", ('"aab"', '{"a": 2, "b": 1}')),
    "digits": functional("digits", ("60000", "1")),
    "badjson": functional("add", ("1\n\n2", "3")),
}

SOLUTIONS = []


def solution(name, problem, code, timeout=2):
    SOLUTIONS.append({"name": name, "problem": problem, "code": code, "timeout": timeout})


# Ordinary programs.
solution("sum", "sum", "a, b = map(int, input().split())\nprint(a + b)\n")
solution("sum wrong", "sum", "a, b = map(int, input().split())\nprint(a - b)\n")
solution("sum wrong on the last", "sum", "a, b = map(int, input().split())\nprint(a + abs(b) if a > 0 else 7)\n")
solution("sum read all", "sum", "import sys\nd = sys.stdin.read().split()\nprint(int(d[0]) + int(d[1]))\n")
solution("sum main guard", "sum", "def main():\n    a, b = map(int, input().split())\n    print(a + b)\nif __name__ == '__main__':\n    main()\n")
solution("sum main guard double quotes", "sum", 'def main():\n    print(sum(map(int, input().split())))\nif __name__ == "__main__":\n    main()\n')
solution("sum main guard reversed", "sum", "def main():\n    print(sum(map(int, input().split())))\nif '__main__' == __name__:\n    main()\n")
solution("sum main guard in the middle", "sum", "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()\nx = 1\n")
solution("sum no newline", "sum", "import sys\nsys.stdout.write(str(sum(map(int, input().split()))))\n")
solution("sum blank lines around", "sum", "print()\nprint(sum(map(int, input().split())), ' ')\nprint()\n")
solution("sum trailing spaces", "sum", "print(str(sum(map(int, input().split()))) + '   \\t')\n")
solution("sum as a float", "sum", "print(float(sum(map(int, input().split()))))\n")
solution("sum exponent", "sum", "print('%e' % sum(map(int, input().split())))\n")
solution("sum with a label", "sum", "print('sum:', sum(map(int, input().split())))\n")
solution("sum exit zero", "sum", "import sys\nprint(sum(map(int, input().split())))\nsys.exit(0)\n")
solution("sum exit one", "sum", "import sys\nprint(sum(map(int, input().split())))\nsys.exit(1)\n")
solution("sum builtin exit", "sum", "print(sum(map(int, input().split())))\nexit()\n")
solution("sum quit", "sum", "print(sum(map(int, input().split())))\nquit()\n")
solution("sum raise SystemExit before", "sum", "raise SystemExit\nprint(sum(map(int, input().split())))\n")
solution("syntax error", "sum", "print('a'\nfor\n")
solution("empty program", "sum", "")
solution("comment alone", "sum", "# nothing\n")
solution("imports alone", "sum", "import math\n")
solution("name error", "sum", "print(undefined)\n")
solution("zero division", "sum", "a, b = map(int, input().split())\nprint(a + b)\n1 / b - 1 / (b - 20)\n")
solution("reads too much", "sum", "a, b = map(int, input().split())\nc = input()\nprint(a + b)\n")
solution("index error", "sum", "x = []\nprint(x[0])\n")
solution("key interrupt", "sum", "raise KeyboardInterrupt\n")
solution("base exception", "sum", "class Stop(BaseException):\n    pass\nraise Stop()\n")
solution("prelude names", "sum", "c = Counter(input().split())\nx = gcd(4, 6)\nprint(sum(int(k) * v for k, v in c.items()) + x - 2)\n")
solution("future import", "sum", "from __future__ import annotations\nprint(sum(map(int, input().split())))\n")
solution("class Solution in a program", "sum", "class Solution:\n    def add(self, a, b):\n        return a + b\nprint(Solution().add(*map(int, input().split())))\n")
solution("class Solution in a comment", "sum", "# class Solution\nprint(sum(map(int, input().split())))\n")
solution("class Solution in a string", "sum", "x = 'class Solution'\nprint(sum(map(int, input().split())))\n")
solution("recursion deep", "sum", "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\na, b = map(int, input().split())\nprint(f(20000) - 20000 + a + b)\n")
solution("recursion endless", "sum", "def f(n):\n    return f(n + 1)\nf(0)\n")
solution("dataclass", "sum", "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\n    b: int\np = P(*map(int, input().split()))\nprint(p.a + p.b)\n")
solution("doctype in a function", "sum", "'''Adds.'''\ndef main():\n    '''Adds.'''\n    print(sum(map(int, input().split())))\nmain()\n")
solution("module is tmp_sol", "sum", "print(sum(map(int, input().split())) if __name__ == 'tmp_sol' else 'no')\n")
solution("return at the top", "sum", "print(sum(map(int, input().split())))\nreturn\n")
solution("import in the middle", "sum", "x = 1\nimport math\nprint(sum(map(int, input().split())) + math.floor(0.5))\n")
solution("import guarded", "sum", "try:\n    import no_such_module\nexcept ImportError:\n    pass\nprint(sum(map(int, input().split())))\n")
solution("import missing", "sum", "import no_such_module\nprint(1)\n")
solution("star import", "sum", "from math import *\nprint(sum(map(int, input().split())) + floor(0.5))\n")
solution("state between tests", "sum", "import math\nmath.calls = getattr(math, 'calls', 0) + 1\na, b = map(int, input().split())\nprint(a + b if math.calls < 3 else 'third')\n")
solution("threads", "sum", "import threading\ndef work():\n    print(sum(map(int, input().split())))\nt = threading.Thread(target=work)\nt.start()\nt.join()\n")
solution("thread stack size", "sum", "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\ndef main():\n    print(sum(map(int, input().split())))\nt = threading.Thread(target=main)\nt.start()\nt.join()\n")
solution("thread left behind", "sum1", "import threading, time\nprint(sum(map(int, input().split())))\nthreading.Thread(target=time.sleep, args=(60,)).start()\n", 1)
solution("global in a def", "sum", "x = 0\ndef add(n):\n    global x\n    x += n\nfor n in map(int, input().split()):\n    add(n)\nprint(x)\n")
solution("global first set in a def", "sum", "def read():\n    global a, b\n    a, b = map(int, input().split())\nread()\nprint(a + b)\n")
solution("nonlocal function state", "sum", "a, b = map(int, input().split())\ndef add():\n    return a + b\nprint(add())\n")
solution("class body sees module", "sum", "k = 2\nclass A:\n    xs = [k for _ in range(1)]\nprint(sum(map(int, input().split())))\n")
solution("generator expression in a class", "sum", "class A:\n    k = 2\n    xs = [i for i in range(k)]\nprint(sum(map(int, input().split())))\n")
solution("locals of a comprehension", "sum", "d = list(map(int, input().split()))\nprint(eval('d[0] + d[1]'))\n")
solution("exec sets a name", "sum", "exec('y = 1')\nprint(sum(map(int, input().split())) + y - 1)\n")
solution("async main", "sum", "import asyncio\nasync def main():\n    print(sum(map(int, input().split())))\nasyncio.run(main())\n")
solution("walrus and match", "sum", "if (n := input().split()):\n    match n:\n        case [a, b]:\n            print(int(a) + int(b))\n")

# Ways to read that a true standard input allows.
solution("for line in stdin", "rows", "import sys\nnext(sys.stdin)\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))\n")
solution("for line in stdin only", "rows", "import sys\nlines = [line for line in sys.stdin]\nfor line in lines[1:]:\n    print(sum(map(int, line.split())))\n")
solution("input rows", "rows", "for _ in range(int(input())):\n    print(sum(map(int, input().split())))\n")
solution("readline rows", "rows", "import sys\ninput = sys.stdin.readline\nfor _ in range(int(input())):\n    print(sum(map(int, input().split())))\n")
solution("readlines rows", "rows", "import sys\nlines = sys.stdin.readlines()\nfor i in range(int(lines[0])):\n    print(sum(map(int, lines[i + 1].split())))\n")
solution("readlines count", "rows1", "import sys\nprint(len(sys.stdin.readlines()) - 1)\nprint(7)\n")
solution("buffer read", "rows", "import sys\nd = list(map(int, sys.stdin.buffer.read().split()))\nfor i in range(d[0]):\n    print(d[1 + 2 * i] + d[2 + 2 * i])\n")
solution("buffer readline twice", "rows", "import sys\nread = sys.stdin.buffer.readline\nfor _ in range(int(read())):\n    print(sum(map(int, read().split())))\n")
solution("buffer readline once", "sum", "import sys\nprint(sum(map(int, sys.stdin.buffer.readline().split())))\n")
solution("buffer readlines", "rows", "import sys\nlines = sys.stdin.buffer.readlines()\nfor i in range(int(lines[0])):\n    print(sum(map(int, lines[i + 1].split())))\n")
solution("read twice", "rows1", "import sys\nsys.stdin.read()\nd = sys.stdin.read().split()\nprint(3 if d else 0)\nprint(7)\n")
solution("readline then read", "rows", "import sys\nn = int(sys.stdin.readline())\nd = list(map(int, sys.stdin.read().split()))\nfor i in range(n):\n    print(d[2 * i] + d[2 * i + 1])\n")
solution("readline at the end", "rows1", "import sys\nfor _ in range(3):\n    sys.stdin.readline()\nprint(3 if sys.stdin.readline() == '' else 0)\nprint(7)\n")
solution("os read", "sum", "import os\nprint(sum(map(int, os.read(0, 100).split())))\n")
solution("open zero", "sum", "print(sum(map(int, open(0).read().split())))\n")
solution("io open zero", "sum", "import io\nprint(sum(map(int, io.open(0).read().split())))\n")
solution("builtins open", "sum", "import builtins\nprint(sum(map(int, builtins.open('input.txt').read().split())))\n")
solution("fileinput", "sum", "import fileinput\nfor line in fileinput.input():\n    print(sum(map(int, line.split())))\n")
solution("from sys import stdin readline", "rows", "from sys import stdin\nfor _ in range(int(stdin.readline())):\n    print(sum(map(int, stdin.readline().split())))\n")
solution("from sys import stdin read", "sum", "from sys import stdin\nprint(sum(map(int, stdin.read().split())))\n")
solution("from sys import stdin iterate", "sum", "from sys import stdin\nfor line in stdin:\n    print(sum(map(int, line.split())))\n")
solution("from sys import stdin buffer", "sum", "from sys import stdin\nprint(sum(map(int, stdin.buffer.read().split())))\n")
solution("from sys import stdin readline past the end", "rows1", "from sys import stdin\nwhile True:\n    line = stdin.readline()\n    if not line:\n        break\nprint(3)\nprint(7)\n")
solution("from sys import stdin inside", "rows", "def main():\n    from sys import stdin\n    for _ in range(int(stdin.readline())):\n        print(sum(map(int, stdin.readline().split())))\nmain()\n")
solution("from sys import stdout", "sum", "from sys import stdout\nstdout.write(str(sum(map(int, input().split()))) + '\\n')\n")
solution("sys stdout print file", "sum", "import sys\nprint(sum(map(int, input().split())), file=sys.stdout)\n")
solution("stdout buffer", "sum", "import sys\nsys.stdout.buffer.write(str(sum(map(int, input().split()))).encode())\n")
solution("stdout close", "sum", "import sys\nprint(sum(map(int, input().split())))\nsys.stdout.close()\n")
solution("stdout replaced", "sum", "import sys, io\nold = sys.stdout\nsys.stdout = io.StringIO()\nprint('noise')\nsys.stdout = old\nprint(sum(map(int, input().split())))\n")
solution("os write", "sum", "import os\nos.write(1, str(sum(map(int, input().split()))).encode())\n")
solution("stderr only", "sum", "import sys\nprint(sum(map(int, input().split())), file=sys.stderr)\n")
solution("iter input", "rows", "lines = iter(input, None)\nn = int(next(lines))\nfor _ in range(n):\n    print(sum(map(int, next(lines).split())))\n")
solution("until EOFError", "rows", "import sys\ninput()\ntry:\n    while True:\n        print(sum(map(int, input().split())))\nexcept EOFError:\n    pass\n")
solution("stdin isatty and fileno", "sum", "import sys\nsys.stdin.isatty()\nsys.stdin.fileno()\nprint(sum(map(int, input().split())))\n")
solution("reassigned stdin", "sum", "import sys, io\nsys.stdin = io.StringIO(sys.stdin.read())\nprint(sum(map(int, input().split())))\n")
solution("buffered reader over fd zero", "sum", "import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\nprint(sum(map(int, input().split())))\n")

# Formats of output.
solution("rows on one line", "rows", "for _ in range(int(input())):\n    print(sum(map(int, input().split())), end=' ')\n")
solution("rows with blank lines between", "rows", "for _ in range(int(input())):\n    print(sum(map(int, input().split())))\n    print()\n")
solution("rows indented", "rows", "for _ in range(int(input())):\n    print('  ', sum(map(int, input().split())))\n")
solution("rows carriage return", "rows", "for _ in range(int(input())):\n    print(sum(map(int, input().split())), end='\\r\\n')\n")
solution("third float", "third", "a, b = map(float, input().split())\nprint(a + b)\n")
solution("third rounded", "third", "a, b = map(float, input().split())\nprint('%.10f' % (a + b))\n")
solution("third decimal", "third", "from decimal import Decimal\na, b = map(Decimal, input().split())\nprint(a + b)\n")
solution("word", "word", "print(input()[::-1])\n")
solution("word upper", "word", "print(input()[::-1].upper())\n")
solution("word spaces doubled", "word", "print(input()[::-1].replace(' ', '  '))\n")
solution("bits without zeros", "bits", "print(bin(int(input()))[2:])\n")
solution("bits underscored", "bits", "print('0_101')\n")
solution("nothing", "nothing", "input()\n")
solution("nothing but newlines", "nothing", "print('\\n\\n')\n")
solution("something for nothing", "nothing", "print(0)\n")
solution("no output", "sum", "input()\n")
solution("nan", "nan", "print('NaN')\n")
solution("nan same", "nan", "print('nan')\n")
solution("signalling nan", "snan", "print('snan')\n")
solution("full width digit", "sum1", "print('\\uff13')\n")
solution("infinity", "nan", "print('Infinity')\n")
solution("big off by one", "big", "print(50000000000000001)\n")
solution("big exponent", "big", "print('5e16')\n")
solution("huge integer printed", "sum", "print(10 ** 5000)\n")
solution("form feed separated", "rows", "for _ in range(int(input())):\n    print(sum(map(int, input().split())), end='\\x0b')\n")
solution("no tests", "none", "print(1)\n")

# Time.
solution("sleep", "sum1", "import time\ntime.sleep(30)\n", 1)
solution("busy", "sum1", "while True:\n    pass\n", 1)
solution("busy on the second test", "sum", "a, b = map(int, input().split())\nwhile a == 10:\n    pass\nprint(a + b)\n", 1)
solution("alarm off", "sum1", "import signal, time\nsignal.alarm(0)\ntime.sleep(2)\nprint(sum(map(int, input().split())))\n", 1)
solution("timeout swallowed once", "sum1", "import time\ntry:\n    time.sleep(30)\nexcept Exception:\n    pass\nprint(sum(map(int, input().split())))\n", 1)
solution("timeout swallowed once and stdout renewed", "sum1", "import time, sys\ntry:\n    time.sleep(30)\nexcept Exception:\n    sys.stdout.seek(0)\n    sys.stdout.truncate()\nprint(sum(map(int, input().split())))\n", 1)
solution("timeout swallowed for ever", "sum1", "import time\nwhile True:\n    try:\n        time.sleep(30)\n    except Exception:\n        pass\n", 1)
solution("own timeout exception", "sum1", "class TimeoutException(Exception):\n    pass\nraise TimeoutException()\n")
solution("error that speaks of a timeoutexception", "sum1", "raise ValueError('TimeoutException')\n")
solution("builtin TimeoutError", "sum1", "raise TimeoutError\n")
solution("blocked in C", "sum1", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')\n", 1)
solution("slow import time", "add1", "import time\ntime.sleep(30)\nclass Solution:\n    def add(self, a, b):\n        return a + b\n", 1)

# Ends of the process.
solution("os exit", "sum", "import os\nprint(sum(map(int, input().split())))\nos._exit(0)\n")
solution("abort", "sum", "import os\nos.abort()\n")
solution("kill itself", "sum", "import signal\nsignal.raise_signal(signal.SIGKILL)\n")
solution("atexit", "sum", "import atexit, os\natexit.register(os._exit, 3)\nprint(sum(map(int, input().split())))\n")
solution("os kill is gone", "sum", "import os\nos.kill(os.getpid(), 0)\n")
solution("os getcwd is gone", "sum", "import os\nprint(sum(map(int, input().split())) if os.getcwd() else 0)\n")
solution("os system is gone", "sum", "import os\nos.system('true')\nprint(sum(map(int, input().split())))\n")
solution("subprocess is gone", "sum", "import subprocess\nsubprocess.run(['true'])\nprint(sum(map(int, input().split())))\n")
solution("resource is gone", "sum", "import resource\nprint(sum(map(int, input().split())))\n")
solution("help is gone", "sum", "help(int)\n")
solution("memory error", "sum", "x = bytearray(1 << 60)\n")
solution("segmentation fault", "sum", "import ctypes\nctypes.string_at(0)\n")
solution("omp threads", "sum", "import os\na, b = map(int, input().split())\nprint(a + b + int(os.environ['OMP_NUM_THREADS']) - 1)\n")

# Functions.
solution("add", "add", "class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b\n")
solution("add wrong", "add", "class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a - b\n")
solution("add function", "add", "def add(a, b):\n    return a + b\n")
solution("add function and class Solution in a comment", "add", "# class Solution\ndef add(a, b):\n    return a + b\n")
solution("add other name", "add", "class Solution:\n    def sum(self, a, b):\n        return a + b\n")
solution("add annotated", "add", "class Solution:\n    def add(self, a: List[int], b: Optional[int]) -> Dict[int, int]:\n        return a + b\n")
solution("add float", "add", "class Solution:\n    def add(self, a, b):\n        return float(a + b)\n")
solution("add string", "add", "class Solution:\n    def add(self, a, b):\n        return str(a + b)\n")
solution("add none", "add", "class Solution:\n    def add(self, a, b):\n        print(a + b)\n")
solution("add with state", "add", "class Solution:\n    def __init__(self):\n        self.total = 0\n    def add(self, a, b):\n        self.total += a + b\n        return self.total\n")
solution("add mutable default", "add", "class Solution:\n    def add(self, a, b, seen=[]):\n        seen.append(1)\n        return a + b if len(seen) < 3 else 'third'\n")
solution("add raises", "add", "class Solution:\n    def add(self, a, b):\n        raise ValueError(a)\n")
solution("add wrong arity", "add", "class Solution:\n    def add(self, a):\n        return a\n")
solution("add init arguments", "add", "class Solution:\n    def __init__(self, x):\n        pass\n    def add(self, a, b):\n        return a + b\n")
solution("add syntax error", "add", "class Solution:\n    def add(self, a, b)\n        return a + b\n")
solution("add exit", "add", "import sys\nclass Solution:\n    def add(self, a, b):\n        sys.exit()\n")
solution("add exit at the top", "add", "import sys\nclass Solution:\n    def add(self, a, b):\n        return a + b\nsys.exit()\n")
solution("add main guard", "add", "class Solution:\n    def add(self, a, b):\n        return a + b\nif __name__ == '__main__':\n    raise ValueError\n")
solution("add reads input at the top", "add", "class Solution:\n    def add(self, a, b):\n        return a + b\nprint(Solution().add(*map(int, input().split())))\n")
solution("add static", "add", "class Solution:\n    @staticmethod\n    def add(a, b):\n        return a + b\n")
solution("add cached", "add", "class Solution:\n    @cache\n    def add(self, a, b):\n        return a + b\n")
solution("add future import", "add", "from __future__ import annotations\nclass Solution:\n    def add(self, a: Whatever, b):\n        return a + b\n")
solution("add generator", "add", "class Solution:\n    def add(self, a, b):\n        yield a + b\n")
solution("add fraction", "add", "from fractions import Fraction\nclass Solution:\n    def add(self, a, b):\n        return Fraction(a + b)\n")
solution("add timeout", "add1", "class Solution:\n    def add(self, a, b):\n        while True:\n            pass\n", 1)
solution("add sleeps and alarm off", "add1", "import signal, time\nclass Solution:\n    def add(self, a, b):\n        signal.alarm(0)\n        time.sleep(2)\n        return a + b\n", 1)
solution("add os exit", "add", "import os\nclass Solution:\n    def add(self, a, b):\n        os._exit(0)\n")
solution("add huge wrong", "add", "class Solution:\n    def add(self, a, b):\n        return 10 ** 60000\n")
solution("add unprintable wrong", "add", "class X:\n    def __str__(self):\n        raise ValueError\nclass Solution:\n    def add(self, a, b):\n        return X()\n")
solution("add open works", "add", "class Solution:\n    def add(self, a, b):\n        with open('scratch_of_fixture.txt', 'w') as f:\n            f.write('x')\n        return a + b\n")
solution("add prints much", "add", "class Solution:\n    def add(self, a, b):\n        print('x' * 100000)\n        return a + b\n")
solution("bad json", "badjson", "class Solution:\n    def add(self, a, b):\n        return a + b\n")
solution("pairs", "pairs", "class Solution:\n    def pairs(self, xs):\n        return [list(p) for p in zip(xs, xs[1:])]\n")
solution("pairs nested tuples", "pairs", "class Solution:\n    def pairs(self, xs):\n        return list(zip(xs, xs[1:]))\n")
solution("pairs outer tuple", "pairs", "class Solution:\n    def pairs(self, xs):\n        return tuple([a, b] for a, b in zip(xs, xs[1:]))\n")
solution("pairs deque", "pairs", "class Solution:\n    def pairs(self, xs):\n        return deque([a, b] for a, b in zip(xs, xs[1:]))\n")
solution("pairs changes its argument", "pairs", "class Solution:\n    def pairs(self, xs):\n        out = [[a, b] for a, b in zip(xs, xs[1:])]\n        xs.clear()\n        return out\n")
solution("half", "half", "class Solution:\n    def half(self, n):\n        return n / 2\n")
solution("half decimal", "half", "from decimal import Decimal\nclass Solution:\n    def half(self, n):\n        return Decimal(n) / 2\n")
solution("tenth inexact", "tenth", "class Solution:\n    def tenth(self, n):\n        return n * 0.1\n")
solution("isodd", "isodd", "class Solution:\n    def isodd(self, n):\n        return n % 2 == 1\n")
solution("isodd as int", "isodd", "class Solution:\n    def isodd(self, n):\n        return n % 2\n")
solution("isodd truthy", "isodd", "class Solution:\n    def isodd(self, n):\n        return 'yes' if n % 2 else ''\n")
solution("count counter", "count", "class Solution:\n    def count(self, s):\n        return Counter(s)\n")
solution("count defaultdict", "count", "class Solution:\n    def count(self, s):\n        d = defaultdict(int)\n        for c in s:\n            d[c] += 1\n        return d\n")
solution("long integer as text", "digits", "class Solution:\n    def digits(self, n):\n        return len(str(10 ** (n - 20000))) - n + 20000\n")
solution("longer integer as text", "digits", "class Solution:\n    def digits(self, n):\n        return len(str(10 ** n)) - n\n")

# Cheats.
solution("eq always true", "add", "class X:\n    def __eq__(self, other):\n        return True\nclass Solution:\n    def add(self, a, b):\n        return X()\n")
solution("int subclass eq", "add", "class X(int):\n    def __eq__(self, other):\n        return True\nclass Solution:\n    def add(self, a, b):\n        return X(0)\n")
solution("list subclass eq", "pairs", "class X(list):\n    def __eq__(self, other):\n        return True\nclass Solution:\n    def pairs(self, xs):\n        return X()\n")
solution("eq returns itself", "add", "class X:\n    def __eq__(self, other):\n        return self\nclass Solution:\n    def add(self, a, b):\n        return X()\n")
solution("eq returns five", "add", "class X:\n    def __eq__(self, other):\n        return 5\nclass Solution:\n    def add(self, a, b):\n        return X()\n")
solution("eq returns minus five", "add", "class X:\n    def __eq__(self, other):\n        return -5\nclass Solution:\n    def add(self, a, b):\n        return X()\n")
solution("frame gt_out functional", "add", "import sys\nclass Solution:\n    def add(self, a, b):\n        return sys._getframe(1).f_locals['gt_out']\n")
solution("frame gt_out stdin", "sum", "import sys\nf = sys._getframe()\nwhile 'gt_out' not in f.f_locals:\n    f = f.f_back\nprint(f.f_locals['gt_out'])\n")
solution("frame all_outputs functional", "add", "import sys\nclass Solution:\n    n = 0\n    def add(self, a, b):\n        Solution.n += 1\n        return sys._getframe(1).f_locals['all_outputs'][Solution.n - 1]\n")
solution("overwrite all_outputs stdin", "sum", "import sys\nf = sys._getframe()\nwhile 'all_outputs' not in f.f_locals:\n    f = f.f_back\no = f.f_locals['all_outputs']\nfor i in range(1, len(o)):\n    o[i] = '7'\na, b = map(int, input().split())\nprint(3 if a == 1 else 7)\n")
solution("overwrite all_outputs functional", "add", "import sys\nclass Solution:\n    def add(self, a, b):\n        o = sys._getframe(1).f_locals['all_outputs']\n        for i in range(1, len(o)):\n            o[i] = 7\n        return 3 if a == 1 else 7\n")
solution("all_results extended", "sum", "import sys\nf = sys._getframe()\nwhile 'all_results' not in f.f_locals:\n    f = f.f_back\nf.f_locals['all_results'].append(True)\nprint(sum(map(int, input().split())))\n")
solution("json patched", "add", "import json\njson.loads = lambda s: 4\nclass Solution:\n    def add(self, a, b):\n        return 4\n")
solution("builtins str patched", "sum", "import builtins\na = input()\nprint(4)\n")
solution("decimal patched", "sum", "import decimal, sys\nf = sys._getframe()\nwhile 'gt_out' not in f.f_locals:\n    f = f.f_back\nf.f_globals['Decimal'] = lambda s: 0\nprint('anything')\n")
solution("alarm handler replaced", "sum1", "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\ntime.sleep(2)\nprint(sum(map(int, input().split())))\n", 1)

T = "```"
REPLIES = [
    "", "\n", "no code", f"{T}", f"{T}\n{T}", f"{T}\n\n{T}", f"{T}python\nprint(1)\n{T}",
    f"Sure.\n{T}python\nprint(1)\n{T}\nThat prints 1.", f"{T}python\nprint(1)\n{T}\n{T}text\n1\n{T}",
    f"{T}python\nprint(1)\n", f"{T}python\na = 1\n{T}\nThen:\n{T}python\nprint(2)\n",
    f"{T}python\na\n{T}\nmiddle\n{T}python\nb\n{T}", f"{T}{T}", f"{T}python{T}\nx\n{T}",
    f"x {T}python\nprint(1)\n{T} y", f"  {T}python\n  print(1)\n  {T}", f"{T}python\r\nprint(1)\r\n{T}\r\n",
    f"{T}py\nx = '{T}'\nprint(x)\n{T}", f"{T}python\nx = '''\n{T}\n'''\n{T}", f"~~~\nprint(1)\n~~~",
    f"````python\nprint(1)\n````", f"<think>\n{T}python\nno\n{T}\n</think>\n{T}python\nyes\n{T}",
    f"<think>\n{T}python\nno\n{T}\n", f"{T}python\nprint('é')\n{T}", f"{T}\u2028python\nx\n{T}",
    f"{T}python\nx\x0by\n{T}\n", f"{T}python\n\tprint(1)\n\n\n{T}", f"\n\n{T}\nprint(1)\n{T}\n\n",
    f"`` `\nprint\n`` `", f"{T}cpp\nint x;\n{T}", f"{T}python\nprint(1)\n{T}\n" * 3,
    f"{T}a\n1\n{T}b\n2\n{T}c\n3\n{T}d", f"{T}\n1\n{T}\n2\n{T}", "line\n" * 50 + f"{T}\nend\n{T}",
    f"{T}python\nif x:\n    {T}\n{T}", f"- {T}python\n  x\n- {T}", f"{T}python\nprint(1){T}",
    f"{T}python\nprint(1){T}\n{T}", f"\x00{T}\n\x00\n{T}\x00", f"{T}python\n{'x' * 3000}\n{T}",
    f"### Answer\n\n{T}python\nclass Solution:\n    def f(self):\n        pass\n{T}<|im_end|>",
    f"{T}python\nprint(1)\n{T}\n\nOutput:\n{T}\n1\n", "\u00a0 print(1) \x1c\n", " \t\n", "\u2003x\u2003",
]

PASS_AT_K = [(10, 0), (10, 1), (10, 3), (10, 10), (1, 1), (5, 4), (200, 17), (16, 2), (1000, 999)]
