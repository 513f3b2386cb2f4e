"""The lessons as pages, made from the stored notebooks: folded, with predictions and quizzes to be answered there."""

import ast
import base64
import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbformat import NotebookNode

from nonlin.errors import ReaderError
from nonlin.lessons import EXERCISES
from nonlin.minutes import HIDDEN, LID
from nonlin.notebooks import read
from nonlin.site.markdown import COLOUR, Pages, code, directive, escaped, fold, image, links, plain, raw

_NOTEBOOK = re.compile(r"\]\((\d\d_\w+)\.ipynb")
_ELSEWHERE = {"../docs/cheat_sheet.png": "../_static/cheat_sheet.svg", "../data/results/README.md": "../runs.md"}
_WORDS = re.compile(r"<details><summary>This figure in words</summary>(.*)</details>", re.DOTALL)


def pages(paths: Sequence[Path]) -> Pages:
    """A page for each notebook, and its figures."""
    written: dict[str, str | bytes] = {}
    for path in paths:
        notebook = read(path)
        lesson = _Lesson(path.stem)
        body = "\n\n".join(filter(None, map(lesson.cell, notebook.cells)))
        head = links(f"notebooks/{path.name}", runs=True)
        written[f"notebooks/{path.stem}.md"] = body.replace("\n\n", f"\n{head}\n", 1) if head else body
        written |= lesson.figures
    return written


class _Lesson:
    """One notebook on its way to a page: the figures found so far, and the predictions that are not resolved yet."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.figures: dict[str, bytes] = {}
        self.open: list[str] = []

    def cell(self, cell: NotebookNode) -> str:
        return _linked(cell.source) if cell.cell_type == "markdown" else self._code(cell)

    def _code(self, cell: NotebookNode) -> str:
        calls = {call.func.id: call for call in _calls(cell.source)}
        if "predict" in calls:
            return self._prediction(calls["predict"])
        shown = "".join(self._outputs(cell))
        waits = " ".join(f"await-{name}" for name in self.open)
        if "outcome" in calls:
            self.open = [name for name in self.open if name != calls["outcome"].args[0].value]
        if shown:
            shown = directive("container", f"output {waits}", shown)
        if "quiz" in calls:
            return shown
        source = code(cell.source)
        if "check" in calls:
            number = calls["check"].args[0].value
            return source + _help(number)
        if HIDDEN in cell.metadata.get("tags", []):
            asserted = code(cell.source.removeprefix(LID).lstrip("\n"))
            return directive("fold", LID.lstrip("# "), asserted, **{"class": "assertions"}) + shown
        return source + shown

    def _prediction(self, call: ast.Call) -> str:
        name, choices = call.args[0].value, call.args[2].value if len(call.args) > 2 else ""
        self.open.append(name)
        return raw(f'<fieldset class="predict" data-name="{name}" data-choices="{choices}"></fieldset>')

    def _outputs(self, cell: NotebookNode) -> Iterator[str]:
        outputs, printed = list(cell.outputs), ""
        for place, output in enumerate(outputs):
            if output.output_type == "stream":
                printed += output.text
                continue
            if printed:
                yield code(COLOUR.sub("", printed), "text")
                printed = ""
            after = outputs[place + 1] if place + 1 < len(outputs) else None
            yield self._output(cell, output, after)
        if printed:
            yield code(COLOUR.sub("", printed), "text")

    def _output(self, cell: NotebookNode, output: NotebookNode, after: NotebookNode | None) -> str:
        data = output.data
        if "image/png" in data:
            words = _WORDS.search(after.data["text/html"]) if after and "text/html" in after.get("data", {}) else None
            if words is None:
                raise ReaderError(f"{self.stem}: the figure of the cell {cell.id} has no words: refresh the lesson")
            name = f"{self.stem}-{cell.id}-{len(self.figures)}.png"
            self.figures[f"_static/figures/{name}"] = base64.b64decode(data["image/png"])
            return image(f"../_static/figures/{name}", "\n".join(map(plain, words[1].split("</p>"))).strip())
        if "text/html" in data:
            return "" if _WORDS.fullmatch(data["text/html"]) else raw(data["text/html"])
        return (
            f"\n\n{_linked(data['text/markdown'])}\n\n" if "text/markdown" in data else code(data["text/plain"], "text")
        )


def _calls(source: str) -> Iterator[ast.Call]:
    """The calls of functions by their plain names; none in what only IPython can read."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))


def _help(number: str) -> str:
    """Hints, solution and remark of an exercise, each folded."""
    exercise = EXERCISES[number]
    hints = "".join(fold(f"Hint {n}", escaped(hint)) for n, hint in enumerate(exercise.hints, 1))
    remark = f"\n\n{escaped(exercise.remark)}\n" if exercise.remark else ""
    return hints + fold(f"Solution of exercise {html.escape(number)}", code(exercise.solution_text) + remark)


def _linked(text: str) -> str:
    for old, new in _ELSEWHERE.items():
        text = text.replace(f"]({old}", f"]({new}")
    return _NOTEBOOK.sub(r"](\1.md", text)
