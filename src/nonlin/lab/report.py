"""What the runs in a folder say: one row per run, and means with paired differences to ReLU.

`read_runs` collects rows, from a folder of runs or from a table that `write` made; `groups` and `summary` compare them,
by the statistics of ``comparisons.py``; the figures are in ``plots/training.py``. Only runs of one group are compared:
they differ in nothing but activation, seed, initialisation and learning rate.
"""

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from nonlin.errors import ReaderError, reason
from nonlin.files import FileError, read_record, read_text, unreadable, write_json, write_whole
from nonlin.intervals import Estimate
from nonlin.lab import runs
from nonlin.lab.comparisons import METHOD, Comparison, Spread, compare
from nonlin.lab.runs import Configuration
from nonlin.lab.training import Recipe, check_accuracies
from nonlin.typography import true_minus

RUNS, SUMMARY, ABOUT = "runs.csv", "summary.csv", "about.json"
SWEEP, FAILURE = "sweep.json", "failure.txt"  # what a sweep leaves in its folder, and in that of a cell that failed
REFERENCE = "relu"  # the activation that all others are compared with


class ReportError(ReaderError):
    """There is nothing to report, or it cannot be read or written."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finished run.

    Args:
        configuration: of the run; its precision is the one that was used, never "auto".
        test_accuracies: in %, after each epoch. A run that diverged has fewer, and counts with its last one.
        diverged: whether a loss became infinite or NaN.
        parameters: number of trainable values.
        device: where it ran, and on how many threads.
        observed: what the observer summed up, by name; empty without one.
        made_with: versions of torch and Python, code revision and processor, by name; a table of an older version may
            lack them.

    Raises:
        ValueError: if an accuracy is not from 0 to 100.
    """

    configuration: Configuration
    test_accuracies: tuple[float, ...]
    diverged: bool
    parameters: int
    device: str
    observed: Mapping[str, float] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_accuracies(*self.test_accuracies)

    @property
    def test_accuracy(self) -> float:
        """After the last epoch, in %."""
        return self.test_accuracies[-1]

    @property
    def seed(self) -> int:
        return self.configuration.recipe.seed

    @property
    def on_processor(self) -> bool:
        """Whether it ran on a processor; on a graphics processor, rounding differs in every update."""
        return self.device.startswith("cpu")

    @property
    def dead_units(self) -> float | None:
        """Share of units that pass no gradient at the end, between 0 and 1; None if nobody looked."""
        dead = [self.observed.get(f"units {status}") for status in ("died", "never alive")]
        return None if None in dead else sum(dead)


# Reading


def read_runs(path: Path) -> list[Row]:
    """All finished runs below a folder, or in a table that `write` made; each configuration once.

    What cannot be read in a folder is left out; `missing` names it.

    Raises:
        ReportError: if there are none, or the table cannot be read.
    """
    path = Path(path)
    rows, bad = (_read_table(path), {}) if path.is_file() else _read_folder(path)
    if not rows:
        raise ReportError(
            f"{path} holds no finished run that can be read: {next(iter(bad.values()))}"
            if bad
            else f"{path} holds no finished run: check the path, or train first."
        )
    return _sorted(rows)


def _read_folder(path: Path) -> tuple[list[Row], dict[Path, str]]:
    """The finished runs below a folder, and why some cannot be read, by their folder."""
    rows, bad = [], {}
    for file in sorted(path.rglob(runs.RESULT)):
        try:
            rows.append(read_run(file.parent))
        except ReaderError as error:
            bad[file.parent] = str(error)
    return rows, bad


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Each configuration once, the first of several, in the order of its fields."""
    once = {row.configuration: row for row in reversed(rows)}.values()
    return sorted(once, key=lambda row: tuple(_flat(row.configuration).values()))


def read_run(folder: Path) -> Row:
    """The finished run in a folder.

    Raises:
        RunError: if there is none.
        FileError: if it is damaged.
    """
    result, configuration = runs.read_result(folder), runs.read_configuration(folder)
    last = runs.read_sessions(folder)[-1]
    return Row(
        configuration=replace(configuration, precision=result.precision),
        test_accuracies=tuple(epoch.test_accuracy for epoch in result.epochs),
        diverged=result.diverged,
        parameters=result.parameters,
        device=result.device,
        observed=result.observed,
        made_with={
            "torch": last.versions.get("torch", "unknown"),
            "python": last.versions.get("python", "unknown"),
            "revision": last.revision,
            "processor": str(last.hardware.get("processor", "unknown")),
        },
    )


def missing(path: Path) -> dict[str, str]:
    """What is not among the runs below a path, by its folder, each with the reason as far as known.

    These are the cells of sweeps that have no result, results that cannot be read, and sweeps whose list cannot.
    """
    path = Path(path)
    missing = _read_folder(path)[1]
    for file in sorted(path.rglob(SWEEP)):
        try:
            cells = [file.parent / name for name in read_sweep(file.parent).cells]
        except FileError as error:
            missing[file] = str(error)
            continue
        missing |= {cell: _why_missing(cell) for cell in cells if not runs.is_finished(cell)}
    return {place.relative_to(path).as_posix(): why.rstrip(".") for place, why in missing.items()}


def missing_in_words(path: Path) -> list[str]:
    """What `missing` gives, the cells with one reason together, on lines of up to 100 characters."""
    by_reason: dict[str, list[str]] = {}
    for cell, why in missing(path).items():
        by_reason.setdefault(why, []).append(cell)
    paragraphs = [f"Missing ({why}): {', '.join(cells)}" for why, cells in by_reason.items()]
    options = {"width": 100, "subsequent_indent": "  ", "break_on_hyphens": False, "break_long_words": False}
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, **options)]


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """What ``sweep.json`` holds: the commands that were given, and the names of all cells that they ask for."""

    commands: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.cells:
            if not name or name in (".", "..") or Path(name).name != name:
                raise ValueError(f"{name!r} is no name of a cell")


def read_sweep(folder: Path) -> SweepRecord:
    """What is noted in the folder of a sweep; nothing if there is no sweep.

    Raises:
        FileError: if it is damaged.
    """
    remedy = "remove that file; the same sweep writes it again, and trains nothing twice"
    return read_record(Path(folder) / SWEEP, SweepRecord, remedy=remedy) or SweepRecord()


def _why_missing(cell: Path) -> str:
    try:
        said = (read_text(cell / FAILURE) or "").split("\n")
    except FileError:
        said = []
    lines = [line.strip() for line in said if line.strip()]
    if lines:
        return lines[-1]
    return "not finished" if (cell / runs.RUN).exists() else "not begun"


# Comparing


def groups(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows that may be compared with each other, by what they have in common, in words."""
    found: dict[tuple[Configuration, bool], list[Row]] = {}
    for row in rows:
        found.setdefault((_common(row.configuration), row.on_processor), []).append(row)
    words = [_in_words(common) + ", graphics processor" * (not on_processor) for common, on_processor in found]
    # Two groups may differ in something that the words leave out.
    titles = [
        title if words.count(title) == 1 else f"{title}, {_details(common)}"
        for title, (common, _) in zip(words, found, strict=True)
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
        comparison: with the reference of the same initialisation and learning rate, or with its only one; None for the
            reference itself, or without a common seed.
        comparisons: differences to the reference in the group.
        spread: what scatters in this comparison's family; None without one.
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
    comparison: Comparison | None
    comparisons: int
    spread: Spread | None
    dead_units: float | None

    @property
    def pairs(self) -> int:
        """Seeds that the reference has as well."""
        return self.comparison.pairs if self.comparison else 0

    @property
    def difference(self) -> float | None:
        """Mean over those seeds of this accuracy minus the reference's, in points."""
        return self.comparison and self.comparison.difference

    @property
    def interval(self) -> Estimate | None:
        """Of the difference, as if it were the only one, at 95 %."""
        return self.comparison and self.comparison.alone

    @property
    def corrected(self) -> Estimate | None:
        """Of the difference, so that all ``comparisons`` hold together with 95 %."""
        return self.comparison and self.comparison.together


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
    compared = _comparisons(found, reference)
    entries = [
        _entry(title, label, variant, found[variant], compared.get(variant), len(compared))
        for variant, label in labels(found).items()
    ]
    return sorted(entries, key=lambda entry: -entry.mean)


def _comparisons(found: Mapping[Variant, list[Row]], reference: str) -> dict[Variant, tuple[Comparison, Spread]]:
    """Every variant with the reference's runs that it is compared with; all of a group hold together."""
    accuracies = {variant: {row.seed: row.test_accuracy for row in rows} for variant, rows in found.items()}
    families: dict[Variant, list[Variant]] = {}
    for variant in found:
        own = _reference_of(variant, found, reference)
        if variant[0] != reference and own and accuracies[own].keys() & accuracies[variant].keys():
            families.setdefault(own, []).append(variant)
    compared, total = {}, sum(len(family) for family in families.values())
    for own, family in families.items():
        values = {variant: accuracies[variant] for variant in (own, *family)}
        comparisons, spread = compare(values, own, confidence=1 - 0.05 * len(family) / total)
        compared |= {variant: (comparison, spread) for variant, comparison in comparisons.items()}
    return compared


def _reference_of(variant: Variant, found: Iterable[Variant], reference: str) -> Variant | None:
    """The reference with the same initialisation and rate, or else the only one there is.

    The latter is the case where each activation runs at the rate that suits it best.
    """
    own = [candidate for candidate in found if candidate[0] == reference]
    same = (reference, *variant[1:])
    return own[0] if len(own) == 1 else same if same in own else None


def _entry(
    group: str,
    label: str,
    variant: Variant,
    rows: list[Row],
    compared: tuple[Comparison, Spread] | None,
    comparisons: int,
) -> Summary:
    accuracies = [row.test_accuracy for row in rows]
    activation, initialisation, learning_rate = variant
    comparison, spread = compared or (None, None)
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
        comparison=comparison,
        comparisons=comparisons,
        spread=spread,
        dead_units=_mean([row.dead_units for row in rows]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """None if there are no values, or one is None."""
    return sum(values) / len(values) if values and None not in values else None


# In words, for a terminal of 100 columns


def table(entries: Sequence[Summary]) -> str:
    """The entries of one or more groups, each as a table with its notes."""
    by_group: dict[str, list[Summary]] = {}
    for entry in entries:
        by_group.setdefault(entry.group, []).append(entry)
    return "\n\n".join(_table_of_group(title, members) for title, members in by_group.items())


def _table_of_group(title: str, entries: list[Summary]) -> str:
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
    count = entries[0].comparisons
    notes = ["  Test accuracy in %."]
    if count and any(e.corrected for e in entries):
        together = f"{count} intervals that hold together" if count > 1 else "an interval that holds"
        notes.append(f"  minus {REFERENCE}: points, paired by seed; {together} at 95 %.")
        notes += _spread_in_words(entries)
    elif count:
        notes.append(f"  minus {REFERENCE}: points; one seed tells nothing about spread, so there are no intervals.")
    else:
        notes.append(f"  No runs of {REFERENCE} beside others: there is nothing to compare with.")
    diverged = [f"{e.diverged} of {e.runs} runs of {e.label}" for e in entries if e.diverged]
    if diverged:
        note = f"  † Diverged, and counted with the last accuracy: {'; '.join(diverged)}."
        notes.append(textwrap.fill(note, width=100, subsequent_indent="  "))
    return notes


def _spread_in_words(entries: list[Summary]) -> list[str]:
    """What the intervals rest on."""
    found = {entry.spread.deviation: entry.spread for entry in entries if entry.spread and entry.spread.degrees}
    lines = [
        f"A run scatters by {spread.deviation:.2f} points around its activation and its seed ({spread.degrees} degrees "
        "of freedom)."
        for spread in found.values()
    ]
    apart = [entry.label for entry in entries if entry.corrected and not entry.comparison.pooled]
    if apart and found:
        lines.append(f"With a variance of their own: {', '.join(apart)}.")
    return [textwrap.fill(f"  {line}", width=100, subsequent_indent="  ") for line in lines]


# Writing


def write(rows: Sequence[Row], source: Path, output: Path, *, command: str | None = None) -> None:
    """Write ``runs.csv`` (a row per run), ``summary.csv`` and ``about.json`` (how they came about, what is missing).

    Args:
        rows: from `read_runs`.
        source: where they were read.
        output: a folder, made if missing.
        command: what the reader typed.

    Raises:
        FileError: if a file cannot be written.
    """
    write_whole(Path(output) / RUNS, _csv([_flat_row(row) for row in rows]))
    write_whole(Path(output) / SUMMARY, _csv([_flat_summary(entry) for entry in summary(rows)]))
    write_json(Path(output) / ABOUT, about(rows, source, command))


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write a table that `read_runs` reads, sorted, so that the same rows give the same bytes.

    Raises:
        FileError: if it cannot be written; what was there before then still is.
    """
    write_whole(path, table_text(rows))


def table_text(rows: Sequence[Row]) -> str:
    """What `write_table` writes."""
    return _csv([_flat_row(row) for row in _sorted(rows)])


def about(rows: Sequence[Row], source: Path, command: str | None = None) -> dict[str, Any]:
    """Commands, versions, code revisions, hardware, the method, and missing cells."""
    source = Path(source)
    environments: Counter[str] = Counter()
    for file in sorted(source.rglob(runs.RUN)):
        with suppress(ReaderError):  # `missing` names it
            for session in map(asdict, runs.read_sessions(file.parent)):
                del session["first_update"]
                environments[json.dumps(session, sort_keys=True)] += 1
    return {
        "commands": _commands(source),
        "report": {"command": command, **runs.environment()},
        "runs": len(rows),
        "sessions": [{"number": number, **json.loads(text)} for text, number in sorted(environments.items())],
        "missing": missing(source),
        "method": METHOD,
    }


def _commands(source: Path) -> list[str]:
    found: list[str] = []
    for file in sorted(source.rglob(SWEEP)):
        with suppress(FileError):  # `missing` names it
            found += read_sweep(file.parent).commands
    return found


def _flat(configuration: Configuration) -> dict[str, Any]:
    """All fields, those of the recipe behind the others."""
    values = asdict(configuration)
    return values | values.pop("recipe")


def _flat_row(row: Row) -> dict[str, Any]:
    values = _flat(row.configuration) | {
        "test_accuracy": row.test_accuracy,
        "diverged": row.diverged,
        "parameters": row.parameters,
        "device": row.device,
    }
    values |= {f"with {name}": value for name, value in sorted(row.made_with.items())}
    values |= {f"test_accuracy_{number}": value for number, value in enumerate(row.test_accuracies, start=1)}
    return values | {f"observed {name}": value for name, value in row.observed.items()}


def _flat_summary(entry: Summary) -> dict[str, Any]:
    values = {each.name: getattr(entry, each.name) for each in fields(entry)}
    comparison, spread = values.pop("comparison"), values.pop("spread")
    values |= {"pairs": entry.pairs, "difference": entry.difference}
    for name, value in {"interval": entry.interval, "corrected": entry.corrected}.items():
        values |= {f"{name}_low": value.low if value else None, f"{name}_high": value.high if value else None}
    values["pooled"] = comparison.pooled if comparison else None
    return values | {"deviation": spread.deviation if comparison and comparison.pooled else None}


def _csv(records: list[dict[str, Any]]) -> str:
    """A table with all columns that any record has; what a record lacks stays empty.

    The longest records decide about the order of the columns, which so does not depend on a run that diverged early.
    """
    text = io.StringIO()
    columns = dict.fromkeys(name for record in sorted(records, key=len, reverse=True) for name in record)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _read_table(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # or a spreadsheet's mark would be read
            return [_from_flat({k: v for k, v in record.items() if v != ""}) for record in csv.DictReader(file)]
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, csv.Error) as error:
        why = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else reason(error)
        raise ReportError(f"{path} cannot be read as a table of runs ({why}): give one as report wrote it.") from error


NEEDED = ("activation", "data", "fingerprint", "diverged", "parameters", "device", "test_accuracy_1")


def _from_flat(record: dict[str | None, str]) -> Row:
    for sign in ";\t":
        if any(name and name.startswith(f"activation{sign}") for name in record):
            raise ValueError(f"its columns are parted by {sign!r}, not by commas")
    if None in record or None in record.values():
        raise ValueError("a row has more or fewer values than there are columns")
    lacking = [name for name in NEEDED if name not in record]
    if lacking:
        raise ValueError(f"a row has no {lacking[0]!r}")

    def numbers(prefix: str) -> tuple[float, ...]:
        names = takewhile(record.__contains__, (f"{prefix}{number}" for number in count(1)))
        return tuple(_parsed(record, name, float) for name in names)

    def named(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): value for name, value in record.items() if name.startswith(prefix)}

    return Row(
        configuration=Configuration(**_typed(Configuration, record), recipe=Recipe(**_typed(Recipe, record))),
        test_accuracies=numbers("test_accuracy_"),
        diverged=_parsed(record, "diverged", bool),
        parameters=_parsed(record, "parameters", int),
        device=record["device"],
        observed={name: _parsed(record, f"observed {name}", float) for name in named("observed ")},
        made_with=named("with "),
    )


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]  # a spreadsheet makes capitals of it


_PARSE: dict[type, Callable[[str], Any]] = {str: str, int: int, float: float, bool: _truth}
_WORDS = {int: "a whole number", float: "a number", bool: "True or False"}


def _parsed(record: Mapping[str, str], name: str, kind: type) -> Any:
    try:
        return _PARSE[kind](record[name])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name} should be {_WORDS[kind]}, not {record[name][:40]!r}") from error


def _typed(kind: type, record: dict[str, str]) -> dict[str, Any]:
    """What a record says of the fields of a dataclass; a field that an older table lacks keeps its default."""
    return {each.name: _parsed(record, each.name, each.type) for each in fields(kind) if each.name in record}
