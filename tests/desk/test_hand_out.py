"""What students get: everything works as in the course, and no solution stands in it."""

import ast
import errno
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from folded import folded

from nonlin import paths
from nonlin.__main__ import main
from nonlin.desk import hand_out as module
from nonlin.desk.hand_out import NAME, blank, files_of, hand_out, package_without_solutions
from nonlin.desk.new_folder import new_folder, scratch_folder
from nonlin.desk.without_solutions import without_solutions
from nonlin.errors import ReaderError
from nonlin.exercises import Exercise
from nonlin.exercises.sealed import seal, solution_in, unseal
from nonlin.lessons import EXERCISES, QUIZZES, check

ROOT = paths.project_root()
TOMORROW = date.today() + timedelta(days=1)


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "handed out"
    hand_out(folder, (), TOMORROW)
    return folder / NAME


# Run with the package of the hand-out: each solution as a student would paste it, and each answer of the tests.
AS_A_STUDENT = r"""
import ast, json, sys
from pathlib import Path

root, answers, solutions = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.stdin.read())
import nonlin
from nonlin.lessons import EXERCISES, check, quiz

assert Path(nonlin.__file__).is_relative_to(root), nonlin.__file__
said = {}


def given(number):  # what the cells of a lesson import, and its constants
    [path] = root.glob(f"notebooks/{number}_*.ipynb")
    cells = json.loads(path.read_text())["cells"]
    names = {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        try:
            body = ast.parse("".join(cell["source"])).body
        except SyntaxError:  # a magic
            continue
        for node in body:
            constant = isinstance(node, ast.Assign) and all(isinstance(n, (ast.Assign, ast.Name, ast.Tuple,
                ast.Constant, ast.expr_context)) for n in ast.walk(node))
            if isinstance(node, (ast.Import, ast.ImportFrom)) or constant:
                try:
                    exec(compile(ast.Module([node], []), "cell", "exec"), names)
                except NameError:
                    pass
    return names


for number, text in solutions.items():
    names, tree = given(number[:2]), ast.parse(text)
    value = isinstance(tree.body[-1], ast.Expr)
    last = ast.Expression(tree.body.pop().value) if value else None
    exec(compile(tree, "answer", "exec"), names)
    answer = eval(compile(last, "answer", "eval"), names) if value else names[tree.body[-1].name]
    said[number] = [check(number, answer).state]
    page = check(number, ...)._repr_html_()
    assert page.count("<details>") == len(EXERCISES[number].hints) + 1
    assert "The solution is shown here from" in page
# Some answers of the tests are made from the course's own file.
own = {"__name__": "own"}
exec((answers.parents[2] / "src/nonlin/lessons/choosing/exercises.py").read_text(encoding="utf-8"), own)
vars(sys.modules["nonlin.lessons.choosing.exercises"]).update(own)
for path in sorted(answers.glob("lesson_*.py")):
    names = {"__name__": path.stem}
    exec(compile(path.read_text(), path.name, "exec"), names)
    for number, wrong in names["WRONG"].items():
        said[number] += [check(number, answer).message for answer, _ in wrong]
said["pages"] = [quiz(number)._repr_html_() for number in sorted({number[:2] for number in EXERCISES})]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(handed_out: Path) -> dict[str, list[str]]:
    answers = ROOT / "tests" / "exercises" / "answers"
    words = [sys.executable, "-c", AS_A_STUDENT, handed_out, answers]
    environment = os.environ | {"PYTHONPATH": str(handed_out / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    solutions = json.dumps({number: exercise.solution_text for number, exercise in EXERCISES.items()})
    done = subprocess.run(words, input=solutions, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_each_solution_of_the_course_is_right_there(said: dict[str, list[str]]) -> None:
    assert {number: said[number][0] for number in EXERCISES} == dict.fromkeys(EXERCISES, "correct")


def test_wrong_answers_get_the_words_of_the_course(said: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "exercises")
    from test_answers import ANSWERS

    for number in EXERCISES:
        expected = [check(number, answer).message for answer, _ in ANSWERS[number[:2]].WRONG[number]]
        assert said[number][1:] == expected, number


def test_quizzes_are_those_of_the_course(said: dict[str, list[str]]) -> None:
    assert said["pages"] == [QUIZZES[number]._repr_html_() for number in sorted(QUIZZES)]


# Nothing is given away


def squashed(text: str) -> str:
    return re.sub(r"\s+", "", text).replace('"', "'")


def lines_of(function: Callable) -> Iterator[str]:
    """Lines of code of a function, as they are written and as Python would write them."""
    source = dedent(inspect.getsource(function))
    try:
        written = ast.unparse(ast.parse(source))
    except SyntaxError:  # cut out of a call
        written = ""
    yield from (squashed(line) for line in f"{source}\n{written}".splitlines())


def secrets_of(exercise: Exercise) -> set[str]:
    answers = [exercise.solution, *(mistake.answer for mistake in exercise.mistakes)]
    lines = {line for answer in answers if inspect.isfunction(answer) for line in lines_of(answer)}
    texts = {squashed(text) for text in (exercise.remark, *exercise.hints, *(each.hint for each in exercise.mistakes))}
    return lines | texts | set(map(squashed, exercise.solution_text.split("\n")))


LONG = 12  # characters without spaces; shorter lines are in any code
READABLE = (".py", ".ipynb", ".md", ".toml", ".json", ".csv", ".txt", ".cpp", ".in", ".cff")
# Lines that solutions and wrong answers share with the course's own library, which is what the course is about.
LIBRARY = {
    *("authors='Barron',", "derivative_from_output=None,", "kinks=fixed(()),", "smoothness=fixed(math.inf),"),
    *(
        "returntuple(found)",
        "torch_module=None,",
        "defhardswish(x:Tensor)->Tensor:",
        "returny*(1-y)",
        "return(x>0).to(x.dtype)",
    ),
    *("low,high=min(low,0.0),max(high,0.0)", "scale=(high-low)/(2**bits-1)"),
    *("for_inrange(3):", "x=x.detach().requires_grad_()"),
}


def test_no_line_of_an_answer_stands_in_what_is_made_for_students(handed_out: Path) -> None:
    """Nor of a hint. A line that the notebook gives, or that the course's own library is written with, is no secret."""
    texts = {path: path.read_text(encoding="utf-8") for path in handed_out.rglob("*") if path.suffix in READABLE}
    cells = [cell for path, text in texts.items() if path.suffix == ".ipynb" for cell in json.loads(text)["cells"]]
    given = squashed("\n".join("".join(cell["source"]) for cell in cells))
    told = {line for each in EXERCISES.values() for line in secrets_of(each) if len(line) > LONG and line not in given}
    assert len(told) > 1000
    made = squashed("\n".join(text for path, text in texts.items() if path.name == "exercises.py"))
    assert {line for line in told if line in made} == set()
    others = squashed("\n".join(text for path, text in texts.items() if path.name != "exercises.py"))
    assert {line for line in told if line in others} <= LIBRARY


def test_nothing_is_packed_in_a_way_that_opens_at_once(handed_out: Path) -> None:
    import base64
    import zlib

    for path in handed_out.rglob("exercises.py"):
        for text in re.findall(r"(?:sealed=|_hints\(|_quiz\()['\"](.*?)['\"]", path.read_text(encoding="utf-8")):
            for decode in (base64.b64decode, base64.b85decode, base64.a85decode, bytes.fromhex):
                try:
                    content = decode(text)
                except ValueError:
                    continue
                assert b"expected" not in content
                with pytest.raises(zlib.error):
                    zlib.decompress(content)


def test_neither_outputs_nor_tests_nor_leftovers_are_part_of_it(handed_out: Path) -> None:
    names = {path.relative_to(handed_out).as_posix() for path in handed_out.rglob("*")}
    assert not {name for name in names if re.search(r"\.pyc$|__pycache__|\.git$|^tests|conftest|lesson_\d\d\.py", name)}
    for path in handed_out.glob("notebooks/*.ipynb"):
        code = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        assert {(len(cell["outputs"]), cell["execution_count"]) for cell in code} == {(0, None)}


def test_objects_tell_nothing() -> None:
    number = "03.2"
    source = Path(sys.modules[EXERCISES[number].solution.__module__].__file__).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(without_solutions(source, EXERCISES, QUIZZES["03"], TOMORROW), names)
    exercise = next(each for each in names.values() if isinstance(each, Exercise) and each.number == number)
    shown = squashed(repr(exercise) + str(vars(exercise) | {"hints": ()}) + exercise.solution_text)
    assert {line for line in secrets_of(EXERCISES[number]) if len(line) > LONG and line in shown} == set()
    assert exercise.solution is None
    assert exercise.mistakes == ()


# Solutions after a day


def test_solutions_are_shown_after_their_day() -> None:
    text = seal({"solution": "def f(): ...", "after": "2030-12-24"})
    assert solution_in(text, date(2030, 12, 23)) == "# The solution is shown here from 2030-12-24 on."
    assert solution_in(text, date(2030, 12, 24)) == "def f(): ..."
    assert solution_in(seal({}), date(2030, 12, 24)).startswith("# This hand-out holds no solutions")


def test_a_damaged_seal_is_told() -> None:
    assert unseal(seal({"ä": [1, None]})) == {"ä": [1, None]}
    for text in ("", "abc", seal(1)[:-3], "Ä"):
        with pytest.raises(ValueError, match="damaged"):
            unseal(text)


def test_statements_that_change_what_the_probes_need_are_kept() -> None:
    source = '"""E."""\nA = [1, 2]\nA[-1] = 20\nA.append(3)\nB = [4]\nB[0] = 5\n'
    exercise = 'E = Exercise(number="03.1", solution=f, mistakes=(), hints=(), remark="", probes=(A,))\n'
    made = without_solutions(source + exercise, EXERCISES, QUIZZES["03"])
    assert made.index("A = [1, 2]") < made.index("A[-1] = 20") < made.index("A.append(3)")
    assert "B" not in made.partition("E = ")[0]


def test_probes_that_need_an_answer_are_refused() -> None:
    source = '"""E."""\ndef f(x): return x\nA = f(1)\nE = Exercise(number="03.1", solution=f, probes=(A,))\n'
    with pytest.raises(ReaderError, match="need f, an answer"):
        without_solutions(source, EXERCISES, QUIZZES["03"])


# Files


def test_the_zip_is_the_folder_and_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sources_without_solutions", lambda after=None: {"03": "# three\n", "04": "# four\n"})
    for name in ("a", "b"):
        assert hand_out(tmp_path / name, ["04", "03", "03"]) == ["03_sigmoid_and_tanh.ipynb", "04_relu.ipynb"]
    one, two = (tmp_path / name / f"{NAME}.zip" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    folder = tmp_path / "a" / NAME
    with zipfile.ZipFile(one) as archive:
        files = {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert set(archive.namelist()) == files
        assert archive.getinfo(f"{NAME}/start.py").external_attr >> 16 == 0o100755
    assert len(list(folder.glob("src/nonlin/lessons/*/exercises.py"))) == 2
    assert "(06_gradient_flow.ipynb)" not in (folder / "notebooks" / "03_sigmoid_and_tanh.ipynb").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_links_to_lessons_that_are_missing_become_words() -> None:
    cell = {"cell_type": "markdown", "source": "see [lesson 06](06_x.ipynb#a) and [lesson 03](03_y.ipynb)"}
    there = json.loads(blank(json.dumps({"cells": [cell]}), ["03_y.ipynb"]))
    assert "".join(there["cells"][0]["source"]) == "see lesson 06 and [lesson 03](03_y.ipynb)"


def test_what_editors_leave_is_not_handed_out(tmp_path: Path) -> None:
    for name in ("a.py", "a.py~", "a.py.orig", "__pycache__/a.pyc", ".ipynb_checkpoints/a.ipynb", "x.egg-info/a"):
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text("")
    assert list(files_of(tmp_path, ["src"])) == ["src/a.py"]


def test_the_package_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sources_without_solutions", lambda after=None, only=None: {"03": "# three\n"})
    with package_without_solutions() as folder:
        assert [path.read_text() for path in folder.glob("nonlin/lessons/*/exercises.py")] == ["# three\n"]
        assert (folder / "nonlin" / "__main__.py").is_file()
    assert not folder.exists()


# Wrong input


def refused(words: list[str], capsys: pytest.CaptureFixture) -> str:
    try:
        code = main(["hand-out", *words])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert code in (1, 2), said
    return said


@folded(
    ("words", "sentence"),
    [
        (["{new}", "--lessons", "99"], "no lesson is called '99'"),
        (["{full}"], "is there already and not empty"),
        (["{file}"], "is there already and not empty"),
        (["{file}/x"], "cannot be a new folder|nothing can be written"),
        (["{inside}"], "lies in the course itself"),
        (["/proc/x"], "nothing can be written"),
        (["{new}" + "x" * 300], "cannot be|nothing can be"),
        (["{new}", "--solutions-after", "24.12.2030"], "written as 2030-12-24"),
        (["{new}", "--solutions-after", "2030-02-30"], "written as 2030-12-24"),
        (["{new}", "--solutions-after", "2020-12-24"], "a day to come"),
        (["{new}", "--solutions-after", "2030-12-24", "--no-solutions"], "not allowed with"),
        ([""], "is empty"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "full").mkdir(exist_ok=True)
    (tmp_path / "full" / "file").write_text("")
    places = {"new": tmp_path / "new", "full": tmp_path / "full", "file": tmp_path / "full" / "file"}
    said = refused([word.format(**places, inside=ROOT / "handed-out") for word in words], capsys)
    assert re.search(sentence, said)
    assert said.count(". ") <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_what_fails_midway_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "new") as part:
            (part / "file").write_text("half")
            raise error

    with pytest.raises((ReaderError, type(error))):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize("make", ["new_folder(Path({place!r}) / 'new')", "scratch_folder('trial')"])
def test_what_a_killed_process_left_is_removed_by_the_next(
    make: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""if True:
        import os, signal
        from pathlib import Path
        from nonlin.desk.new_folder import new_folder, scratch_folder
        with {make.format(place=str(tmp_path))} as part:
            (part / "file").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)"""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.name != "new"
    with new_folder(tmp_path / "new") if "new" in make else scratch_folder("trial") as part:
        assert part.is_dir()
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["new"] * ("new" in make)


def test_two_that_make_the_same_folder_do_not_mix(tmp_path: Path) -> None:
    def both() -> None:
        with new_folder(tmp_path / "new"), new_folder(tmp_path / "new") as inner:
            (inner / "file").write_text("")

    with pytest.raises(ReaderError, match="not empty"):
        both()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "file"]
