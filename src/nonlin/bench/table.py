"""The benchmark's rows as a file that can be committed, and the tables of the README and the results made from it."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nonlin.bench.cost import FORMS, Spread, Timing
from nonlin.files import read_table, write_json, write_whole
from nonlin.lab import runs

FILE, ABOUT = "speed.csv", "about.json"
COLUMNS = ("dtype", "threads", "shape", "activation", "measure", "low", "median", "high")
TRAINING, IN_PLACE, INFERENCE = "forward and backward", "forward and backward, in place", "inference"
OURS, THEIRS = "ours, in copies", "torch.nn, in copies"


@dataclass(frozen=True)
class Setting:
    """What one table of the benchmark holds for.

    Args:
        dtype: ``"float32"``, say.
        threads: of the processor; 0 stands for a graphics processor.
        shape: of the tensor.
    """

    dtype: str
    threads: int
    shape: tuple[int, ...]


Rows = Mapping[Setting, Mapping[str, Mapping[str, Spread]]]  # setting, activation, measure


def measures(timing: Timing) -> dict[str, Spread]:
    """What was measured of one activation, by the names of the table."""
    found = {
        TRAINING: timing.both,
        IN_PLACE: timing.in_place,
        INFERENCE: timing.inference,
        **timing.forms,
        OURS: timing.copies,
        THEIRS: timing.their_copies,
    }
    return {measure: spread for measure, spread in found.items() if spread is not None}


def write(rows: Rows, folder: Path, command: str) -> None:
    """Write the rows, and how they came about, into a folder, which is made if missing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for setting, activations in rows.items():
        where = (setting.dtype, setting.threads, " ".join(map(str, setting.shape)))
        for name, found in activations.items():
            for measure, s in found.items():
                writer.writerow((*where, name, measure, *(f"{value:.4g}" for value in (s.low, s.median, s.high))))
    write_whole(folder / FILE, text.getvalue())
    write_json(folder / ABOUT, {"command": command, **runs.environment()})


def read(folder: Path) -> Rows:
    """What `write` wrote.

    Raises:
        FileError: if there is no such table.
    """
    rows: dict[Setting, dict[str, dict[str, Spread]]] = {}
    for dtype, threads, shape, name, measure, *spread in read_table(folder / FILE, needs=COLUMNS)[1:]:
        setting = Setting(dtype, int(threads), tuple(map(int, shape.split())))
        rows.setdefault(setting, {}).setdefault(name, {})[measure] = Spread(*map(float, spread))
    return rows


def mean(rows: Rows, setting: Setting, measure: str) -> float:
    """The geometric mean of the medians, over the activations that have the measure."""
    return math.exp(statistics.fmean(math.log(each[measure].median) for each in _having(rows[setting], measure)))


def _having(activations: Mapping[str, Mapping[str, Spread]], measure: str) -> list[Mapping[str, Spread]]:
    return [found for found in activations.values() if measure in found]


def largest(rows: Rows, setting: Setting, measure: str = TRAINING) -> tuple[str, Spread]:
    """The activation with the largest median."""
    named = [(name, found[measure]) for name, found in rows[setting].items() if measure in found]
    return max(named, key=lambda each: each[1].median)


def summary(rows: Rows) -> str:
    """Ours / torch.nn, geometric mean and largest, in Markdown: each dtype and number of threads, then the rest."""
    settings = dict.fromkeys((s.dtype, s.threads) for s in rows)
    dtype, threads = first = next(iter(settings))
    lines = _head(["ours / torch.nn: geometric mean (largest)", *map(str, _shapes(rows))])
    lines += [_row(f"{TRAINING}, {d}, {_threads(n)}", rows, (d, n), TRAINING) for d, n in settings]
    for measure in (IN_PLACE, INFERENCE):
        there = len(_having(rows[next(iter(rows))], measure))
        if there:
            lines.append(_row(f"{measure}, {there} activations, {dtype}, {_threads(threads)}", rows, first, measure))
    return "\n".join(lines)


def _shapes(rows: Rows) -> list[tuple[int, ...]]:
    return list(dict.fromkeys(setting.shape for setting in rows))


def _threads(number: int) -> str:
    return {0: "on the card", 1: "one thread"}.get(number, f"{number} threads")


def _row(label: str, rows: Rows, setting: tuple[str, int], measure: str) -> str:
    cells = []
    for shape in _shapes(rows):
        where = Setting(*setting, shape)
        name, spread = largest(rows, where, measure)
        cells.append(f"**{mean(rows, where, measure):.2f}** ({name} {spread.median:.2f})")
    return f"| {label} | {' | '.join(cells)} |"


def forms(rows: Rows) -> str:
    """Each form of ours / torch.nn, forward and backward, in the first setting of each shape, in Markdown."""
    there = [form for form in FORMS if all(_having(activations, form) for activations in rows.values())]
    lines = _head(["each form / torch.nn, geometric mean", *there])
    for shape in _shapes(rows):
        setting = next(s for s in rows if s.shape == shape)
        lines.append(f"| {shape} | {' | '.join(f'{mean(rows, setting, form):.2f}' for form in there)} |")
    return "\n".join(lines)


def _head(columns: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
