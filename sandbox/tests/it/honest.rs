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
