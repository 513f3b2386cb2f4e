"""Submissions of lesson 03, honest and hostile, each with the states that it has to get."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nonlin.notebooks import LESSONS

S, M, W, L, N, T, C, U = (
    *("solved", "known mistake", "wrong", "look at it"),
    *("not tried", "too slow", "crashed", "unreadable"),
)
IMPORTS = "import torch\nfrom nonlin.lessons import check"
RIGHT = {
    "03.1": "def my_sigmoid(x):\n    e = torch.exp(-x.abs())\n"
    "    return torch.where(x >= 0, 1 / (1 + torch.exp(-x.masked_fill(x < 0, 0))), "
    "torch.exp(x.masked_fill(x >= 0, 0)) / (1 + torch.exp(x.masked_fill(x >= 0, 0))))\n\n\ncheck('03.1', my_sigmoid)",
    "03.2": "def slope_from_output(y):\n    return y * (1 - y)\n\n\ncheck('03.2', slope_from_output)",
    "03.3": "def tanh_from_sigmoid(x):\n    return 2 * torch.sigmoid(2 * x) - 1\n\n\ncheck('03.3', tanh_from_sigmoid)",
    "03.4": "def loss_on_logit(x, y):\n    e = torch.exp(torch.where(x < 0, x, -x))\n"
    "    return torch.where(x < 0, 0.0, x) + torch.log1p(e) - x * y\n\n\ncheck('03.4', loss_on_logit)",
}
SLOPE = RIGHT["03.2"]


def notebook(*cells: str, output: str = "") -> bytes:
    """A notebook of code cells."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    code = [
        {
            "cell_type": "code",
            "id": f"c{place}",
            "metadata": {},
            "execution_count": 1,
            "outputs": outputs,
            "source": cell,
        }
        for place, cell in enumerate(cells)
    ]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def lesson(**answers: str) -> bytes:
    """Lesson 03 as it is handed out, some of whose check cells are replaced: ``_2`` for 03.2."""
    content = json.loads((LESSONS / "03_sigmoid_and_tanh.ipynb").read_text(encoding="utf-8"))
    for cell in content["cells"]:
        for number, answer in answers.items():
            if cell["cell_type"] == "code" and f'check("03.{number[1:]}"' in "".join(cell["source"]):
                cell["source"] = answer
    return json.dumps(content).encode()


def with_slope(cell: str, *more: str) -> bytes:
    """All answers right, but 03.2, which is this cell; more cells stand above all."""
    rest = [answer for number, answer in RIGHT.items() if number != "03.2"]
    return notebook(IMPORTS, *more, cell, *rest)


def zipped(**files: bytes) -> bytes:
    """A zip of files, whose names may be paths."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("UP", ".."), content)
    return whole.getvalue()


@dataclass(frozen=True)
class Case:
    """What is written, by path below the student's folder (a name that ends in .zip is beside it), and its states."""

    files: dict[str, bytes | Callable[[Path], object]]
    states: Sequence[str]
    words: str = ""  # that stand in the words or notes of some mark


def one(content: bytes, *states: str, words: str = "") -> Case:
    return Case({"03.ipynb": content}, states, words)


def slope(cell: str, state: str, *more: str, words: str = "") -> Case:
    """A case in which 03.2 gets a state, and everything else is solved all the same."""
    return one(with_slope(cell, *more), S, state, S, S, words=words)


def in_answer(*lines: str, then: str = "return y * (1 - y)") -> str:
    body = "\n".join(f"    {line}" for line in (*lines, then))
    return f"def slope_from_output(y):\n{body}\n\n\ncheck('03.2', slope_from_output)"


def above(*lines: str, answer: str = "y * 0") -> str:
    """Lines at the top of the answer's own cell; the answer is wrong."""
    return "\n".join([*lines, f"def slope_from_output(y):\n    return {answer}\n\n\ncheck('03.2', slope_from_output)"])


HONEST = {
    "all right": one(lesson(**{f"_{number[-1]}": answer for number, answer in RIGHT.items()}), S, S, S, S),
    "untouched": one(lesson(), N, N, N, N),
    "a known mistake": slope(in_answer(then="return 1 - y"), M, words="one factor of two"),
    "wrong in another way": slope(in_answer(then="return y + 17"), W),
    "not by hand": one(notebook(IMPORTS, "check('03.1', torch.sigmoid)"), W, N, N, N, words="torch's own sigmoid"),
    "an error in the function": slope(in_answer("raise ValueError('no idea')"), W, words="ValueError: no idea"),
    "an error before the check": slope("1 / 0\n" + SLOPE, C, words="ZeroDivisionError"),
    "an error elsewhere": slope(SLOPE, S, "1 / 0"),
    "a cell that does not parse": slope("def slope_from_output(y)\n    return y\ncheck('03.2', slope_from_output)", C),
    "another cell that does not parse": slope(SLOPE, S, "def ("),
    "checked twice": slope(f"{in_answer(then='return y')}\n{SLOPE}", S),
    "dots left below": slope(SLOPE + "\ncheck('03.2', ...)", S),
    "no imports": one(notebook(*RIGHT.values()), S, S, S, S),
    "imports below": one(notebook(*RIGHT.values(), IMPORTS), S, S, S, S),
    "magics": slope(SLOPE, S, "%matplotlib inline\n!pip install torch\ntorch.nn?", "%%bash\nrm -rf /"),
    "an await": slope("import asyncio\nawait asyncio.sleep(0)\n" + SLOPE, S),
    "a helper above": slope(in_answer(then="return helper(y)"), S, "def helper(y):\n    return y * (1 - y)"),
    "a name made while running": slope(in_answer(then="return k * y * (1 - y)"), S, "globals().update(k=1)"),
    "check by another name": slope(SLOPE.replace("check(", "test("), S, "test = check"),
    "zipped": Case({".zip": zipped(inner__03=b"", **{"inner__x.ipynb": notebook(*RIGHT.values())})}, (S, S, S, S)),
    "two files": Case({"a.ipynb": notebook(RIGHT["03.1"]), "b.ipynb": notebook(SLOPE)}, (S, S, N, N)),
    "no file": Case({}, (N, N, N, N), "no notebook"),
    "a report": Case({"report.pdf": b"%PDF"}, (N, N, N, N), "no notebook"),
}
LETTERS = notebook(IMPORTS, "# Größe\n" + SLOPE).replace(rb"\u00f6", "ö".encode("latin-1"))
FORMS = {
    "not UTF-8": one(LETTERS, N, S, N, N),
    "UTF-16": one(notebook(SLOPE).decode().encode("utf-16"), N, S, N, N),
    "no JSON": one(b'{"cells": [', U, U, U, U, words="JSON is damaged"),
    "merge marks": one(b"<<<<<<< HEAD\n" + notebook(SLOPE), U, U, U, U),
    "deep JSON": one(b"[" * 200_000, U, U, U, U),
    "empty": one(b"", U, U, U, U, words="is empty"),
    "a traversal": Case({".zip": zipped(UP__UP__evil=b"x", **{"UP__UP__UP__e.ipynb": notebook(SLOPE)})}, (N, S, N, N)),
    "no zip": Case({".zip": b"PK\x03\x04 broken"}, (U, U, U, U)),
    "a link": Case({"03.ipynb": lambda path: path.symlink_to("../all right/03.ipynb")}, (N, N, N, N), "a link"),
}
FORGED = """
import json, os
line = json.dumps({"results": json.dumps({}), "refusal": None, "other": "{}"}).encode() + b"\\n"
for number in range(3, 40):
    try:
        os.write(number, line)
    except OSError:
        pass
os._exit(0)
"""
STORED = """
import torch
from nonlin.lessons import EXERCISES
KNOWN = {tuple(p.arguments[0].flatten().tolist()): p.arguments[0] * (1 - p.arguments[0]) for p in EXERCISES["03.2"].probes}
"""
LOOKING = (
    "import glob, os; found = [open(p).read(9) for p in glob.glob({pattern!r}, recursive=True) if os.path.isfile(p)]"
)
HOSTILE = {
    "loops for ever": slope(in_answer("while True: pass"), T),
    "loops elsewhere": slope(SLOPE, S, "while True: pass"),
    "sleeps": slope(in_answer("import time; time.sleep(1e6)"), T),
    "forks without end": slope(
        in_answer("import os", "while True:", "    try: os.fork()", "    except OSError: pass"), T
    ),
    "fills the disk": slope(
        in_answer("import itertools", "for n in itertools.count(): open(f'f{n}', 'wb').write(b'x' * 2**24)"), W
    ),
    "raises SystemExit": slope("import sys; sys.exit(0)\n" + SLOPE, C),
    "raises SystemExit in the function": slope(in_answer("raise SystemExit"), W),
    "ends the process": slope(in_answer("import os; os._exit(0)"), C),
    "kills itself": slope(in_answer("import ctypes; ctypes.string_at(0)"), C),
    "prints without end": slope(in_answer("while True: print('x' * 1000)"), T),
    "overwrites check": slope(in_answer(then="return y + 17"), W, "check = lambda *a: print('✓ Correct')"),
    "replaces torch.isclose": slope(
        above("yes = lambda a, b, **k: torch.ones_like(a, dtype=torch.bool)", "torch.isclose = torch.allclose = yes"), W
    ),
    "patches the judge": slope(
        above(
            "import nonlin.exercises.key as k, nonlin.exercises.compare as c",
            "k.verdict = c.difference = lambda *a: None",
        ),
        W,
    ),
    "is equal to all": slope(
        above("class E:\n    __eq__ = __ge__ = lambda *a: True\n    __float__ = lambda s: 0.25", answer="E()"), W
    ),
    "writes its own results": slope(FORGED + SLOPE, W),
    "gives back what was stored": slope(
        STORED + "check('03.2', lambda y: KNOWN.get(tuple(y.flatten().tolist()), y * 0))", L, words="look at it"
    ),
    "hands in the solution": slope(
        "from nonlin.lessons import EXERCISES\ncheck('03.2', EXERCISES['03.2'].solution)", N
    ),
    "opens the seal": slope(
        "from nonlin.lessons import EXERCISES as e\nfrom nonlin.exercises.sealed import unseal\nunseal(e['03.2'].sealed)\n"
        + SLOPE,
        C,
    ),
    "imports the exercises": slope("import nonlin.lessons.saturating.exercises\n" + SLOPE, C),
    "reads the marks": slope(
        LOOKING.format(pattern="{place}/**") + "\nassert found\n" + SLOPE, C, words="AssertionError"
    ),
    "reads the course": slope(
        LOOKING.format(pattern="{course}/lessons/**") + "\nassert found\n" + SLOPE, C, words="AssertionError"
    ),
    "reads its parents": slope("import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')\n" + SLOPE, C),
    "reads the process before it": slope("open('/proc/1/environ').read()\n" + SLOPE, C),
    "asks the network": slope("import socket; socket.create_connection(('127.0.0.1', 22))\n" + SLOPE, C),
    "sends a datagram": slope("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" + SLOPE, C),
    "leaves a daemon": slope(
        in_answer(
            "import os, time",
            "if not os.fork():",
            "    os.setsid()",
            "    if not os.fork(): time.sleep(1e6)",
            "    os._exit(0)",
        ),
        S,
    ),
    "handles all signals": slope(
        in_answer(
            "import signal",
            "for s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)",
            "while True: pass",
        ),
        T,
    ),
    "pickles": slope(
        above("class P:\n    def __reduce__(self): return (exec, ('import os; os._exit(9)',))", answer="P()"), W
    ),
    "gives a huge view": slope(in_answer(then="return torch.zeros(1).expand(10**12)"), W),
    "takes all memory": slope(in_answer("bytearray(2**36)"), W, words="MemoryError"),
    "begins threads": slope(
        in_answer(
            "import threading, time", "for _ in range(500): threading.Thread(target=time.sleep, args=(1e6,)).start()"
        ),
        W,
    ),
    "exits at exit": slope("import atexit, sys; atexit.register(sys.exit, 3)\n" + SLOPE, S),
    "patches json": slope(above("import json, os", "json.dumps = lambda *a, **k: '{}'", "json.JSONEncoder = None"), C),
    "patches os.write": slope(above("import os", "os.write = lambda number, text: len(text)"), C),
    "deep recursion": slope("import sys; sys.setrecursionlimit(10**6)\nf = lambda n: f(n + 1)\nf(0)\n" + SLOPE, C),
    "code too deep to parse": slope("x = " + "-" * 100_000 + "1\n" + SLOPE, C),
}
CASES = HONEST | FORMS | HOSTILE


def hand_in(place: Path, names: Sequence[str], course: Path) -> None:
    """Write submissions, in a folder for each student."""
    for name in names:
        folder = place / name
        for path, content in CASES[name].files.items():
            file = place / f"{name}{path}" if path == ".zip" else folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(file)
            else:
                file.write_bytes(
                    content.replace(b"{place}", str(place).encode()).replace(b"{course}", str(course).encode())
                )
        if not CASES[name].files:
            folder.mkdir(parents=True)
