"""What the runs in a folder say: one row per run, and means with paired differences to ReLU.

`read_runs` collects rows, from a folder of runs or from a table that `write` made; `groups` and `summary` compare them;
the figures are in ``plots/training.py``. Only runs of one group are compared: they differ in nothing but activation,
seed, initialisation and learning rate.
"""

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import torch

from nonlin.errors import ReaderError, reason
from nonlin.intervals import Estimate, mean_interval
from nonlin.lab import runs
from nonlin.lab.runs import Configuration
from nonlin.lab.training import Recipe
from nonlin.paths import write_whole
from nonlin.typography import true_minus

RUNS, SUMMARY, ABOUT = "runs.csv", "summary.csv", "about.json"
SWEEP, FAILURE = "sweep.json", "failure.txt"  # what a sweep leaves in its folder, and in that of a cell that failed
REFERENCE = "relu"  # the activation that all others are compared with
CORRECTION = (
    "Intervals of differences: Student's t over paired seeds, at the confidence 1 - 0.05 / m for the m comparisons of "
    "a table (Bonferroni), so that with a probability of at least 95 % all m hold together. Holm's method, which "
    "rejects a little more, corrects p values and gives no intervals."
)


class ReportError(ReaderError):
    """There is nothing to report, or it cannot be read or written."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finished run.

    Args:
        configuration: of the run; its precision is the one that was used, never "auto".
        test_accuracies: in %, after each epoch. A run that diverged has fewer, and counts with its last one.
        epoch_seconds: wall-clock time of each epoch.
        seconds: of the whole run.
        diverged: whether a loss became infinite or NaN.
        parameters: number of trainable values.
        device: where it ran, and on how many threads.
        observed: what the observer summed up, by name; empty without one.
    """

    configuration: Configuration
    test_accuracies: tuple[float, ...]
    epoch_seconds: tuple[float, ...]
    seconds: float
    diverged: bool
    parameters: int
    device: str
    observed: Mapping[str, float] = field(default_factory=dict)

    @property
    def test_accuracy(self) -> float:
        """After the last epoch, in %."""
        return self.test_accuracies[-1]

    @property
    def seed(self) -> int:
        return self.configuration.recipe.seed

    @property
    def dead_units(self) -> float | None:
        """Share of units that pass no gradient at the end, between 0 and 1; None if nobody looked."""
        dead = [self.observed.get(f"units {status}") for status in ("died", "never alive")]
        return None if None in dead else sum(dead)

    @property
    def times(self) -> tuple[float, ...]:
        """Seconds from the start to the end of each epoch."""
        return tuple(torch.tensor(self.epoch_seconds, dtype=torch.float64).cumsum(0).tolist())

    def accuracy_at(self, seconds: float) -> float | None:
        """Test accuracy after this time, in %, on straight lines between the ends of epochs; None before the first."""
        points = list(zip(self.times, self.test_accuracies, strict=True))
        if seconds < points[0][0]:
            return None
        for (start, before), (end, after) in pairwise(points):
            if start <= seconds < end:
                return before + (after - before) * (seconds - start) / (end - start)
        return self.test_accuracy


# Reading


def read_runs(path: Path) -> list[Row]:
    """All finished runs below a folder, or in a table that `write` made; each configuration once.

    Raises:
        ReportError: if there are none, or they cannot be read.
    """
    path = Path(path)
    rows = _read_table(path) if path.is_file() else [_row(file.parent) for file in sorted(path.rglob(runs.RESULT))]
    if not rows:
        raise ReportError(f"{path} holds no finished run: check the path, or train first.")
    once = {row.configuration: row for row in reversed(rows)}.values()
    return sorted(once, key=lambda row: tuple(_flat(row.configuration).values()))


def _row(folder: Path) -> Row:
    result, configuration = runs.read_result(folder), runs.read_configuration(folder)
    return Row(
        configuration=replace(configuration, precision=result.precision),
        test_accuracies=tuple(epoch.test_accuracy for epoch in result.epochs),
        epoch_seconds=tuple(round(epoch.seconds, 3) for epoch in result.epochs),
        seconds=round(result.seconds, 3),
        diverged=result.diverged,
        parameters=result.parameters,
        device=result.device,
        observed=result.observed,
    )


def missing(path: Path) -> dict[str, str]:
    """The cells of sweeps below a path that have no result, by their folder, each with the reason as far as known."""
    cells = [file.parent / name for file in _sweeps(path) for name in read_sweep(file.parent)["cells"]]
    return {
        cell.relative_to(path).as_posix(): _why_missing(cell) for cell in cells if not (cell / runs.RESULT).exists()
    }


def missing_in_words(path: Path) -> list[str]:
    """What `missing` gives, the cells with one reason together, on lines of up to 100 characters."""
    by_reason: dict[str, list[str]] = {}
    for cell, why in missing(path).items():
        by_reason.setdefault(why, []).append(cell)
    paragraphs = [f"Missing ({why}): {', '.join(cells)}" for why, cells in by_reason.items()]
    options = {"width": 100, "subsequent_indent": "  ", "break_on_hyphens": False, "break_long_words": False}
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, **options)]


def _sweeps(path: Path) -> list[Path]:
    return sorted(Path(path).rglob(SWEEP))


def read_sweep(folder: Path) -> dict[str, list[str]]:
    """The ``commands`` that were given in the folder of a sweep, and the names of all ``cells`` that they ask for."""
    path = Path(folder) / SWEEP
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"commands": [], "cells": []}


def _why_missing(cell: Path) -> str:
    if (cell / FAILURE).exists():
        return (cell / FAILURE).read_text(encoding="utf-8").strip().splitlines()[-1].rstrip(".")
    return "not finished" if (cell / runs.RUN).exists() else "not begun"


# Comparing


def groups(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows that may be compared with each other, by what they have in common, in words."""
    found: dict[Configuration, list[Row]] = {}
    for row in rows:
        found.setdefault(_common(row.configuration), []).append(row)
    words = [_in_words(common) for common in found]
    # Two groups may differ in something that the words leave out.
    titles = [
        title if words.count(title) == 1 else f"{title}, {_details(common)}"
        for title, common in zip(words, found, strict=True)
    ]
    return dict(zip(titles, found.values(), strict=True))


def by_file_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The same groups by names that suit files: ``cnn-depth1-bn``."""
    found: dict[str, list[Row]] = {}
    for members in groups(rows).values():
        c = members[0].configuration
        name = f"{c.network}-depth{c.depth}-{'bn' if c.batch_norm else 'no_bn'}"
        number = sum(other == name or other.startswith(f"{name}-") for other in found) + 1
        found[name if number == 1 else f"{name}-{number}"] = members
    return found


def _common(configuration: Configuration) -> Configuration:
    recipe = replace(configuration.recipe, seed=0, learning_rate=1.0)
    return replace(configuration, activation="", initialisation="torch", recipe=recipe)


def _in_words(configuration: Configuration) -> str:
    epochs = configuration.recipe.epochs
    parts = (
        configuration.data,
        configuration.network,
        f"depth {configuration.depth}",
        "batch norm" if configuration.batch_norm else "no batch norm",
        f"{epochs} epoch{'s' * (epochs > 1)}",
        configuration.precision,
    )
    return ", ".join(parts)


def _details(configuration: Configuration) -> str:
    values = asdict(configuration.recipe) | {"threads": configuration.threads, "images": configuration.fingerprint[:8]}
    hidden = ("epochs", "seed", "learning_rate")
    return ", ".join(f"{name} {value}" for name, value in values.items() if name not in hidden)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of one activation, initialisation and learning rate over all seeds, beside the others of its group.

    Args:
        group: what is compared, in words.
        label: the activation, and of initialisation and learning rate what is not the same in the whole group.
        activation, initialisation, learning_rate: whose runs these are.
        runs: how many.
        diverged: how many of them diverged; they count with their last accuracy.
        mean, lowest, highest: test accuracy after the last epoch, in %, over the runs.
        pairs: seeds that the reference has as well, with the same initialisation and learning rate, or with its own if
            it was run with one of each only.
        difference: mean over those seeds of this accuracy minus the reference's, in points; None for the reference
            itself, or without pairs.
        interval: of the difference, alone, at 95 %; None with fewer than 2 pairs.
        corrected: the same, wider, so that all ``comparisons`` hold together.
        comparisons: differences to the reference in the group.
        seconds: mean time of a run.
        equal_seconds: the mean time of the quickest of the group that did not diverge.
        accuracy_then: mean test accuracy after that time, in %; None if a run had not finished an epoch by then.
        dead_units: mean share at the end, between 0 and 1; None if not observed in every run.
    """

    group: str
    label: str
    activation: str
    initialisation: str
    learning_rate: float
    runs: int
    diverged: int
    mean: float
    lowest: float
    highest: float
    pairs: int
    difference: float | None
    interval: Estimate | None
    corrected: Estimate | None
    comparisons: int
    seconds: float
    equal_seconds: float
    accuracy_then: float | None
    dead_units: float | None


Variant = tuple[str, str, float]  # activation, initialisation, learning rate


def variants(rows: Iterable[Row]) -> dict[Variant, list[Row]]:
    """Rows that differ in their seeds only, by activation, initialisation and learning rate."""
    found: dict[Variant, list[Row]] = {}
    for row in rows:
        c = row.configuration
        found.setdefault((c.activation, c.initialisation, c.recipe.learning_rate), []).append(row)
    return found


def labels(found: Iterable[Variant]) -> dict[Variant, str]:
    """A name for each variant: its activation, and of the rest what is not the same for all."""
    found = list(found)
    schemes, rates = ({variant[place] for variant in found} for place in (1, 2))
    return {
        (activation, scheme, rate): ", ".join(
            [activation, *([scheme] if len(schemes) > 1 else []), *([f"rate {rate:g}"] if len(rates) > 1 else [])]
        )
        for activation, scheme, rate in found
    }


def summary(rows: Iterable[Row], *, reference: str = REFERENCE) -> list[Summary]:
    """One entry per activation, initialisation and learning rate, the best mean of each group first.

    Args:
        rows: of one or more groups.
        reference: the activation that others are compared with.
    """
    return [entry for title, members in groups(rows).items() for entry in _summary_of_group(title, members, reference)]


def _summary_of_group(title: str, rows: list[Row], reference: str) -> list[Summary]:
    found = variants(rows)
    differences = {
        variant: _differences(members, _reference_runs(variant, found, reference))
        for variant, members in found.items()
        if variant[0] != reference
    }
    comparisons = sum(bool(values) for values in differences.values())
    # A run that diverged has stopped early: it is no measure of speed.
    whole = [members for members in found.values() if not any(row.diverged for row in members)]
    equal_seconds = min(_mean([row.seconds for row in members]) for members in whole or found.values())
    entries = [
        _entry((title, label), variant, found[variant], differences.get(variant, []), comparisons, equal_seconds)
        for variant, label in labels(found).items()
    ]
    return sorted(entries, key=lambda entry: -entry.mean)


def _reference_runs(variant: Variant, found: Mapping[Variant, list[Row]], reference: str) -> list[Row]:
    """The reference's runs with the same initialisation and rate, or else the only ones that it has.

    The latter is the case where each activation runs at the rate that suits it best.
    """
    own = {candidate: rows for candidate, rows in found.items() if candidate[0] == reference}
    if len(own) == 1:
        return next(iter(own.values()))
    return own.get((reference, *variant[1:]), [])


def _differences(rows: list[Row], reference: list[Row]) -> list[float]:
    """Accuracy minus that of the reference for each seed that both have."""
    of_reference = {row.seed: row.test_accuracy for row in reference}
    return [row.test_accuracy - of_reference[row.seed] for row in rows if row.seed in of_reference]


def _entry(
    names: tuple[str, str],
    variant: Variant,
    rows: list[Row],
    differences: list[float],
    comparisons: int,
    equal_seconds: float,
) -> Summary:
    accuracies = [row.test_accuracy for row in rows]
    (group, label), (activation, initialisation, learning_rate) = names, variant
    return Summary(
        group=group,
        label=label,
        activation=activation,
        initialisation=initialisation,
        learning_rate=learning_rate,
        runs=len(rows),
        diverged=sum(row.diverged for row in rows),
        mean=_mean(accuracies),
        lowest=min(accuracies),
        highest=max(accuracies),
        pairs=len(differences),
        difference=_mean(differences),
        interval=_interval(differences, 0.05),
        corrected=_interval(differences, 0.05 / max(1, comparisons)),
        comparisons=comparisons,
        seconds=_mean([row.seconds for row in rows]),
        equal_seconds=equal_seconds,
        accuracy_then=_mean([row.accuracy_at(equal_seconds) for row in rows]),
        dead_units=_mean([row.dead_units for row in rows]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """None if there are no values, or one is None."""
    return sum(values) / len(values) if values and None not in values else None


def _interval(values: list[float], error: float) -> Estimate | None:
    return mean_interval(torch.tensor(values), confidence=1 - error) if len(values) > 1 else None


# In words, for a terminal of 100 columns


def table(entries: Sequence[Summary]) -> str:
    """The entries of one or more groups, each as a table with its notes."""
    by_group: dict[str, list[Summary]] = {}
    for entry in entries:
        by_group.setdefault(entry.group, []).append(entry)
    return "\n\n".join(_table_of_group(title, members) for title, members in by_group.items())


def _table_of_group(title: str, entries: list[Summary]) -> str:
    seconds = entries[0].equal_seconds
    columns: dict[str, Callable[[Summary], str]] = {"activation": lambda e: e.activation}
    if len({e.initialisation for e in entries}) > 1:
        columns["weights"] = lambda e: e.initialisation
    if len({e.learning_rate for e in entries}) > 1:
        columns["rate"] = lambda e: f"{e.learning_rate:g}"
    columns |= {
        "runs": lambda e: str(e.runs),
        "mean": lambda e: f"{e.mean:.2f}{'†' * bool(e.diverged)}",
        "range": lambda e: f"{e.lowest:.1f}–{e.highest:.1f}" if e.runs > 1 else "",
        f"minus {REFERENCE}": _difference_in_words,
        f"{seconds:.3g} s": lambda e: "–" if e.accuracy_then is None else f"{e.accuracy_then:.1f}",
    }
    if any(e.dead_units is not None for e in entries):
        columns["dead"] = lambda e: "–" if e.dead_units is None else f"{e.dead_units:.1%}"
    lines = [list(columns), *([cell(entry) for cell in columns.values()] for entry in entries)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([title, *body, *_notes(entries)])


def _difference_in_words(entry: Summary) -> str:
    if entry.difference is None:
        return "" if entry.activation == REFERENCE else "–"
    interval = entry.corrected
    return _points(entry.difference) + (f" [{_points(interval.low)}, {_points(interval.high)}]" if interval else "")


def _points(value: float) -> str:
    return true_minus(f"{value:+.2f}" if abs(value) < 10 else f"{value:+.1f}")


def _notes(entries: list[Summary]) -> list[str]:
    first = entries[0]
    notes = [f"  Test accuracy in %; {first.equal_seconds:.3g} s: after that time, when the quickest had ended."]
    count = first.comparisons
    if count and any(e.corrected for e in entries):
        together = f"{count} intervals that hold together" if count > 1 else "an interval that holds"
        notes.append(f"  minus {REFERENCE}: points, paired by seed; {together} at 95 %.")
    elif count:
        notes.append(f"  minus {REFERENCE}: points; one seed tells nothing about spread, so there are no intervals.")
    else:
        notes.append(f"  No runs of {REFERENCE} beside others: there is nothing to compare with.")
    diverged = [f"{e.diverged} of {e.runs} runs of {e.label}" for e in entries if e.diverged]
    if diverged:
        note = f"  † Diverged, and counted with the last accuracy: {'; '.join(diverged)}."
        notes.append(textwrap.fill(note, width=100, subsequent_indent="  "))
    return notes


# Writing


def write(rows: Sequence[Row], source: Path, output: Path, *, command: str | None = None) -> None:
    """Write ``runs.csv`` (a row per run), ``summary.csv`` and ``about.json`` (how they came about, what is missing).

    Args:
        rows: from `read_runs`.
        source: where they were read.
        output: a folder, made if missing.
        command: what the reader typed.

    Raises:
        ReportError: if the folder cannot be written.
    """
    contents = {
        RUNS: _csv([_flat_row(row) for row in rows]),
        SUMMARY: _csv([_flat_summary(entry) for entry in summary(rows)]),
        ABOUT: json.dumps(about(rows, source, command), indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in contents.items():
        write_file(Path(output) / name, lambda file, text=text: file.write(text.encode()))


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """`paths.write_whole`, with an error in one sentence.

    Raises:
        ReportError: if the file cannot be written.
    """
    try:
        write_whole(path, write)
    except OSError as error:
        raise ReportError(f"{path} cannot be written ({reason(error)}): choose another folder.") from error


def about(rows: Sequence[Row], source: Path, command: str | None = None) -> dict[str, Any]:
    """Commands, versions, code revisions, hardware, the method, and missing cells."""
    source = Path(source)
    environments: Counter[str] = Counter()
    for file in sorted(source.rglob(runs.RUN)):
        for session in json.loads(file.read_text(encoding="utf-8"))["sessions"]:
            session.pop("first_update")
            environments[json.dumps(session, sort_keys=True)] += 1
    return {
        "commands": [line for file in _sweeps(source) for line in read_sweep(file.parent)["commands"]],
        "report": {"command": command, **runs.environment()},
        "runs": len(rows),
        "sessions": [{"number": number, **json.loads(text)} for text, number in sorted(environments.items())],
        "missing": missing(source),
        "method": CORRECTION,
    }


def _flat(configuration: Configuration) -> dict[str, Any]:
    """All fields, those of the recipe behind the others."""
    values = asdict(configuration)
    return values | values.pop("recipe")


def _flat_row(row: Row) -> dict[str, Any]:
    values = _flat(row.configuration) | {
        "test_accuracy": row.test_accuracy,
        "diverged": row.diverged,
        "seconds": row.seconds,
        "parameters": row.parameters,
        "device": row.device,
    }
    values |= {f"observed {name}": value for name, value in row.observed.items()}
    values |= {f"test_accuracy_{number}": value for number, value in enumerate(row.test_accuracies, start=1)}
    return values | {f"seconds_{number}": value for number, value in enumerate(row.epoch_seconds, start=1)}


def _flat_summary(entry: Summary) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in (each.name for each in fields(entry)):
        value = getattr(entry, name)
        if name in ("interval", "corrected"):
            values |= {f"{name}_low": value.low if value else None, f"{name}_high": value.high if value else None}
        else:
            values[name] = value
    return values


def _csv(records: list[dict[str, Any]]) -> str:
    """A table with all columns that any record has; what a record lacks stays empty."""
    text = io.StringIO()
    columns = dict.fromkeys(name for record in records for name in record)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _read_table(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_from_flat({k: v for k, v in record.items() if v != ""}) for record in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path} cannot be read as a table of runs ({reason(error)}): check the path.") from error


def _from_flat(record: dict[str, str]) -> Row:
    def numbers(prefix: str) -> tuple[float, ...]:
        count = sum(name.removeprefix(prefix).isdigit() for name in record if name.startswith(prefix))
        return tuple(float(record[f"{prefix}{number}"]) for number in range(1, count + 1))

    return Row(
        configuration=Configuration(**_typed(Configuration, record), recipe=Recipe(**_typed(Recipe, record))),
        test_accuracies=numbers("test_accuracy_"),
        epoch_seconds=numbers("seconds_"),
        seconds=float(record["seconds"]),
        diverged=_PARSE[bool](record["diverged"]),
        parameters=int(record["parameters"]),
        device=record["device"],
        observed={
            name.removeprefix("observed "): float(v) for name, v in record.items() if name.startswith("observed ")
        },
    )


_PARSE: dict[type, Callable[[str], Any]] = {str: str, int: int, float: float, bool: lambda text: text == "True"}


def _typed(kind: type, record: dict[str, str]) -> dict[str, Any]:
    """What a record says of the fields of a dataclass; a field that an older table lacks keeps its default."""
    return {each.name: _PARSE[each.type](record[each.name]) for each in fields(kind) if each.name in record}
