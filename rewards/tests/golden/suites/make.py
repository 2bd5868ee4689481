"""Writes the bundled problems of the suites livecodebench, humaneval and mbpp, and solutions.json.

usage: python make.py

The problems are our own, in the benchmarks' own formats. Expected outputs come from the reference
solutions below, run here; a reference solution is written another way than the one a reader would
first think of where that is easy, and each problem names wrong solutions that its tests must catch.
"""

import base64
import json
import pickle
import random
import subprocess
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = HERE.parents[3] / "eval-suites"


def run(code, text):
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def call(code, name, arguments):
    names = {}
    exec("from typing import *\n" + code, names)
    return getattr(names["Solution"](), name)(*arguments)


def pack(tests):
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def lcb(ident, title, platform, difficulty, date, content, right, wrong, inputs, starter="", func=None, public=2):
    tests = []
    for given in inputs:
        if func:
            text = "\n".join(json.dumps(argument) for argument in given)
            output = json.dumps(call(right, func, given))
            tests.append({"input": text, "output": output, "testtype": "functional"})
        else:
            tests.append({"input": given, "output": run(right, given), "testtype": "stdin"})
    if func:
        assert any(call(wrong, func, given) != call(right, func, given) for given in inputs), ident
    else:
        assert any(run(wrong, given) != run(right, given) for given in inputs), ident
    record = {
        "question_title": title,
        "question_content": content,
        "platform": platform,
        "question_id": ident,
        "contest_id": "sample",
        "contest_date": date,
        "starter_code": starter,
        "difficulty": difficulty,
        "public_test_cases": json.dumps(tests[:public]),
        "private_test_cases": pack(tests[public:]),
        "metadata": json.dumps({"func_name": func} if func else {}),
    }
    return record, {"id": ident, "right": right, "wrong": wrong}


def numbers(rng, n, low, high):
    return [rng.randint(low, high) for _ in range(n)]


def livecodebench():
    rng = random.Random(1)

    def rows(*lists):
        return "\n".join(" ".join(map(str, row)) for row in lists) + "\n"

    yield lcb(
        "sample_1", "Rising Ticket Numbers", "atcoder", "easy", "2023-06-03T00:00:00",
        "A queue of N people hold tickets with the numbers A_1, A_2, ..., A_N. Count the people, from the second one on, whose number is greater than that of the person directly in front of them.\n\nInput\n\nThe first line holds N (1 <= N <= 1000). The second line holds A_1 to A_N (0 <= A_i <= 10^9).\n\nOutput\n\nThe count.\n\nSample Input\n\n5\n3 7 7 2 9\n\nSample Output\n\n2\n",
        "n = int(input())\na = list(map(int, input().split()))\nprint(sum(y > x for x, y in zip(a, a[1:])))\n",
        "n = int(input())\na = list(map(int, input().split()))\nprint(sum(y >= x for x, y in zip(a, a[1:])))\n",
        [rows([5], [3, 7, 7, 2, 9]), rows([1], [4])] + [rows([n], numbers(rng, n, 0, 9)) for n in (2, 10, 100, 1000)],
    )
    yield lcb(
        "sample_2", "Loud Words", "codeforces", "easy", "2023-10-14T00:00:00",
        "A word is loud if more than half of its letters are vowels (a, e, i, o, u). For each word print YES if it is loud and NO otherwise.\n\nInput\n\nThe first line holds t (1 <= t <= 100), the number of words. Each of the next t lines holds a word of 1 to 50 lower case letters.\n\nOutput\n\nFor each word a line with YES or NO.\n\nExample\n\nInput\n3\naudio\nrhythm\nbanana\n\nOutput\nYES\nNO\nNO\n",
        "import sys\nwords = sys.stdin.read().split()[1:]\nfor w in words:\n    v = sum(w.count(c) for c in 'aeiou')\n    print('YES' if 2 * v > len(w) else 'NO')\n",
        "for _ in range(int(input())):\n    w = input()\n    v = sum(c in 'aeiou' for c in w)\n    print('YES' if 2 * v >= len(w) else 'NO')\n",
        ["3\naudio\nrhythm\nbanana\n", "1\na\n"]
        + [f"{t}\n" + "".join("".join(rng.choice("aeioubcdf") for _ in range(rng.randint(1, 12))) + "\n" for _ in range(t)) for t in (5, 20, 100)],
    )
    yield lcb(
        "sample_3", "Few Colours", "atcoder", "medium", "2024-02-17T00:00:00",
        "N beads lie in a row; bead i has colour C_i. Find the length of the longest stretch of neighbouring beads with at most K different colours.\n\nInput\n\nThe first line holds N and K (1 <= K <= N <= 2*10^5). The second line holds C_1 to C_N (1 <= C_i <= 10^9).\n\nOutput\n\nThe length.\n\nSample Input\n\n7 2\n1 2 1 3 3 3 2\n\nSample Output\n\n4\n",
        "from collections import Counter\nn, k = map(int, input().split())\nc = list(map(int, input().split()))\nseen = Counter()\nlow = best = 0\nfor high, x in enumerate(c):\n    seen[x] += 1\n    while len(seen) > k:\n        seen[c[low]] -= 1\n        if not seen[c[low]]:\n            del seen[c[low]]\n        low += 1\n    best = max(best, high - low + 1)\nprint(best)\n",
        "n, k = map(int, input().split())\nc = input().split()\nbest = run = 0\nkinds = set()\nfor x in c:\n    kinds.add(x)\n    run += 1\n    if len(kinds) > k:\n        kinds = {x}\n        run = 1\n    best = max(best, run)\nprint(best)\n",
        [rows([7, 2], [1, 2, 1, 3, 3, 3, 2]), rows([1, 1], [5])]
        + [rows([n, k], numbers(rng, n, 1, m)) for n, k, m in ((20, 3, 6), (500, 4, 9), (60000, 40, 60))],
    )
    yield lcb(
        "sample_4", "Mean of the Largest", "codeforces", "medium", "2024-09-08T00:00:00",
        "Given n numbers and q questions k_1, ..., k_q, print for each question the mean of the k largest numbers.\n\nInput\n\nThe first line holds n and q (1 <= n, q <= 10^5). The second line holds n integers a_i (|a_i| <= 10^9). Each of the next q lines holds k_j (1 <= k_j <= n).\n\nOutput\n\nFor each question a line with the mean, with six digits after the point. An error of 10^-6 is allowed.\n\nExample\n\nInput\n4 2\n1 5 2 8\n1\n3\n\nOutput\n8.000000\n5.000000\n",
        "import sys\ndata = list(map(int, sys.stdin.read().split()))\nn, q = data[:2]\na = sorted(data[2:2 + n], reverse=True)\nsums = [0]\nfor x in a:\n    sums.append(sums[-1] + x)\nfor k in data[2 + n:]:\n    print('%.6f' % (sums[k] / k))\n",
        "import sys\ndata = list(map(int, sys.stdin.read().split()))\nn, q = data[:2]\na = sorted(data[2:2 + n], reverse=True)\nfor k in data[2 + n:]:\n    print(sum(a[:k]) // k)\n",
        [rows([4, 2], [1, 5, 2, 8], [1], [3])]
        + [rows([n, q], numbers(rng, n, -(10**m), 10**m), *[[rng.randint(1, n)] for _ in range(q)]) for n, q, m in ((5, 5, 1), (50, 20, 3), (3000, 2000, 9))],
        public=1,
    )
    yield lcb(
        "sample_5", "Joining Heaps", "atcoder", "hard", "2025-01-25T00:00:00",
        "N heaps of sand stand in a row; heap i weighs W_i. Two neighbouring heaps can be joined into one at a cost equal to their total weight. Find the least total cost of joining all of them into one heap.\n\nInput\n\nThe first line holds N (1 <= N <= 120). The second line holds W_1 to W_N (1 <= W_i <= 10^9).\n\nOutput\n\nThe least cost.\n\nSample Input\n\n4\n10 20 30 40\n\nSample Output\n\n190\n",
        "n = int(input())\nw = list(map(int, input().split()))\ns = [0]\nfor x in w:\n    s.append(s[-1] + x)\nbest = [[0] * (n + 1) for _ in range(n + 1)]\nfor size in range(2, n + 1):\n    for i in range(n - size + 1):\n        j = i + size\n        best[i][j] = min(best[i][m] + best[m][j] for m in range(i + 1, j)) + s[j] - s[i]\nprint(best[0][n])\n",
        "import heapq\nn = int(input())\nw = list(map(int, input().split()))\nheapq.heapify(w)\ncost = 0\nwhile len(w) > 1:\n    x = heapq.heappop(w) + heapq.heappop(w)\n    cost += x\n    heapq.heappush(w, x)\nprint(cost)\n",
        [rows([4], [10, 20, 30, 40]), rows([1], [7])] + [rows([n], numbers(rng, n, 1, 10**9)) for n in (3, 10, 60, 120)],
    )
    yield lcb(
        "sample_6", "First Day in Debt", "leetcode", "easy", "2023-08-05T00:00:00",
        "An account starts empty. You are given the changes of its balance, one a day. Return the number of the first day, counted from 1, after which the balance is negative, or -1 if it never is.\n\nExample 1:\n\nInput: changes = [3,-2,-2,5]\nOutput: 3\n\nExample 2:\n\nInput: changes = [1,-1]\nOutput: -1\n",
        "class Solution:\n    def firstDebt(self, changes: List[int]) -> int:\n        total = 0\n        for day, change in enumerate(changes, 1):\n            total += change\n            if total < 0:\n                return day\n        return -1\n",
        "class Solution:\n    def firstDebt(self, changes: List[int]) -> int:\n        total = 0\n        for day, change in enumerate(changes, 1):\n            total += change\n            if total <= 0:\n                return day\n        return -1\n",
        [([3, -2, -2, 5],), ([1, -1],), ([-1],), ([],)] + [(numbers(rng, n, -5, 6),) for n in (10, 100, 1000)],
        "class Solution:\n    def firstDebt(self, changes: List[int]) -> int:\n        ", "firstDebt",
    )
    yield lcb(
        "sample_7", "Shared Meetings", "leetcode", "medium", "2024-05-11T00:00:00",
        "You are given meetings as pairs [start, end] with start < end. Meetings that overlap or touch are held as one. Return the meetings that are held, each as [start, end], in the order of their starts.\n\nExample 1:\n\nInput: meetings = [[1,3],[8,10],[2,6]]\nOutput: [[1,6],[8,10]]\n\nExample 2:\n\nInput: meetings = [[1,2],[2,3]]\nOutput: [[1,3]]\n",
        "class Solution:\n    def held(self, meetings: List[List[int]]) -> List[List[int]]:\n        out = []\n        for start, end in sorted(meetings):\n            if out and start <= out[-1][1]:\n                out[-1][1] = max(out[-1][1], end)\n            else:\n                out.append([start, end])\n        return out\n",
        "class Solution:\n    def held(self, meetings: List[List[int]]) -> List[List[int]]:\n        out = []\n        for start, end in sorted(meetings):\n            if out and start <= out[-1][1]:\n                out[-1][1] = end\n            else:\n                out.append([start, end])\n        return out\n",
        [([[1, 3], [8, 10], [2, 6]],), ([[1, 2], [2, 3]],), ([[1, 9], [2, 3]],)]
        + [([[s, s + rng.randint(1, m)] for s in numbers(rng, n, 0, 10 * n)],) for n, m in ((5, 9), (60, 12), (500, 12))],
        "class Solution:\n    def held(self, meetings: List[List[int]]) -> List[List[int]]:\n        ", "held",
    )

    def grid(h, w, share):
        cells = [[int(rng.random() < share) for _ in range(w)] for _ in range(h)]
        cells[0][0] = cells[-1][-1] = 0
        return cells

    yield lcb(
        "sample_8", "Through at Most K Walls", "leetcode", "hard", "2024-11-30T00:00:00",
        "You are given a grid of 0 (floor) and 1 (wall) and a number k. A step goes to one of the four neighbouring cells; on the whole way at most k walls may be stepped on. Return the least number of steps from the upper left to the lower right cell, both of which are floor, or -1 if there is no way.\n\nExample 1:\n\nInput: grid = [[0,1,0],[1,1,0],[0,0,0]], k = 1\nOutput: 4\n\nExample 2:\n\nInput: grid = [[0,1],[1,0]], k = 0\nOutput: -1\n",
        "from collections import deque\nclass Solution:\n    def leastSteps(self, grid: List[List[int]], k: int) -> int:\n        h, w = len(grid), len(grid[0])\n        queue = deque([(0, 0, k)])\n        seen = {(0, 0, k)}\n        steps = 0\n        while queue:\n            for _ in range(len(queue)):\n                y, x, left = queue.popleft()\n                if (y, x) == (h - 1, w - 1):\n                    return steps\n                for a, b in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):\n                    if 0 <= a < h and 0 <= b < w and left >= grid[a][b]:\n                        state = (a, b, left - grid[a][b])\n                        if state not in seen:\n                            seen.add(state)\n                            queue.append(state)\n            steps += 1\n        return -1\n",
        "from collections import deque\nclass Solution:\n    def leastSteps(self, grid: List[List[int]], k: int) -> int:\n        h, w = len(grid), len(grid[0])\n        queue = deque([(0, 0, k, 0)])\n        seen = {(0, 0)}\n        while queue:\n            y, x, left, steps = queue.popleft()\n            if (y, x) == (h - 1, w - 1):\n                return steps\n            for a, b in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):\n                if 0 <= a < h and 0 <= b < w and left >= grid[a][b] and (a, b) not in seen:\n                    seen.add((a, b))\n                    queue.append((a, b, left - grid[a][b], steps + 1))\n        return -1\n",
        [([[0, 1, 0], [1, 1, 0], [0, 0, 0]], 1), ([[0, 1], [1, 0]], 0), ([[0]], 0)]
        # Who spends the wall on the short way down is stopped by the second one.
        + [([[0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0]], 1), ([[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], 1)]
        + [(grid(h, w, share), k) for h, w, share, k in ((5, 5, 0.5, 1), (8, 8, 0.6, 2), (15, 15, 0.6, 3), (30, 30, 0.55, 5))],
        "class Solution:\n    def leastSteps(self, grid: List[List[int]], k: int) -> int:\n        ", "leastSteps",
    )


HUMANEVAL = [
    (
        "count_peaks",
        'from typing import List\n\n\ndef count_peaks(heights: List[int]) -> int:\n    """ Count the heights that are greater than both of their neighbours. The first and the last\n    have one neighbour only and never count.\n    >>> count_peaks([1, 3, 2, 4, 1])\n    2\n    >>> count_peaks([1, 2, 3])\n    0\n    """\n',
        "    return sum(a < b > c for a, b, c in zip(heights, heights[1:], heights[2:]))\n",
        "    return sum(a <= b >= c for a, b, c in zip(heights, heights[1:], heights[2:]))\n",
        [([1, 3, 2, 4, 1],), ([1, 2, 3],), ([],), ([5],), ([2, 2, 2],), ([0, 9, 0, 9, 0],), ([1, 2, 2, 1],)],
    ),
    (
        "squeeze",
        '\n\ndef squeeze(text: str) -> str:\n    """ Replace every run of the same character by one of them, and put the length of the run after it\n    where it is longer than one.\n    >>> squeeze("aaabcc")\n    \'a3bc2\'\n    >>> squeeze("")\n    \'\'\n    """\n',
        "    from itertools import groupby\n    runs = [(c, len(list(g))) for c, g in groupby(text)]\n    return ''.join(c + (str(n) if n > 1 else '') for c, n in runs)\n",
        "    out = ''\n    for c in dict.fromkeys(text):\n        n = text.count(c)\n        out += c + (str(n) if n > 1 else '')\n    return out\n",
        [("aaabcc",), ("",), ("abab",), ("zzzzzzzzzzzz",), ("aabaa",)],
    ),
    (
        "halving_steps",
        '\n\ndef halving_steps(n: int) -> int:\n    """ A positive number is halved while it is even, and made smaller by one while it is odd, until it\n    is 1. Return the number of steps.\n    >>> halving_steps(6)\n    3\n    >>> halving_steps(1)\n    0\n    """\n',
        "    return n.bit_length() - 1 + n.bit_count() - 1\n",
        "    return n.bit_length() - 1\n",
        [(6,), (1,), (2,), (7,), (1024,), (999999,)],
    ),
    (
        "mean_without_extremes",
        'from typing import List\n\n\ndef mean_without_extremes(values: List[float]) -> float:\n    """ Return the mean of the values without one smallest and one largest of them. There are at least\n    three values.\n    >>> mean_without_extremes([1.0, 10.0, 4.0])\n    4.0\n    """\n',
        "    return (sum(values) - min(values) - max(values)) / (len(values) - 2)\n",
        "    return sum(values) / len(values)\n",
        [([1.0, 10.0, 4.0],), ([2.0, 2.0, 2.0],), ([0.5, 1.5, 2.5, 100.0],)],
    ),
]

MBPP = [
    ("Write a function to find the second smallest of the different numbers in a list.", "second_smallest",
     "def second_smallest(numbers):\n    return sorted(set(numbers))[1]\n",
     "def second_smallest(numbers):\n    return sorted(numbers)[1]\n",
     [([3, 1, 2],), ([5, 5, 1, 1, 9],), ([0, -1, -1],)]),
    ("Write a function to swap the first and the last word of a sentence.", "swap_ends",
     "def swap_ends(sentence):\n    words = sentence.split()\n    words[0], words[-1] = words[-1], words[0]\n    return ' '.join(words)\n",
     "def swap_ends(sentence):\n    return ' '.join(reversed(sentence.split()))\n",
     [("a b c d",), ("one",), ("hello world",)]),
    ("Write a function to find the numbers from 1 to n whose digits add up to an even sum.", "even_digit_sums",
     "def even_digit_sums(n):\n    return [i for i in range(1, n + 1) if sum(map(int, str(i))) % 2 == 0]\n",
     "def even_digit_sums(n):\n    return [i for i in range(1, n + 1) if i % 2 == 0]\n",
     [(4,), (13,), (1,)]),
    ("Write a function to turn a list of pairs into a dictionary of lists by the first of each pair.", "collect_pairs",
     "def collect_pairs(pairs):\n    out = {}\n    for key, value in pairs:\n        out.setdefault(key, []).append(value)\n    return out\n",
     "def collect_pairs(pairs):\n    return {key: [value] for key, value in pairs}\n",
     [([("a", 1), ("b", 2), ("a", 3)],), ([],), ([(1, "x")],)]),
]


def humaneval():
    for number, (name, prompt, right, wrong, inputs) in enumerate(HUMANEVAL):
        names = {}
        exec(prompt + right, names)
        checks = "".join(f"    assert candidate({', '.join(map(repr, i))}) == {names[name](*i)!r}\n" for i in inputs)
        record = {
            "task_id": f"Sample/{number}",
            "prompt": prompt,
            "entry_point": name,
            "canonical_solution": right,
            "test": f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n{checks}",
        }
        yield record, {"id": record["task_id"], "right": right, "wrong": wrong}


def mbpp():
    for number, (text, name, right, wrong, inputs) in enumerate(MBPP, 1):
        names = {}
        exec(right, names)
        record = {
            "task_id": number,
            "text": text,
            "code": right,
            "test_list": [f"assert {name}({', '.join(map(repr, i))}) == {names[name](*i)!r}" for i in inputs],
            "test_setup_code": "",
            "challenge_test_list": [],
        }
        yield record, {"id": str(number), "right": right, "wrong": wrong}


def main():
    solutions = {}
    for suite in (livecodebench, humaneval, mbpp):
        pairs = list(suite())
        lines = "".join(json.dumps(record) + "\n" for record, _ in pairs)
        (SUITES / suite.__name__ / "problems.jsonl").write_text(lines)
        solutions[suite.__name__] = [solution for _, solution in pairs]
    (HERE / "solutions.json").write_text(json.dumps(solutions, indent=1) + "\n")


if __name__ == "__main__":
    main()
