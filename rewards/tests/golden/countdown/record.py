"""Records what TinyZero's own Countdown scorer says of a few hundred answers.

    git clone https://github.com/Jiayi-Pan/TinyZero && python3 record.py TinyZero > tinyzero.jsonl

The scorer is read out of the clone (bare or not) at COMMIT and run as it is, on CPython 3.11, in a child
that is killed after SECONDS: an answer that hangs it is recorded as null. Each line holds the text as
pieces with their repetitions, the problem, and the score.
"""

import json
import multiprocessing
import random
import subprocess
import sys
import warnings

COMMIT = "95df88f2dcb05f33bd18da546531b52d0954c18b"
FILE = "verl/utils/reward_score/countdown.py"
SECONDS = 10
PROMPT = "User: Using the numbers ...\nAssistant: Let me solve this step by step.\n<think>"


def scorer(clone):
    source = subprocess.check_output(["git", "-C", clone, "show", f"{COMMIT}:{FILE}"], text=True)
    module = {"print": lambda *_: None}
    exec(compile(source, FILE, "exec"), module)
    return module["compute_score"]


def say(queue, score, text, truth):
    warnings.simplefilter("ignore")
    queue.put(score(text, truth))


def bounded(score, text, truth):
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=say, args=(queue, score, text, truth))
    child.start()
    child.join(SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        return None
    return queue.get(timeout=SECONDS)


def answer(*pieces):
    """An answer in its tags, with the end of a prompt before."""
    pieces = [piece if isinstance(piece, list) else [piece, 1] for piece in pieces]
    if all(times == 1 for _, times in pieces):
        return [["Assistant: <answer>" + "".join(piece for piece, _ in pieces) + "</answer>", 1]]
    return [["Assistant: <answer>", 1], *pieces, ["</answer>", 1]]


def by_hand():
    plain = lambda text, numbers, target: (answer(text), numbers, target)
    whole = lambda text: ([[text, 1]], [3, 5, 2], 13)
    right = "<answer>3 + 5 * 2</answer>"
    yield from map(whole, [
        PROMPT + right, PROMPT + "so </think>" + right, PROMPT + "\n" + right, PROMPT + right + "\n",
        PROMPT + right + " ", PROMPT + right + "\r", PROMPT + right + "\n\n", PROMPT + right + "<|im_end|>",
        right, "Assistant:" + right, "assistant:" + right, "<|im_start|>assistant\n" + right,
        "<|im_start|>assistant" + right + " Assistant:", "<|im_start|>assistant" + right + " Assistant:" + right,
        right + "Assistant:", "Assistant:" + right + "<|im_start|>assistant", "Assistant: Assistant:" + right,
        PROMPT + "<answer>3 + 5</answer>" + right, PROMPT + right + "<answer>3 + 5</answer>",
        PROMPT + right + "<answer>3", PROMPT + "<answer>" + right, PROMPT + right + "</answer>",
        PROMPT + "<answer>3 + 5 * 2", PROMPT + "3 + 5 * 2</answer>", PROMPT + "<answer></answer>",
        PROMPT + "<answer> </answer>", PROMPT + "<Answer>3 + 5 * 2</Answer>", PROMPT + "<answer>3 + 5\n* 2</answer>",
        PROMPT + "<answer>\n3 + 5 * 2\n</answer>", PROMPT + "< answer>3 + 5 * 2</answer>",
        PROMPT + "<answer>3 + 5 * 2</ answer>", PROMPT, "", "\n", "Assistant:", "3 + 5 * 2",
    ])
    for text in [
        "3+5*2", "2*5+3", "(3)+((5)*(2))", "3 + 5 * 2 = 13", "13", "3 + 5 + 5", "3 + 5", "3 + 5 * 2 + 0", "3 + 5 x 2",
        "3 + 5 × 2", "3 + 5 · 2", "3 − 5 * −2", "3 + 5 * 2.", "3 + 5 * 2.0", "3.+5.*2.", "3 + 5 * 02", "03 + 5 * 2",
        "3 + 5 * 2 ;", "3 + 5 * int(2)", "3 + (5 * 2", "3 + 5 * 2)", "3 + 5 2", "-(-3 - 5 * 2)", "+3 + +5 * +2",
        "--3 + 5 * 2", "- -3+5*2", "3+5*2\t", "\x0b3+5*2", "3+5*2\x0b", "3+5\x0b*2", "3+5\x0c*2", "\x0c3+5*2", "3\r+5*2",
        "(3\r+5*2)", "(3\r\r+5*\r2)", "3+5*\r2", "3+5\x1c*2", "\x1c3+5*2\x1d", "\u00a03+5*2", "3+5\u00a0*2", "\u30003+5*2",
        "３+５*２", "3+5*२", "3+5*²", "3 + 5 * 2 # easy", "3_ + 5 * 2", "`3 + 5 * 2`", "\\(3 + 5 * 2\\)", "3 + 5 * 2 \\",
        "3 + 5 * 2\\r", "3 +\\ 5 * 2", "3 + 5 * 2, 1", "[3 + 5 * 2][0]", "3 + 5 * 2 or 1", "3 + 5 * 2 < 14", "0x3 + 5 * 2",
        "3e0 + 5 * 2", "3j + 5 * 2", "...", "3...5*2", "3 + 5 * 2 ...", "()", "()*3+5*2", "3(5)(2)", "(3)(5)(2)", "3 (5) 2",
        "*3+5*2", "**3+5*2", "3***5*2", "3* *5*2", "3**5**2", "3/ /5*2", "3//5*2", "3///5*2", "3.5*2", "3.52", "3.5.2", "35*2",
        "3 .5*2", "3. 5*2", "3..5*2", ".3+.5*2", ". 3+5*2", "3+5*2-", "+", "-", "(", ")", ".", "/", "3/5/2", "3+5*(2)()",
    ]:
        yield plain(text, [3, 5, 2], 13)
    for text, numbers, target in [
        ("3.5*2", [3, 5, 2], 7), ("3.5*2", [2, 3, 5], 8), ("2**3+5", [2, 3, 5], 13), ("17//5*2", [17, 5, 2], 6),
        ("-17//5*2", [17, 5, 2], -8), ("17//-5*2", [17, 5, 2], -8), ("-(17//5)*2", [17, 5, 2], -6),
        ("7.5//2", [7, 5, 2], 3), ("-7.5//2", [7, 5, 2], -4), ("7.5//-2", [7, 5, 2], -4), ("7.//2.+5", [7, 2, 5], 8),
        ("8/(3-8/3)", [8, 3, 8, 3], 24), ("1/3*3", [1, 3, 3], 1), ("(1-1)/5", [1, 1, 5], 0), ("5/(1-1)", [1, 1, 5], 0),
        ("5//(1-1)", [1, 1, 5], 0), ("0**0+5", [0, 0, 5], 6), ("0**-1", [0, 1], 0), ("0.0**0", [0, 0, 0], 1),
        ("2**-1*6", [2, 1, 6], 3), ("2**.5**2", [2, 5, 2], 1), ("4**.5+1", [4, 5, 1], 3), ("(-4)**.5", [4, 5], 2),
        ("(-8)**(1/3)", [8, 1, 3], -2), ("(-3)**2.00000001", [3, 2, 1], 9), ("(-3)**2.0001", [3, 2, 1], 9),
        ("((-8)**(1/3))**3", [8, 1, 3, 3], -8), ("((-8)**.5)**2", [8, 5, 2], -8), ("((-8)**.5)//2", [8, 5, 2], 1),
        ("((-8)**.5)*((-2)**.5)", [8, 5, 2, 5], -4), ("((-8)**.5)/((-2)**.5)", [8, 5, 2, 5], 2), ("1/((-8)**.5)", [1, 8, 5], 0),
        ("((-8)**.5)**((-2)**.5)", [8, 5, 2, 5], 1), ("((-4)**.5)**-2", [4, 5, 2], 0), ("0/((-4)**.5)", [0, 4, 5], 0),
        ("((-4)**.5)/0", [0, 4, 5], 0), ("2**((-4)**.5)", [2, 4, 5], 0), ("0**((-4)**.5)", [0, 4, 5], 0), ("-((-4)**.5)**2", [4, 5, 2], 4),
        ("0**(0*((-4)**.5))", [0, 0, 4, 5], 1), ("0**(1+0*((-4)**.5))", [0, 1, 0, 4, 5], 0), ("5*((-4)**.5)**101", [5, 4, 5, 101], 0),
        ("100000*100001", [100000, 100001], 10000100000), ("1.000001", [1, 1], 1), ("1.00001", [1, 1], 1), ("1.000009", [1, 9], 1),
        ("1.0000099999", [1, 99999], 1), ("1.00001000001", [1, 1000001], 1), ("00", [0], 0), ("000+7", [0, 7], 7), ("007", [7], 7),
        ("007.", [7], 7), ("007.0", [7, 0], 7), ("00.07*100", [0, 7, 100], 7), ("1e3", [1, 3], 1000), ("12 34", [12, 34], 1234),
        ("9007199254740993", [9007199254740993], 9007199254740993), ("9007199254740993", [9007199254740993], 9007199254740992),
        ("9007199254740993.", [9007199254740993], 9007199254740992), ("9007199254740993/1", [9007199254740993, 1], 9007199254740993),
        ("18446744073709551615", [18446744073709551615], 5), ("99**99//99**98", [99, 99, 99, 98], 99), ("99**99/99**98", [99, 99, 99, 98], 99),
        ("99.0**99", [99, 0, 99], 99), ("99.0**999", [99, 0, 999], 99), ("99**999*1.0", [99, 999, 1, 0], 99), ("99**999/1", [99, 999, 1], 99),
        ("99**999/99**998", [99, 999, 99, 998], 99), ("1/99**999", [1, 99, 999], 0), ("2.0**-9999", [2, 0, 9999], 0),
        ("2**-9999", [2, 9999], 0), ("2**-99**9", [2, 99, 9], 0), ("9**9**9", [9, 9, 9], 387420489), ("1**9**9**9", [1, 9, 9, 9], 1),
        ("0*9**9**9", [0, 9, 9, 9], 0), ("1**(9**9)", [1, 9, 9], 1), ("(-1)**(9**9)", [1, 9, 9], -1), ("(-1)**(9**9-1)", [1, 9, 9, 1], 1),
        ("0**(9**9)", [0, 9, 9], 0), ("9**99999-9**99999+7", [9, 99999, 9, 99999, 7], 7), ("9**99999//9**99998", [9, 99999, 9, 99998], 9),
        ("9.9**99**2", [9, 9, 99, 2], 9), ("1.0**9**9**2", [1, 0, 9, 9, 2], 1), ("5", [5], 5), ("5", [5, 5], 5), ("5", [], 5), ("", [], 0),
        ("()", [], 0), ("-5", [5], -5), ("-5", [5], 5), ("5-5", [5, 5], 0), ("5+5", [5, 5], 10), ("(5)+(5)", [5, 5], 10),
    ]:
        yield plain(text, numbers, target)
    for n in [199, 200, 201, 5000, 100000]:
        yield answer(["(", n], "3", [")", n]), [3], 3
        yield answer(["-(", n], "3", [")", n]), [3], 3 if n % 2 == 0 else -3
    for k, n in [(5, 180), (10, 150), (20, 120), (25, 110), (5, 190), (10, 170), (20, 130), (30, 110)]:
        yield answer(["-" * k + "(", n], "3", [")", n]), [3], 3 if k * n % 2 == 0 else -3
    for n in [10, 1000, 2900, 3100, 100000]:
        yield answer(["-", n], "3"), [3], 3
        yield answer("3**", ["-", n], "1"), [3, 1], 3
    for digits in [50, 4299, 4300, 4301, 100000]:
        yield answer(["9", digits]), [9], 9
        yield answer(["0", digits]), [0], 0
        yield answer(["0", digits], "7"), [7], 7
        yield answer("7.", ["0", digits]), [7, 0], 7
    yield [["Assistant:", 1], ["<answer>", 3000], ["7</answer>", 1]], [7], 7
    yield [["Assistant:", 1], ["<answer>7</answer>", 100000]], [7], 7
    yield [["Assistant:", 1], ["7\n", 100000], ["<answer>7</answer>", 1]], [7], 7


OPERATORS = ["+", "-", "*", "/"] * 4 + ["//", "**"]
SPACES = [""] * 4 + [" "] * 4 + ["  ", "\t", "\x0c", "\r"]
MARKS = list("()+-*/. 0123456789=x,\r\t") + ["**", "//", "\u00a0", "²"]


def literal(rng, number):
    """The number, now and then with a point; the digit runs that it is made of."""
    if rng.random() < 0.1:
        other = rng.randint(0, 9)
        return rng.choice([(f"{number}.", [number]), (f".{number}", [number]), (f"{number}.{other}", [number, other])])
    return str(number), [number]


def expression(rng, count):
    if count == 1:
        text, used = literal(rng, rng.choice([rng.randint(0, 9), rng.randint(1, 100)]))
        return rng.choice([text] * 6 + ["-" + text, f"({text})", "+" + text]), used
    left = rng.randint(1, count - 1)
    (a, used), (b, more) = expression(rng, left), expression(rng, count - left)
    text = rng.choice(SPACES).join([a, rng.choice(OPERATORS), b])
    return f"({text})" if rng.random() < 0.5 else text, used + more


def value_of(text):
    warnings.simplefilter("ignore")
    try:
        value = eval(text, {"__builtins__": None}, {})
        value = value.real if isinstance(value, complex) else value
        return round(value) if abs(value) < 2**62 else None
    except Exception:
        return None


def drawn(rng, count):
    while count:
        text, numbers = expression(rng, rng.randint(1, 5))
        if text.count("**") > 1:
            continue
        count -= 1
        if rng.random() < 0.2:
            at = rng.randint(0, len(text))
            text = text[:at] + rng.choice(MARKS) + text[at + rng.randint(0, 1):]
        target = value_of(text)
        if target is None or rng.random() < 0.15:
            target = rng.randint(-20, 200)
        if rng.random() < 0.1:
            numbers = numbers[1:] + [rng.randint(0, 99)]
        rng.shuffle(numbers)
        yield answer(text), numbers, target


def main():
    score = scorer(sys.argv[1])
    assert sys.version_info[:2] == (3, 11), "the recorded limits are those of CPython 3.11"
    for pieces, numbers, target in [*by_hand(), *drawn(random.Random(0), 500)]:
        text = "".join(piece * times for piece, times in pieces)
        truth = {"target": target, "numbers": numbers}
        line = {"text": pieces, "numbers": numbers, "target": target, "score": bounded(score, text, truth)}
        print(json.dumps(line, ensure_ascii=False))


main()
