"""Cells of a learner's copy, merged with those of an updated course. Cells are known by their ids.

Three states of each cell are compared: as the course had it when the copy was made (base), as the learner has it now
(mine), and as the course has it now (new). What one of the two alone has changed is taken from that one. Where both
have, in lines apart, the lines of both are taken; else both cells are kept, with a note between. All lessons are merged
together, since a cell may have moved from one to another, as when a lesson is renamed, split, or merged with another.
"""

import ast
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

Cell = dict[str, Any]
Lessons = Mapping[str, Sequence[Cell]]  # the cells of each, by the name of its file
Alike = Callable[[Cell, Cell], bool]

NOTES = {
    "both": "**The course has changed this cell, and so have you.** Above is yours, below the course's: keep what you"
    " like, and delete the rest, with this note.",
    "removed": "**The course no longer has the cell below, which you have changed.** It is yours.",
    "back": "**The course has changed the cell below, which you had deleted.** If you do not want it, delete it again.",
}
COURSES, NOTE = "-course", "-note"  # what the ids of cells that a merge adds end in
ALIKE = 0.6  # how similar two texts are, from 0 to 1, to be taken for one cell, where ids are lost


def text(cell: Cell) -> str:
    """The source of a cell, which a file may hold as one text or as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def content(cell: Cell) -> tuple[Any, ...]:
    """What somebody typed or pasted into a cell: its kind, its text, its pictures."""
    return cell.get("cell_type"), text(cell), cell.get("attachments") or {}


def merge(base: Lessons, mine: Lessons, new: Lessons) -> dict[str, list[Cell]]:
    """The cells of each lesson of the updated course, with all that the learner changed or added.

    Args:
        base: what the course held when the learner's copies were made; a lesson that is missing here was not copied,
            or it is not known any more as what.
        mine: the learner's copies; cells may lack ids, or share them.
        new: what the course holds now.

    Returns:
        One list for each lesson of ``new``. A learner's lesson of which nothing is left in the course has no part in
        it: `homeless` tells which.
    """
    return _Merge(base, mine, new).lessons()


def homeless(base: Lessons, mine: Lessons, new: Lessons) -> set[str]:
    """The learner's lessons that the course neither has any more, nor any cell of them."""
    merging = _Merge(base, mine, new)
    return {name for name, cells in merging.mine.items() if name not in new and not merging.homes(name, cells)}


class _Merge:
    def __init__(self, base: Lessons, mine: Lessons, new: Lessons) -> None:
        self.base = {name: {cell["id"]: cell for cell in cells} for name, cells in base.items()}
        self.new = {name: {cell["id"]: cell for cell in cells} for name, cells in new.items()}
        self.place = {id: name for name, cells in reversed(self.new.items()) for id in cells}
        self.mine = {name: self._known(name, cells) for name, cells in mine.items()}
        # What belongs to each cell of the course: the learner's own form of it, and what he added behind it.
        self.versions: dict[tuple[str, str], list[tuple[str, Cell]]] = defaultdict(list)
        self.behind: dict[tuple[str, str], list[Cell]] = defaultdict(list)  # "" is the beginning of a lesson

    def _known(self, name: str, cells: Sequence[Cell]) -> list[Cell]:
        """The learner's cells with one id each, by which the course knows those that are its own."""
        base = self.base.get(name, {})
        ids = {cell.get("id") for cell in cells}
        known = []
        for cell in with_ids(cells, base):
            original, _, kind = cell["id"].rpartition("-")
            if kind == "course" and original and original not in ids:  # he deleted his own, and kept the course's
                cell = cell | {"id": original}
            known.append(cell)
        return known

    def home(self, name: str, cell: Cell) -> str | None:
        """The lesson that now holds a cell which the learner has in his lesson of this name; None for a cell of his."""
        id = cell["id"]
        if id in self.new.get(name, {}):
            return name
        return self.place.get(id) if id in self.base.get(name, {}) else None

    def homes(self, name: str, cells: Iterable[Cell]) -> list[str]:
        return [home for cell in cells if (home := self.home(name, cell))]

    def lessons(self) -> dict[str, list[Cell]]:
        for name in sorted(self.mine, key=lambda name: name not in self.new):
            self._sort(name)
        return {name: unique(self._lesson(name)) for name in self.new}

    def _sort(self, name: str) -> None:
        """Note for each of the learner's cells where it goes: to a cell of the course, or behind one."""
        cells, base = self.mine[name], self.base.get(name, {})
        first = name if name in self.new else next(iter(self.homes(name, cells)), None)
        if first is None:
            return
        anchor = (first, "")
        for cell in cells:
            if home := self.home(name, cell):
                anchor = (home, cell["id"])
                self.versions[anchor].append((name, cell))
            elif not self._generated(name, cell):
                self.behind[anchor] += self._own(cell, base)

    def _generated(self, name: str, cell: Cell) -> bool:
        """Whether a former merge made the cell, and this one makes it again if it is still needed."""
        original, _, kind = cell["id"].rpartition("-")
        base = self.base.get(name, {}).get(original)
        if base is None or kind != "course":
            return base is not None and kind == "note" and text(cell) in NOTES.values()
        home = self.home(name, {"id": original})  # a merge that was broken off had put the new form there
        return content(cell) in [content(base), content(self.new[home][original]) if home else None]

    @staticmethod
    def _own(cell: Cell, base: Mapping[str, Cell]) -> list[Cell]:
        """A cell that the course does not have (any more)."""
        original = base.get(cell["id"])
        if original is None:
            return [cell]
        return [] if content(cell) == content(original) else [note(cell["id"], "removed"), cell]

    def _lesson(self, name: str) -> list[Cell]:
        cells = list(self.behind[name, ""])
        for id, new in self.new[name].items():
            versions = self.versions[name, id]
            former, mine = versions[0] if versions else (None, None)
            base = self.base.get(former, {}).get(id) if former else self._deleted(name, id)
            cells += decide(base, mine, new, shown=former is not None and self._shown(former, id))
            for other, version in versions[1:]:  # the same cell in a second lesson of his
                seen = (mine, new, self.base.get(other, {}).get(id))
                if content(version) not in [content(each) for each in seen if each]:
                    cells.append(version)
            cells += self.behind[name, id]
        return cells

    def _deleted(self, name: str, id: str) -> Cell | None:
        """The cell as it was before the learner deleted it, or None if he never had it."""
        former = (each for each in self.mine if id in self.base.get(each, {}))
        return next((self.base[each][id] for each in former if self.home(each, {"id": id}) == name), None)

    def _shown(self, name: str, id: str) -> bool:
        return any(cell["id"] == f"{id}{COURSES}" and self._generated(name, cell) for cell in self.mine[name])


def decide(base: Cell | None, mine: Cell | None, new: Cell, *, shown: bool = False) -> list[Cell]:
    """What becomes of one cell of the course.

    Args:
        base: as it was when the copy was made, None if it was not there.
        mine: as the learner has it, None if he does not.
        new: as it is now.
        shown: whether the course's form of it already stands beside the learner's.
    """
    if mine is None:
        if base is None:
            return [new]
        return [] if content(base) == content(new) else [note(new["id"], "back"), new]
    kept = mine | {"metadata": _either(base or {}, mine, new, "metadata")}
    if content(mine) == content(new):
        return [kept]
    if base is not None and content(mine) == content(base):
        return [new]
    beside = [kept, note(new["id"], "both"), new | {"id": new["id"] + COURSES}]
    if base is not None and content(base) == content(new):
        return beside if shown else [kept]
    together = _together(base, mine, new) if base else None
    return beside if together is None else [fresh(kept | {"source": together})]


def _either(base: Cell, mine: Cell, new: Cell, key: str) -> Any:
    """The learner's, if he alone has changed it, else the course's."""
    return mine.get(key) if base.get(key) == new.get(key) and key in mine else new.get(key)


def _together(base: Cell, mine: Cell, new: Cell) -> str | None:
    """The text with the lines that either has changed, or None where they would meet or no code would come of it."""
    kinds = {cell["cell_type"] for cell in (base, mine, new)}
    if len(kinds) > 1 or new.get("attachments") != base.get("attachments"):
        return None
    joined = merge_lines(text(base), text(mine), text(new))
    if joined is None or (kinds == {"code"} and _is_code(text(mine)) and not _is_code(joined)):
        return None
    return joined


def merge_lines(base: str, mine: str, new: str) -> str | None:
    """A text with the changes of both, or None if two of them overlap or touch each other."""
    lines, *others = (re.split(r"\r?\n", each) for each in (base, mine, new))  # str.splitlines knows other ends, too
    changes = sorted({change for other in others for change in _changes(lines, other)})
    if any(after[0] <= before[1] for before, after in pairwise(changes)):
        return None
    for begin, end, instead in reversed(changes):
        lines[begin:end] = instead
    return "\n".join(lines)


def _changes(before: list[str], after: list[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    found = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(i, j, tuple(after[k:m])) for kind, i, j, k, m in found if kind != "equal"]


def _is_code(source: str) -> bool:
    plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)  # what only IPython understands
    try:
        ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def note(id: str, kind: str) -> Cell:
    """A cell that tells the learner why two cells stand beside each other."""
    return {"cell_type": "markdown", "id": f"{id}{NOTE}", "metadata": {}, "source": NOTES[kind]}


def fresh(cell: Cell) -> Cell:
    """The same cell as if it had never been run."""
    return cell | {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell


def unique(cells: Iterable[Cell]) -> list[Cell]:
    """The same cells with valid ids, each its own; the first of several with one id keeps it.

    A cell that is there twice, id and all, is dropped once: a merge that was broken off had written it.
    """
    taken: dict[str, Cell] = {}
    for cell in cells:
        id = cell.get("id")
        if id in taken and content(cell) == content(taken[id]):
            continue
        if not isinstance(id, str) or not re.fullmatch(r"[\w-]{1,64}", id, re.ASCII) or id in taken:
            id = secrets.token_hex(4)
        taken[id] = cell | {"id": id}
    return list(taken.values())


def with_ids(cells: Sequence[Cell], base: Mapping[str, Cell]) -> list[Cell]:
    """The same cells, each with an id of its own; those of the course by their text, where their ids are lost.

    Some programs drop ids, or give new ones. An added cell gets, or keeps, one that the course does not know.
    """
    ids: list[str | None] = []
    for cell in cells:
        id = cell.get("id")
        ids.append(id if isinstance(id, str) and id and id not in ids else None)
    missing = [id for id in base if id not in ids]
    for alike in (lambda a, b: content(a) == content(b), _similar):
        _adopt(cells, ids, base, missing, alike)
    return [cell | {"id": id or secrets.token_hex(4)} for cell, id in zip(cells, ids, strict=True)]


def _adopt(
    cells: Sequence[Cell], ids: list[str | None], base: Mapping[str, Cell], missing: list[str], alike: Alike
) -> None:
    """Give, in place, the missing ids to those unknown cells that are like the cells of the course, in their order."""
    order = {id: place for place, id in enumerate(base)}
    for place, cell in enumerate(cells):
        if ids[place] in base or not text(cell).strip():
            continue
        before = max((order[id] for id in ids[:place] if id in order), default=-1)
        behind = min((order[id] for id in ids[place + 1 :] if id in order), default=len(order))
        if found := next((id for id in missing if before < order[id] < behind and alike(cell, base[id])), None):
            ids[place] = found
            missing.remove(found)


def _similar(cell: Cell, original: Cell) -> bool:
    if cell["cell_type"] != original["cell_type"]:
        return False
    matcher = SequenceMatcher(None, text(cell), text(original), autojunk=False)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE
