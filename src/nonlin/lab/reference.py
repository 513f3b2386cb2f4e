"""The reference runs: what the protocol asks for, what is there, what comes next, and going on with it.

The results, ``search.csv`` and ``runs.csv`` in one folder, are the only memory: what they hold is never run again, on
whatever machine it was run. Everything else follows from them: which rates to try next, which one is chosen, how many
seeds are reported. Both files are sorted, and written whole after every run.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import filelock

from nonlin.errors import ReaderError, reason
from nonlin.files import unwritable
from nonlin.images.dataset import Dataset, hold_out
from nonlin.lab import comparisons, report, runs
from nonlin.lab.protocol import Network, Protocol
from nonlin.lab.report import Row
from nonlin.lab.runs import Configuration
from nonlin.lab.sweep import Outcome, cell_name, sweep
from nonlin.signatures import MakeActivation

SEARCH, REPORTED, LONGER, FLOAT32 = "search", "reported", "longer", "float32"
SEARCH_FILE, RUNS_FILE = "search.csv", "runs.csv"
CLASSES = 10  # which `go_on` asks of the images
CHANCE = 100 / CLASSES  # %: what a run counts that diverged
FLOAT32_COSTS = 1.6  # times as long as bfloat16, for estimates of time only
VERSION = "protocol"  # the row's entry of `made_with` that names the protocol


class ReferenceRunError(ReaderError):
    """The reference runs cannot go on."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run that the protocol asks for, whatever the images.

    Args:
        stage: ``"search"``, ``"reported"``, ``"longer"`` or ``"float32"``.
        network: in which the activation is trained.
        activation, initialisation, rate, seed, epochs, precision: of the run.
    """

    stage: str
    network: Network
    activation: str
    initialisation: str
    rate: float
    seed: int
    epochs: int
    precision: str

    def configuration(self, protocol: Protocol, dataset: Dataset) -> Configuration:
        """The configuration of the run on these images."""
        recipe = replace(protocol.recipe, epochs=self.epochs, seed=self.seed, learning_rate=self.rate)
        return Configuration(
            activation=self.activation,
            data=dataset.title,
            fingerprint=runs.fingerprint(dataset),
            network="cnn",
            depth=self.network.depth,
            batch_norm=self.network.batch_norm,
            initialisation=self.initialisation,
            precision=self.precision,
            recipe=recipe,
        )

    def __str__(self) -> str:
        extra = {LONGER: f", {self.epochs} epochs", FLOAT32: ", float32"}.get(self.stage, "")
        return f"{self.stage}: {self.activation}, {self.network.name}, rate {self.rate:g}, seed {self.seed}{extra}"


# The search


Curve = Mapping[float, Sequence[Row]]  # the runs of one activation in one network, by rate


def score(row: Row) -> float:
    """What a run counts, in %: its accuracy after the last epoch, or that of guessing if it diverged."""
    return CHANCE if row.diverged else row.test_accuracy


def curve(search: Iterable[Row], network: Network, activation: str) -> dict[float, list[Row]]:
    """The search's runs of an activation in a network, by rate, in rising order."""
    found: dict[float, list[Row]] = {}
    for row in search:
        c = row.configuration
        if (c.activation, c.depth, c.batch_norm) == (activation, network.depth, network.batch_norm):
            found.setdefault(c.recipe.learning_rate, []).append(row)
    return dict(sorted(found.items()))


def next_rates(protocol: Protocol, network: Network, tried: Curve) -> list[float]:
    """The rates that the search still asks for, given what it has found so far; none when it is complete.

    First the common grid. Then, while the best mean stands at an end of what was tried, one step further on that side,
    unless all runs at the upper end diverged. Last, where the grid is refined, half a step on both sides of the best
    rate and of the chosen one.
    """
    complete = {rate: rows for rate, rows in tried.items() if len(rows) >= len(protocol.search_seeds)}
    missing = [rate for rate in {**dict.fromkeys(network.rates), **tried} if rate not in complete]
    if missing:
        return sorted(missing)
    rates, (low, high) = sorted(complete), (network.rates[0], network.rates[-1])
    best = max(rates, key=lambda rate: (_mean(complete[rate]), -rate))
    if best == rates[-1] and sum(rate > high for rate in rates) < protocol.growth:
        return [_round(2 * best)]
    if best == rates[0] and sum(rate < low for rate in rates) < protocol.growth:
        return [_round(best / 2)]
    return _half_steps(rates, {best, chosen_rate(complete)}) if network.refined else []


def _half_steps(rates: Sequence[float], around: Iterable[float]) -> list[float]:
    """The rates in the middle between each of these and its neighbours, unless they are half a step apart already."""
    found = set()
    for rate in around:
        place = rates.index(rate)
        for low, high in ((place - 1, place), (place, place + 1)):
            if low >= 0 and high < len(rates) and rates[high] / rates[low] > 1.5:
                found.add(_round(math.sqrt(rates[low] * rates[high])))
    return sorted(found)


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")


def chosen_rate(tried: Curve) -> float:
    """The rate with the best mean among those that keep clear of divergence.

    Where runs diverge, the best rate often stands just below, and two seeds do not show whether a third one fails. So a
    rate counts only if no run diverged there, nor at the next higher rate that was tried; if none is left, all count.
    """
    rates = sorted(tried)
    diverged = {rate: any(row.diverged for row in tried[rate]) for rate in rates}
    above = dict(zip(rates, [*(diverged[rate] for rate in rates[1:]), False], strict=True))
    clear = [rate for rate in rates if not diverged[rate] and not above[rate]]
    return max(clear or rates, key=lambda rate: (_mean(tried[rate]), -rate))


def _mean(rows: Sequence[Row]) -> float:
    return sum(map(score, rows)) / len(rows)


def choices(protocol: Protocol, network: Network, search: Sequence[Row]) -> dict[str, float] | None:
    """The chosen rate of each activation in a network; None while its search is incomplete."""
    curves = {name: curve(search, network, name) for name in protocol.activations}
    if any(next_rates(protocol, network, tried) for tried in curves.values()):
        return None
    return {name: chosen_rate(tried) for name, tried in curves.items()}


def search_spread(protocol: Protocol, network: Network, search: Sequence[Row]) -> comparisons.Spread:
    """How far a run of the search scatters at the chosen rates, its seed taken as a block: the design of the report."""
    curves = {name: curve(search, network, name) for name in protocol.activations}
    return comparisons.spread(
        {name: {row.seed: score(row) for row in tried[chosen_rate(tried)]} for name, tried in curves.items()}
    )


def seeds_to_report(protocol: Protocol, network: Network, search: Sequence[Row]) -> int:
    """How many seeds find the network's difference with the protocol's power, from the spread of the search."""
    needed = comparisons.seeds_needed(
        search_spread(protocol, network, search).deviation,
        network.difference,
        len(protocol.activations) - 1,
        at_least=protocol.power,
        confidence=protocol.confidence,
        most=protocol.most,
    )
    return max(protocol.fewest, needed)


# What comes next


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows that are there.

    Args:
        search: on images held out of the training set.
        runs: on the test set: reported, longer, and in float32.
    """

    search: tuple[Row, ...] = ()
    runs: tuple[Row, ...] = ()


def planned(protocol: Protocol, results: Results) -> list[Task]:
    """All runs that the protocol is known to ask for by now, done or not, in their order.

    The search comes first, network by network; while one of its curves grows, more is to come. Then the reported runs
    in rounds of one seed, all networks and activations in each, so that the tables are balanced whenever it stops.
    """
    tasks = list(_search_tasks(protocol, results.search))
    found = {network: choices(protocol, network, results.search) for network in protocol.networks}
    if None in found.values():
        return tasks
    tasks += _reported_tasks(protocol, results.search, found)
    extra = range(protocol.first_seed, protocol.first_seed + protocol.extra_seeds)
    normalised = [network for network in protocol.networks if network.batch_norm]
    kinds = (
        (LONGER, protocol.longer, protocol.longer_epochs, protocol.precision),
        (FLOAT32, protocol.other_precision, protocol.recipe.epochs, "float32"),
    )
    for stage, activations, epochs, precision in kinds:
        for seed, network, name in product(extra, normalised, activations):
            task = _task(protocol, REPORTED, network, name, found[network][name], seed)
            tasks.append(replace(task, stage=stage, epochs=epochs, precision=precision))
    return tasks


def _search_tasks(protocol: Protocol, search: Sequence[Row]) -> Iterator[Task]:
    for network in protocol.networks:
        rates = {}
        for name in protocol.activations:
            tried = curve(search, network, name)
            rates[name] = sorted({*tried, *next_rates(protocol, network, tried)})
        every = sorted({rate for of_one in rates.values() for rate in of_one})
        for seed, rate, name in product(protocol.search_seeds, every, protocol.activations):
            if rate in rates[name]:
                yield _task(protocol, SEARCH, network, name, rate, seed)


def _reported_tasks(
    protocol: Protocol, search: Sequence[Row], found: Mapping[Network, Mapping[str, float]]
) -> Iterator[Task]:
    seeds = {network: seeds_to_report(protocol, network, search) for network in protocol.networks}
    for number in range(max(seeds.values())):
        for network in protocol.networks:
            if number < seeds[network]:
                for name in protocol.activations:
                    yield _task(protocol, REPORTED, network, name, found[network][name], protocol.first_seed + number)


def _task(protocol: Protocol, stage: str, network: Network, activation: str, rate: float, seed: int) -> Task:
    return Task(
        stage=stage,
        network=network,
        activation=activation,
        initialisation=protocol.initialisation(activation, network),
        rate=rate,
        seed=seed,
        epochs=protocol.recipe.epochs,
        precision=protocol.precision,
    )


def left(protocol: Protocol, results: Results) -> list[Task]:
    """The runs of `planned` that the results do not hold."""
    return _left(planned(protocol, results), results)


def _left(tasks: Sequence[Task], results: Results) -> list[Task]:
    done = {True: _keys(results.search), False: _keys(results.runs)}
    return [task for task in tasks if _key(task) not in done[task.stage == SEARCH]]


def _key(task: Task) -> tuple:
    network = (task.network.depth, task.network.batch_norm)
    return (task.activation, *network, task.rate, task.seed, task.epochs, task.precision)


def _keys(rows: Iterable[Row]) -> set[tuple]:
    found = set()
    for row in rows:
        c = row.configuration
        recipe = (c.recipe.learning_rate, c.recipe.seed, c.recipe.epochs)
        found.add((c.activation, c.depth, c.batch_norm, *recipe, c.precision))
    return found


# The results on disk


def read(protocol: Protocol, folder: Path) -> Results:
    """What is there; nothing if the folder holds no results yet.

    Raises:
        ReferenceRunError: if a file is damaged, or holds runs of another protocol or of several data sets.
    """
    return Results(search=_read(protocol, folder / SEARCH_FILE), runs=_read(protocol, folder / RUNS_FILE))


def _read(protocol: Protocol, path: Path) -> tuple[Row, ...]:
    if not path.exists():
        return ()
    rows = _parsed(path)
    for row in rows:
        if not _follows(protocol, row, search=path.name == SEARCH_FILE):
            problem = f"{path} holds runs of another protocol ({_name(row)})"
            raise ReferenceRunError(f"{problem}: name another folder with --results.")
    if len({(row.configuration.data, row.configuration.fingerprint, row.on_processor) for row in rows}) > 1:
        raise ReferenceRunError(f"{path} holds runs on different images or devices: restore it from the repository.")
    return rows


def _parsed(path: Path) -> tuple[Row, ...]:
    """The rows of a file that is, sign for sign, what `report.write_table` makes of them.

    So no column is missing, no row stands twice or is cut, and nobody has edited it by hand.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = tuple(report.read_runs(path))
    except (OSError, UnicodeDecodeError, ReaderError) as error:
        raise _damaged(path, reason(error.__cause__ or error)) from error
    if text != report.table_text(rows):
        raise _damaged(path, "it is not as it was written")
    if not all(map(_is_whole, rows)):
        raise _damaged(path, "a run has too few accuracies, or one that is no percentage")
    return rows


def _damaged(path: Path, why: str) -> ReferenceRunError:
    return ReferenceRunError(f"{path} is damaged ({why}): restore it, or name another folder with --results.")


def _is_whole(row: Row) -> bool:
    enough = row.diverged or len(row.test_accuracies) == row.configuration.recipe.epochs
    return enough and all(0 <= value <= 100 for value in row.test_accuracies)


def _follows(protocol: Protocol, row: Row, *, search: bool) -> bool:
    """Whether the protocol, of this version, asks for such a run: all but the rate, which follows from the search."""
    c = row.configuration
    networks = {(network.depth, network.batch_norm): network for network in protocol.networks}
    network = networks.get((c.depth, c.batch_norm))
    if network is None or c.activation not in protocol.activations:
        return False
    usual = (protocol.recipe.epochs, protocol.precision)
    kinds = {usual} if search else {usual, (protocol.longer_epochs, protocol.precision), (usual[0], "float32")}
    seed, epochs, rate = c.recipe.seed, c.recipe.epochs, c.recipe.learning_rate
    return (
        row.made_with.get(VERSION) == str(protocol.version)
        and (c.network, c.threads, c.initialisation) == ("cnn", 1, protocol.initialisation(c.activation, network))
        and (epochs, c.precision) in kinds
        and (seed in protocol.search_seeds if search else seed >= protocol.first_seed)
        and c.recipe == replace(protocol.recipe, epochs=epochs, seed=seed, learning_rate=rate)
    )


def _name(row: Row) -> str:
    return f"{cell_name(row.configuration)}, protocol {row.made_with.get(VERSION, 'unknown')}"


def _check_device(rows: Sequence[Row], device: str, folder: Path) -> None:
    """Raise ReferenceRunError if these, which more are to stand beside, are of another kind of device."""
    if rows and rows[0].on_processor != (device == "cpu"):
        raise ReferenceRunError(
            f"The results in {folder} are of another device ({rows[0].device}): name another folder with --results."
        )


def _check_fit(results: Results, dataset: Dataset, held_out: Dataset, folder: Path) -> None:
    """Raise ReferenceRunError if the results are of other images than these."""
    for rows, images in ((results.search, held_out), (results.runs, dataset)):
        if rows and rows[0].configuration.fingerprint != runs.fingerprint(images):
            raise ReferenceRunError(
                f"The results in {folder} are of other images ({rows[0].configuration.data}) than these "
                f"({images.title}): name those with --data, or another folder with --results."
            )


def add(protocol: Protocol, folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Add rows to a file of results, which is sorted and written whole; two processes may do so at once.

    Raises:
        ReferenceRunError: if the file is damaged.
        FileError: if it cannot be written.
    """
    marked = [replace(row, made_with={**row.made_with, VERSION: str(protocol.version)}) for row in rows]
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):
            report.write_table([*(_parsed(path) if path.exists() else ()), *marked], path)
    except OSError as error:
        raise unwritable(folder, error) from error


# Going on


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the runs find what they need.

    Args:
        results: folder of the tables.
        scratch: folder of the runs themselves, with their checkpoints.
        load: loads the same images in other processes, to which it is sent.
        activations: makes a module, by name.
    """

    results: Path
    scratch: Path
    load: Callable[[], Dataset]
    activations: Mapping[str, MakeActivation]


def go_on(
    protocol: Protocol,
    dataset: Dataset,
    place: Place,
    *,
    jobs: int = 2,
    device: str = "cpu",
    scheduler: str | None = None,
    until: float = math.inf,
    progress: bool | None = None,
) -> list[Outcome]:
    """Run what is left, until nothing is, or the time is up; each result is stored as soon as it is there.

    Args:
        protocol: what to run.
        dataset: the images.
        place: where.
        jobs: runs at a time, each on one thread.
        device: ``"cpu"`` or ``"cuda"``.
        scheduler: of a Dask cluster, as for `sweep.sweep`.
        until: when `time.monotonic` reaches this, running cells write a checkpoint and `Stopped` is raised.
        progress: whether to show a progress bar; None shows one in a terminal only.

    Returns:
        The runs that failed.

    Raises:
        ReferenceRunError: if the results are damaged, of another protocol or of other images, or the images have not
            ten classes.
        FileError: if the results cannot be written.
        Stopped: after Ctrl-C, or when the time is up.
    """
    if len(dataset.classes) != CLASSES:
        raise ReferenceRunError(
            f"A run that diverges counts as guessing among {CLASSES} classes, and {dataset.title} has "
            f"{len(dataset.classes)}: name other images with --data."
        )
    held_out = hold_out(dataset, per_class=protocol.held_out, seed=protocol.split_seed)
    _check_fit(read(protocol, place.results), dataset, held_out, place.results)
    while batch := next_batch(protocol, found := read(protocol, place.results)):
        stage = batch[0].stage
        _check_device(found.search if stage == SEARCH else found.runs, device, place.results)
        images, load, name = dataset, place.load, RUNS_FILE
        if stage == SEARCH:
            images, load, name = held_out, partial(_load_held_out, protocol, place.load), SEARCH_FILE
        configurations = [task.configuration(protocol, images) for task in batch]
        cells = {cell_name(configuration): configuration for configuration in configurations}
        failed = sweep(
            _harvest(protocol, place.results, name, place.scratch / stage, cells),
            place.activations,
            load,
            place.scratch / stage,
            jobs=jobs,
            scheduler=scheduler,
            observe=stage == REPORTED,
            device=device,
            until=until,
            finished=lambda outcome, name=name: _store(protocol, place.results, name, outcome),
            progress=progress,
        )
        if failed:
            return failed
    return []


def _load_held_out(protocol: Protocol, load: Callable[[], Dataset]) -> Dataset:
    return hold_out(load(), per_class=protocol.held_out, seed=protocol.split_seed)


def next_batch(protocol: Protocol, results: Results) -> list[Task]:
    """What can run now without waiting for a result: all that is left of the first stage that is not complete."""
    tasks = left(protocol, results)
    return [task for task in tasks if task.stage == tasks[0].stage]


def _harvest(
    protocol: Protocol, results: Path, name: str, folder: Path, cells: Mapping[str, Configuration]
) -> dict[str, Configuration]:
    """Store what had ended before it could be stored, and give back the other cells."""
    rows = {cell: report.read_run(folder / cell) for cell in cells if runs.is_finished(folder / cell)}
    ended = {cell: row for cell, row in rows.items() if row.configuration == cells[cell]}  # `sweep` refuses the others
    if ended:
        add(protocol, results, name, list(ended.values()))
    return {cell: configuration for cell, configuration in cells.items() if cell not in ended}


def _store(protocol: Protocol, results: Path, name: str, outcome: Outcome) -> None:
    if outcome.failure:  # a full disk, say, or another process in the same folder: the next run would fare alike
        raise ReferenceRunError(f"{outcome.name} failed, and nothing more is begun: {outcome.failure}")
    if outcome.result is not None:
        add(protocol, results, name, [report.read_run(outcome.folder)])


# In words


def status(protocol: Protocol, results: Results, scratch: Path, jobs: int) -> str:
    """What is done, what is left, and about how many hours that is, as a table for a terminal."""
    tasks, measured = planned(protocol, results), _measured_epochs(scratch)
    remaining = _left(tasks, results)
    lines = [("", "done", "left", "hours")]
    for stage, network in product((SEARCH, REPORTED, LONGER, FLOAT32), protocol.networks):
        of_this, still = ([t for t in some if (t.stage, t.network) == (stage, network)] for some in (tasks, remaining))
        if of_this:
            hours = seconds_left(still, measured, jobs) / 3600
            lines.append((f"{stage}, {network.name}", str(len(of_this) - len(still)), str(len(still)), f"{hours:.1f}"))
    hours = seconds_left(remaining, measured, jobs) / 3600
    lines.append(("all that is known by now", str(len(tasks) - len(remaining)), str(len(remaining)), f"{hours:.1f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join((line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:]))).rstrip() for line in lines]
    return "\n".join([*table, *_to_come(protocol, tasks)])


def choices_in_words(protocol: Protocol, results: Results) -> str:
    """The chosen rates and the numbers of seeds, a line for each network whose search is complete."""
    lines = []
    for network in protocol.networks:
        found = choices(protocol, network, results.search)
        if found is None:
            lines.append(f"{network.name}: the search is not complete.")
            continue
        spread, n = search_spread(protocol, network, results.search), seeds_to_report(protocol, network, results.search)
        rates = ", ".join(f"{name} {rate:g}" for name, rate in found.items())
        chance = comparisons.power(n, spread.deviation, network.difference, len(protocol.activations) - 1)
        lines.append(
            f"{network.name}: {rates}. A run scatters by {spread.deviation:.2f} points ({spread.degrees} degrees of "
            f"freedom); {n} seeds find a difference of {network.difference:g} points with {100 * chance:.0f} %."
        )
    return "\n".join(lines)


def _to_come(protocol: Protocol, tasks: Sequence[Task]) -> list[str]:
    if any(task.stage == REPORTED for task in tasks):
        return []
    most = protocol.most * len(protocol.activations) * len(protocol.networks)
    return [f"The reported runs, at most {most}, are planned when the search is complete."]


def seconds_left(tasks: Sequence[Task], measured: Mapping[tuple, float], jobs: int) -> float:
    """About how long these take here: by the median epoch that was measured here, or else as once measured."""
    return sum(task.epochs * measured.get(_kind(task), _guess(task)) for task in tasks) / jobs


def _kind(task: Task) -> tuple:
    return (task.network.depth, task.network.batch_norm, task.precision)


def _guess(task: Task) -> float:
    return task.network.epoch_seconds * (FLOAT32_COSTS if task.precision == "float32" else 1)


def _measured_epochs(scratch: Path) -> dict[tuple, float]:
    """The median seconds of an epoch, by what decides about it, of the runs that ended here."""
    found: dict[tuple, list[float]] = {}
    for path in scratch.glob(f"*/*/{runs.RESULT}"):
        with suppress(ReaderError):  # an estimate does without a run that cannot be read
            c, result = runs.read_configuration(path.parent), runs.read_result(path.parent)
            seconds = [epoch.seconds for epoch in result.epochs if math.isfinite(epoch.seconds)]
            found.setdefault((c.depth, c.batch_norm, c.precision), []).extend(seconds)
    return {kind: statistics.median(seconds) for kind, seconds in found.items() if seconds}
