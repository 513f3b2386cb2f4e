"""What every lesson is built of: a core path that fits, predictions, exercises where they belong, terms, an order."""

import ast
import re
from collections.abc import Iterable

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from nonlin.lessons import EXERCISES, NEEDS, TOPICS, glossary
from nonlin.minutes import FURTHER, HIDDEN, LID, Section, core, sections, write_minutes
from nonlin.notebooks import LESSONS

NOTEBOOKS = {path.stem[:2]: nbformat.read(path, as_version=4) for path in sorted(LESSONS.glob("*.ipynb"))}
every_lesson = pytest.mark.parametrize("number", NOTEBOOKS)
NAME = re.compile(r'(predict|outcome)\(\s*"(\d\d[a-z])"')

NAMES = ("Adam", "Hardswish", "I", "Mish", "Sine", "Softplus", "Swish", "Xavier")

DOTTED = re.compile(r"`([a-z_]\w*)\.(?!(?:json|py|csv|md)\b)\w[\w.]*[(`]")


def text(number: str) -> str:
    return "\n".join(cell.source for cell in NOTEBOOKS[number].cells if cell.cell_type == "markdown")


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code(section: Section) -> list[nbformat.NotebookNode]:
    return [cell for cell in section.cells if cell.cell_type == "code"]


def tree(cell: nbformat.NotebookNode) -> ast.Module:
    return ast.parse(TransformerManager().transform_cell(cell.source))


@every_lesson
def test_the_core_path_fits_into_its_hour(number: str) -> None:
    minutes = core(NOTEBOOKS[number])
    least, most = (0, 25) if number == "00" else (45, 60)
    assert least <= minutes <= most, f"the core path takes {minutes} minutes, and should take {least} to {most}"


@every_lesson
def test_the_minutes_said_are_those_computed(number: str) -> None:
    fresh = nbformat.from_dict(NOTEBOOKS[number])
    before = [cell.source for cell in fresh.cells]
    write_minutes(fresh)
    assert [cell.source for cell in fresh.cells] == before
    assert re.search(r"^\*\d+ minutes", fresh.cells[0].source, re.MULTILINE)


@every_lesson
def test_assertions_and_answers_are_folded_at_the_end_of_their_section(number: str) -> None:
    for section in sections(NOTEBOOKS[number]):
        hidden = [cell for cell in code(section) if HIDDEN in tags(cell)]
        assert hidden in ([], code(section)[-1:]), section.title
        assert all(cell.metadata["jupyter"] == {"source_hidden": True} for cell in hidden)
        assert all(cell.source.startswith(LID) for cell in hidden), "its first line can be read although it is folded"
        for cell in code(section):
            if cell not in hidden:
                assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree(cell))), cell.source
                assert "outcome(" not in cell.source, cell.source


@every_lesson
def test_a_prediction_is_asked_before_and_answered_in_its_section(number: str) -> None:
    names = []
    for section in sections(NOTEBOOKS[number]):
        calls = [call for cell in code(section) for call in NAME.findall(cell.source)]
        asked = [name for kind, name in calls if kind == "predict"]
        answered = [name for kind, name in calls if kind == "outcome"]
        assert sorted(asked) == sorted(answered), f"{section.title}: asks for {asked}, and answers {answered}"
        names += asked
    assert names == [f"{number}{letter}" for letter in "abcdefghijklmnop"[: len(names)]]
    assert 2 <= len(names) <= 8, f"a lesson asks for two to eight predictions, this one for {len(names)}"


@every_lesson
def test_exercises_stand_behind_the_sections_they_belong_to(number: str) -> None:
    found = sections(NOTEBOOKS[number])
    places = [place for place, section in enumerate(found) if re.match(r"Exercise \d\d\.", section.title)]
    own = [exercise for exercise in EXERCISES if exercise.startswith(number)]
    least = 3 if number == "00" else 4
    assert len(own) >= least, f"a lesson has at least {least} exercises, this one {len(own)}"
    assert any("Find the bug" in found[place].title for place in places), "no exercise is called Find the bug"
    titles = [section.title for section in found]
    assert "Quiz" in titles, 'no section is called "Quiz"'
    last_idea = max(place for place in range(titles.index("Quiz")) if place not in places)
    assert sum(place < last_idea for place in places) >= len(places) / 2, "most exercises wait until the end"


@every_lesson
def test_every_section_runs_without_what_goes_further_elsewhere(number: str) -> None:
    core = names_of(cell for section in sections(NOTEBOOKS[number]) if not section.further for cell in code(section))
    further = [section for section in sections(NOTEBOOKS[number]) if section.further]
    own = [names_of(code(section)) for section in further]
    strange = set().union(*(made for made, _ in own)) - core[0]
    assert core[1] & strange == set()
    for section, (made, needed) in zip(further, own, strict=True):
        assert needed & (strange - made) == set(), f"{section.title} uses names of another section that is folded"


@every_lesson
def test_what_a_text_calls_by_a_dotted_name_can_be_typed(number: str) -> None:
    made, _ = names_of(cell for section in sections(NOTEBOOKS[number]) for cell in code(section))
    unknown = [name for name in DOTTED.findall(text(number)) if name not in made]
    assert unknown == [], "the lesson neither imports nor makes these"


def names_of(cells: Iterable[nbformat.NotebookNode]) -> tuple[set[str], set[str]]:
    """The names that cells make, and those that they use."""
    made, needed = set(), set()
    for node in (node for cell in cells for node in ast.walk(tree(cell))):
        if isinstance(node, ast.Name):
            (made if isinstance(node.ctx, ast.Store) else needed).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    return made, needed


@every_lesson
def test_what_goes_further_is_folded(number: str) -> None:
    for cell in NOTEBOOKS[number].cells:
        folded = cell.metadata.get("jp-MarkdownHeadingCollapsed", False)
        assert folded == (cell.cell_type == "markdown" and cell.source.startswith(FURTHER))


@every_lesson
def test_a_lesson_asks_for_earlier_ones_only(number: str) -> None:
    assert set(NEEDS) == set(TOPICS)
    assert all(needed < number for needed in NEEDS[number])
    [before] = re.findall(r"^\*.*Before this: (.*)$", NOTEBOOKS[number].cells[0].source, re.MULTILINE)
    assert tuple(sorted(re.findall(r"\]\((\d\d)_\w+\.ipynb\)", before))) == NEEDS[number]


def test_each_lesson_leads_to_the_next() -> None:
    names = [path.name for path in sorted(LESSONS.glob("*.ipynb"))]
    for number, following in zip(NOTEBOOKS, names[1:], strict=False):
        leads = re.findall(r"^Next: [^(]*\((.*?)\)", text(number), re.MULTILINE)
        assert leads == [following], f"lesson {number} leads to {leads}: it should say Next: [...]({following})"


def test_each_term_is_explained_in_bold_in_its_lesson() -> None:
    for term, (number, said) in glossary().items():
        shown = "\n".join([text(number), *(cell.source for cell in NOTEBOOKS[number].cells if HIDDEN in tags(cell))])
        assert re.search(rf"\*\*[^*]*{re.escape(term)}[^*]*\*\*", shown, re.IGNORECASE), f"{number}: {term}"
        assert said.endswith(".")


@every_lesson
def test_options_and_bugs_to_find_have_one_form_in_all_lessons(number: str) -> None:
    cells = NOTEBOOKS[number].cells
    options = [line for cell in cells for line in re.findall(r"^- [a-d]\) (.*)$", cell.source, flags=re.MULTILINE)]
    capital = rf"(?!(?:{'|'.join(NAMES)})\b)[A-Z][a-z]*\b"  # of a word that is no name
    assert [option for option in options if option.endswith((".", ";")) or re.match(capital, option)] == []
    for cell in cells:
        for call, rest in re.findall(r'^check\("([\d.]+)", \.\.\.\)(.*)$', cell.source, flags=re.MULTILINE):
            if rest:
                name = re.search(r"^  # when you have mended it, pass (\w+) instead of the dots$", rest)
                assert name is not None, call
                assert f"def {name[1]}(" in cell.source, call
    assert not [cell.id for cell in cells if re.search(r"\d%|:\.\d%\}", cell.source)], (
        "a number stands apart from its %"
    )
