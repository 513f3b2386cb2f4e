"""What runs beside the student's code: it finds his answers in the cells, calls them, and writes down what they give.

This file is run by its path, in a process whose ``nonlin`` is the hand-out's, without solutions. Nothing in here
decides about a mark: the student's code could have changed it.

An exercise is judged by a slice of the notebook: the cell that hands the answer in, and, by the names that it uses, the
cells that define them, the nearest one above first; what the notebook does not define comes from the lesson itself. So
the other cells cannot spoil an answer, nor help it. Where that fails, the whole notebook is run from the top.
"""

import ast
import builtins
import dis
import gc
import importlib.util
import json
import os
import random
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

CHECK, GIVEN = "check", "_answer_handed_in"
SECONDS_A_CELL = 10  # where all cells run
BEGUN = b"{}\n"  # the first line where each run is a process of its own
DROPPED = re.compile(r"\A\s*%%(time|timeit|capture|prun)\b[^\n]*\n")
FOREIGN = re.compile(r"\A\s*%%")
BY_TEXT = re.compile(r"""\bcheck\(\s*["'](\d\d\.\d+)["']""")


# Cells


@dataclass(frozen=True)
class Cell:
    """One cell of code.

    Args:
        tree: its statements, in which every check hands its answer in; None if it does not parse.
        error: why it does not parse.
        binds: names that it defines.
        needs: names that it takes from outside.
        attempts: exercises that it hands an answer in for, dots excepted.
        dotted: exercises whose check still has the dots.
        hidden_check: whether it uses ``check`` in a way that shows only when it runs.
    """

    tree: ast.Module | None
    error: str = ""
    binds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    attempts: frozenset[str] = frozenset()
    dotted: frozenset[str] = frozenset()
    hidden_check: bool = False


def parsed(source: str) -> Cell:
    """A cell from its text; IPython's magics become calls that do nothing."""
    source = DROPPED.sub("", source)
    if FOREIGN.match(source):
        return Cell(ast.Module([], []))
    numbers = frozenset(BY_TEXT.findall(source))
    try:
        tree = ast.parse(_without_magics(source))
        checks = _Checks()
        tree = ast.fix_missing_locations(checks.visit(tree))
        binds, needs = _names(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Cell(None, _words(error), attempts=numbers)
    return Cell(
        tree, "", binds, needs, frozenset(checks.attempts), frozenset(checks.dotted), CHECK in needs and checks.hidden
    )


def _without_magics(source: str) -> str:
    if not re.search(r"^\s*[%!?]|\?\s*$|=\s*[%!]", source, re.MULTILINE):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


class _Checks(ast.NodeTransformer):
    """Gives every check another name, which the student's code does not define."""

    def __init__(self) -> None:
        self.attempts: set[str] = set()
        self.dotted: set[str] = set()
        self.hidden = False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        number = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        of_check = isinstance(node.func, ast.Name) and node.func.id == CHECK
        if not of_check or not isinstance(number, str):
            return self.generic_visit(node)
        answers = [*node.args[1:], *(word.value for word in node.keywords)]
        dots = len(answers) == 1 and isinstance(answers[0], ast.Constant) and answers[0].value is ...
        (self.dotted if dots else self.attempts).add(number)
        node.func = ast.copy_location(ast.Name(GIVEN, ast.Load()), node.func)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.hidden |= node.id == CHECK and isinstance(node.ctx, ast.Load)
        return node


def _names(tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    """What the statements of a cell bind for others, and what they need from others."""
    bound: set[str] = set()
    needed: set[str] = set()
    later: set[str] = set()  # what functions use, when they are called
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            continue
        code = _compiled(ast.Module([statement], []))
        for kind, name in _uses(code, top=True):
            if kind == "bind":
                bound.add(name)
            elif kind == "later":
                later.add(name)
            elif name not in bound:
                needed.add(name)
    return frozenset(bound), frozenset((needed | later - bound) - {GIVEN})


def _uses(code: CodeType, *, top: bool) -> Iterator[tuple[str, str]]:
    for step in dis.get_instructions(code):
        if step.opname == "STORE_GLOBAL" or (top and step.opname == "STORE_NAME"):
            yield "bind", step.argval
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield "now" if top else "later", step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _uses(inner, top=False)


def _compiled(tree: ast.Module) -> CodeType:
    return compile(tree, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def slice_of(cells: Sequence[Cell], target: int, lesson: int) -> list[int]:
    """The places of the cells that one needs, in the order in which to run them, itself last.

    Args:
        cells: first those of the lesson as it was handed out, then the student's.
        target: place of the cell.
        lesson: how many are the lesson's.
    """
    found: set[int] = set()
    waiting = [(name, target) for name in cells[target].needs]
    seen = set(waiting)
    while waiting:
        name, place = waiting.pop()
        above = range(place - 1, -1, -1)
        below = range(max(place, lesson) + 1, len(cells))
        home = next((each for each in (*above, *below) if name in cells[each].binds and each != target), None)
        if home is not None and home not in found:
            found.add(home)
            more = {(each, home) for each in cells[home].needs} - seen
            seen |= more
            waiting += more
    return [*sorted(found), target]


# Running


class _TooLong(BaseException):
    pass


class Run:
    """A notebook's cells in one namespace, in which every check writes down what the answer gives."""

    def __init__(self, job: dict[str, Any], writing: int) -> None:
        self.number, self.seed, self.writing = job["number"], job["seed"], writing
        self.lesson = [parsed(source) for source in job["lesson"]]
        self.cells = [*self.lesson, *(parsed(source) for source in job["cells"])]
        self.handed_in = False
        self.namespace: dict[str, Any] = {"__name__": "__main__", GIVEN: self.hand_in, "display": _nothing}
        self.namespace["get_ipython"] = _Nothing

    def write(self, **what: Any) -> None:
        """One line of JSON."""
        line = memoryview(json.dumps(what).encode() + b"\n")
        while line:
            line = line[os.write(self.writing, line) :]

    def hand_in(self, number: str = "", answer: Any = ...) -> None:
        """What stands in for ``check``."""
        if number != self.number:
            return
        from nonlin.exercises.key import UNANSWERED, encode, results_of
        from nonlin.lessons import EXERCISES

        exercise = EXERCISES[number]
        results, refusal = results_of(exercise, answer)
        if UNANSWERED in results:
            return
        self.handed_in = True
        others = with_other_inputs(exercise, self.seed)
        other = encode(results_of(others, answer)[0]) if others.probes else ""
        self.write(results=encode(results), refusal=refusal, other=other)

    def slice(self) -> None:
        """Run what the last answer that is no dots needs, and before it the next to last, until one was tried."""
        own = range(len(self.lesson), len(self.cells))
        tried = [place for place in own if self.number in self.cells[place].attempts]
        for place in reversed(tried):
            if self.cells[place].error:
                return self.write(failed=self.cells[place].error)
            *helpers, target = slice_of(self.cells, place, len(self.lesson))
            for helper in helpers:
                self.run(self.cells[helper])
            error = self.run(self.cells[target])
            if self.handed_in:
                return None
            if error:
                return self.write(failed=error)
        if not tried and any(self.cells[place].hidden_check for place in own):
            return self.write(failed="")
        return self.write(untried=True)

    def all(self) -> None:
        """Run all cells from the top, whatever becomes of each."""
        import nonlin.lessons

        nonlin.lessons.check = self.hand_in
        error = ""
        signal.signal(signal.SIGALRM, _too_long)
        for cell in self.cells[len(self.lesson) :]:
            signal.setitimer(signal.ITIMER_REAL, SECONDS_A_CELL)
            said = self.run(cell)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self.number in cell.attempts:
                error = said
        if not self.handed_in:
            self.write(**({"failed": error} if error else {"untried": True}))

    def run(self, cell: Cell) -> str:
        """Run one cell; returns its error, or an empty text."""
        if cell.tree is None:
            return cell.error
        try:
            result = eval(_compiled(cell.tree), self.namespace)
            if result is not None:  # an await outside any function
                import asyncio

                asyncio.run(result)
        except BaseException as error:
            return _words(error)
        return ""


def _too_long(*_: object) -> None:
    raise _TooLong(f"it took more than {SECONDS_A_CELL} s")


def _nothing(*_: object, **__: object) -> None:
    """For what only shows."""


class _Nothing:
    """Stands for IPython: whatever is asked of it does nothing."""

    def __getattr__(self, name: str) -> Any:
        return _nothing


def _words(error: BaseException) -> str:
    try:
        said = str(error)
    except BaseException:
        said = ""
    return f"{type(error).__name__}: {said}"[:500]


# Other inputs of the same kind


def with_other_inputs(exercise: Any, seed: str) -> Any:
    """The exercise, on inputs that nobody knew when the answer was written.

    Every tensor of fractions, and every fraction, is made smaller by a factor of its own between 0.85 and 0.98, so that
    what is positive, between 0 and 1, or sorted stays so; whole numbers and what is no number stay as they are.

    Args:
        exercise: of the course.
        seed: anything that belongs to the submission.
    """
    chance = random.Random(f"{seed} {exercise.number}")
    probes = []
    for probe in exercise.probes:
        arguments = tuple(_other(argument, chance) for argument in probe.arguments)
        if any(new is not old for new, old in zip(arguments, probe.arguments, strict=True)):
            probes.append(replace(probe, label=f"{probe.label}, on other inputs", arguments=arguments))
    return replace(exercise, probes=tuple(probes))


def _other(argument: Any, chance: random.Random) -> Any:
    import torch

    factor = chance.uniform(0.85, 0.98)
    if isinstance(argument, torch.Tensor):
        return argument * factor if argument.is_floating_point() and bool((argument % 1 != 0).any()) else argument
    return argument * factor if isinstance(argument, float) and argument % 1 else argument


# The process

PREPARED = (
    "IPython.core.inputtransformer2",
    "matplotlib.pyplot",
    "torch",
    "nonlin.exercises.key",
    "nonlin.lessons",
    "nonlin.plots",
    "nonlin.toys.race",
)


def prepare(package: str) -> None:
    """Import what notebooks use, from the hand-out, so that each run has it at once."""
    sys.path[:] = [package, *(each for each in sys.path if not os.path.isdir(os.path.join(each, "nonlin")))]
    sys.dont_write_bytecode = True
    for name in PREPARED:
        importlib.import_module(name)
    sys.modules["torch"].set_num_threads(1)
    _withhold()
    builtins.input = _no_input  # nobody is there


def _withhold() -> None:
    """Forget what the hand-out holds sealed: with it, a check could be answered without an answer."""
    lessons = sys.modules["nonlin.lessons"]
    lessons.EXERCISES = {number: replace(exercise, sealed="") for number, exercise in lessons.EXERCISES.items()}
    for name in [name for name in sys.modules if re.fullmatch(r"nonlin\.lessons\.\w+\.exercises", name)]:
        parent, _, child = name.rpartition(".")
        del sys.modules[name]
        vars(sys.modules[parent]).pop(child, None)
    gc.collect()


def _no_input(prompt: str = "") -> str:
    raise EOFError("nobody answers while a notebook is marked")


def run(job: dict[str, Any], writing: int) -> None:
    """Run one job and write what it gives, as lines of JSON."""
    for file in (sys.stdout, sys.stderr):
        with suppress(Exception):
            file.reconfigure(errors="replace")
    each = Run(job, writing)
    each.all() if job["whole"] else each.slice()


def run_alone(limits: dict[str, Any]) -> None:
    """Make this process the one in which a job runs: what it prints goes nowhere, what it uses is bounded if it can."""
    with suppress(ImportError):  # on Windows
        import resource

        used = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1  # for the imports
        bounds = {"CPU": used + limits["cpu"], "FSIZE": limits["disk"], "CORE": 0}
        for name, bound in bounds.items():
            with suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))


def serve(settings: dict[str, Any], numbers: Sequence[int]) -> None:
    """Answer jobs at each of some sockets, each by a process of its own, until the other end closes it."""
    first = next((number for number in numbers[1:] if not os.fork()), numbers[0])
    for number in numbers:
        if number != first:
            os.close(number)
    sandbox = _module(settings["sandbox"])
    sandbox.end_with_parent()
    with socket.socket(fileno=first) as connection, connection.makefile("rwb") as file:
        _answer_all(file, sandbox, settings["room"], numbers.index(first))


def _answer_all(file: Any, sandbox: Any, room: dict[str, Any], place: int) -> None:
    room = sandbox.Room(**room)
    for count, line in enumerate(file):
        job = json.loads(line)
        user = sandbox.FIRST_USER + (place * 271 + count) % sandbox.USERS  # each run is another user's
        outcome = sandbox.contained(
            lambda writing, job=job: run(job, writing), room, sandbox.Limits(**job["limits"]), user
        )
        head = json.dumps([outcome.ended, outcome.denied, outcome.words, len(outcome.output)])
        file.write(head.encode() + b"\n" + outcome.output)
        file.flush()


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("sandbox", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sandbox"] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Serve at the sockets that the settings name; without any, run the one job at the standard input."""
    settings = json.loads(sys.argv[1])
    if settings["sockets"]:
        prepare(settings["package"])
        serve(settings, settings["sockets"])
        return
    job, writing, nowhere = json.load(sys.stdin), os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    prepare(settings["package"])
    run_alone(job["limits"])
    os.write(writing, BEGUN)  # from now on time counts
    run(job, writing)
    os._exit(0)


if __name__ == "__main__":
    main()
