"""A lesson's exercises without what only its author and the check may know: the source of a module, written anew.

It is made from the module's own source, so that a hand-out cannot drift from the course. What stays are the numbers,
titles and probes of the exercises, and what these need; solutions, mistakes, hints, remarks and the quiz are sealed.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from nonlin.errors import ReaderError
from nonlin.exercises import Exercise, Quiz
from nonlin.exercises.key import sealed
from nonlin.exercises.quiz import sealed_quiz
from nonlin.exercises.sealed import seal

EMPTY = {"solution": "None", "mistakes": "()", "remark": "''"}
IMPORTS = """\
from nonlin.exercises.quiz import unsealed_quiz
from nonlin.exercises.sealed import unsealed_hints
"""
HEAD = "# Made for a hand-out from the course's own file.\n"


def without_solutions(source: str, exercises: Mapping[str, Exercise], quiz: Quiz, after: date | None = None) -> str:
    """The source of a module of exercises, without their solutions.

    Args:
        source: of a lesson's ``exercises.py``.
        exercises: what it makes, by number, with their solutions.
        quiz: what it makes of that name.
        after: if given, solutions are sealed, too, and shown from this day on.

    Raises:
        ReaderError: if the probes need a solution, which would have to be handed out with them.
    """
    tree = ast.parse(source)
    calls = [node.value for node in tree.body if isinstance(node, ast.Assign) and _makes(node.value, "Exercise")]
    hidden = {answer for call in calls for answer in _answers(call)}
    for call in calls:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        exercise = exercises[ast.literal_eval(given["number"])]
        sealed_text = sealed(exercise, after)
        hints = ast.Call(_expression("unsealed_hints"), [ast.Constant(seal(exercise.hints))], [])
        replaced = {name: _expression(text) for name, text in EMPTY.items()}
        replaced |= {"hints": hints, "sealed": ast.Constant(sealed_text)}
        call.keywords = [ast.keyword(name, value) for name, value in (given | replaced).items()]
    tree.body[1:1] = ast.parse(IMPORTS).body
    for node in tree.body:
        if isinstance(node, ast.Assign) and _makes(node.value, "Quiz"):
            node.value = ast.Call(_expression("unsealed_quiz"), [ast.Constant(sealed_quiz(quiz))], [])
    kept = list(_kept(tree.body))
    if leaks := hidden & {name for node in kept for name in _bound(node)}:
        raise ReaderError(f"the probes of an exercise need {min(leaks)}, an answer: give them a copy of another name.")
    module = ast.Module([tree.body[0], *map(_without_docstring, kept)], [])
    return HEAD + ast.unparse(ast.fix_missing_locations(module)) + "\n"


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _makes(value: ast.expr, kind: str) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == kind


def _answers(call: ast.Call) -> Iterator[str]:
    """Names of functions that are answers to an exercise, right or wrong."""
    for node in ast.walk(call):
        if isinstance(node, ast.keyword) and node.arg in ("solution", "answer") and isinstance(node.value, ast.Name):
            yield node.value.id


def _kept(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The exercises, the quiz, and the statements that they need, in their order."""
    statements = list(body)
    wanted = {
        name
        for node in statements
        if isinstance(node, ast.Assign) and (_makes(node.value, "Exercise") or _makes(node.value, "unsealed_quiz"))
        for name in _bound(node)
    }
    while new := {name for node in statements if _bound(node) & wanted for name in _used(node)} - wanted:
        wanted |= new
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if _name(alias) in wanted]
        if _bound(node) & wanted:
            yield node


def _name(alias: ast.alias) -> str:
    return (alias.asname or alias.name).partition(".")[0]


def _bound(node: ast.stmt) -> set[str]:
    """Names that a statement of a module makes, or whose value it changes: ``x[-1] = 20``, ``x.zero_()``."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set(map(_name, node.names))
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def _used(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _without_docstring(node: ast.stmt) -> ast.stmt:
    """It may tell what an answer has to do about it."""
    if ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None:
        node.body = node.body[1:] or [ast.Pass()]
    return node
