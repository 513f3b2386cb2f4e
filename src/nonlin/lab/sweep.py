"""Many runs side by side: every combination of activations, networks and seeds, in processes of one thread each.

Each run of a sweep, a cell, is a run of ``runs.py`` in a folder of its own, whose name is also its name in TensorBoard.
So a sweep that was stopped or killed goes on when it is started again: finished cells are not trained anew, and the
others go on from their checkpoints. Seeds are paired: with one seed, all activations start from the same draws of
weights, as far as their networks have the same shape, and see the same images in the same order.

Beside the cells, ``sweep.json`` names every cell that was ever asked for, so that a report can say which are missing. A
cell whose training raised an error holds ``failure.txt``, with the traceback, until it succeeds.
"""

import math
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import joblib
from joblib.externals.loky import BrokenProcessPool
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from tqdm.auto import tqdm

from nonlin.errors import ReaderError
from nonlin.files import FileError, unwritable, write_json, write_whole
from nonlin.images.dataset import Dataset
from nonlin.lab import runs
from nonlin.lab.internals import Internals, held_out
from nonlin.lab.report import FAILURE, SWEEP, SweepRecord, read_sweep
from nonlin.lab.runs import Configuration, Stopped
from nonlin.lab.training import Recipe, Result
from nonlin.processes import stops_noted, workers
from nonlin.signatures import MakeActivation

if TYPE_CHECKING:
    from distributed import Client

HPARAMS = ".hparams"  # ending of the event file that holds a cell's row in TensorBoard's table


class SweepError(ReaderError):
    """A sweep cannot be started, or cannot go on."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every combination of these is a cell.

    Args:
        activations: names.
        networks: names in ``models.NETWORKS``.
        batch_norm: with, without, or both.
        depths: passed to the network.
        initialisations: of ``initialisation.SCHEMES``.
        learning_rates: at their peak; None stands for 0.3 with batch normalisation and 0.1 without.
        seeds: of weights, order and augmentation.
        epochs: of each run.
        precision: ``"float32"`` or ``"bfloat16"``; "auto" could decide differently for two cells.
    """

    activations: Sequence[str]
    networks: Sequence[str] = ("cnn",)
    batch_norm: Sequence[bool] = (True,)
    depths: Sequence[int] = (1,)
    initialisations: Sequence[str] = ("torch",)
    learning_rates: Sequence[float | None] = (None,)
    seeds: Sequence[int] = (0, 1, 2)
    epochs: int = 4
    precision: str = "float32"

    def cells(self, dataset: Dataset) -> dict[str, Configuration]:
        """The configuration of each cell by its name; all cells of the first seed come first.

        Args:
            dataset: its title and its fingerprint become part of every configuration.
        """
        axes = (
            self.seeds,
            self.networks,
            self.depths,
            self.batch_norm,
            self.initialisations,
            self.learning_rates,
            self.activations,
        )
        cells = {}
        for seed, network, depth, batch_norm, initialisation, rate, activation in product(*axes):
            configuration = Configuration(
                activation=activation,
                data=dataset.title,
                fingerprint=runs.fingerprint(dataset),
                network=network,
                depth=depth,
                batch_norm=batch_norm,
                initialisation=initialisation,
                precision=self.precision,
                threads=1,
                recipe=Recipe(epochs=self.epochs, seed=seed, learning_rate=rate or (0.3 if batch_norm else 0.1)),
            )
            cells[cell_name(configuration)] = configuration
        return cells


def cell_name(configuration: Configuration) -> str:
    """What differs within a sweep, as the name of a folder: ``relu-cnn-depth1-bn-he-rate0.3-seed0``."""
    rate = configuration.recipe.learning_rate
    short = f"{rate:g}"
    parts = (
        configuration.activation,
        configuration.network,
        f"depth{configuration.depth}",
        "bn" if configuration.batch_norm else "no_bn",
        configuration.initialisation,
        f"rate{short if float(short) == rate else rate}",
        f"seed{configuration.recipe.seed}",
    )
    return "-".join(parts)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a cell.

    Args:
        name: of the cell.
        folder: of its run.
        result: None if it has none.
        failure: why it has none, in one line; None after Ctrl-C.
    """

    name: str
    folder: Path
    result: Result | None = None
    failure: str | None = None


def sweep(
    cells: Mapping[str, Configuration],
    activations: Mapping[str, MakeActivation],
    load: Callable[[], Dataset],
    folder: Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    observe: bool = False,
    command: str | None = None,
    device: str | None = None,
    until: float = math.inf,
    finished: Callable[[Outcome], None] = lambda outcome: None,
    progress: bool | None = None,
    every_seconds: float = runs.CHECKPOINT_SECONDS,
) -> list[Outcome]:
    """Train every cell that has no result yet, several at a time.

    Each process loads the data set once. An error in one cell does not stop the others; a run that diverges has a
    result like any other. After Ctrl-C the running cells write a checkpoint (those on a cluster run to their end; press
    it again not to wait for them). The same call goes on with what is left.

    Args:
        cells: a configuration by folder name, as `Grid.cells` gives them.
        activations: makes a module, by the name that the configurations use. It is sent to other processes: a class
            or a ``functools.partial``, for instance.
        load: loads the data set in each process; it must be that of the configurations.
        folder: of the sweep. All processes must see it, on a cluster, too.
        jobs: cells at a time on this machine; None for one per processor core.
        scheduler: the address of a running Dask scheduler, ``"tcp://10.0.0.1:8786"``; its workers are used instead.
        observe: watch the units of each network, see ``internals.py``.
        command: what the reader typed, for ``sweep.json``.
        device: as for `runs.run`.
        until: when `time.monotonic` reaches this, running cells write a checkpoint, and no further one is begun; not
            for a cluster, whose machines have other clocks.
        finished: called in this process with the outcome of each cell, as soon as it has one.
        progress: whether to show a progress bar; None shows one in a terminal only.
        every_seconds: time from one checkpoint of a cell to the next.

    Returns:
        The cells that have failed.

    Raises:
        FileError: if ``sweep.json`` is damaged or cannot be written.
        SweepError: if the folder holds other runs under these names, the scheduler cannot be used, or processes were
            killed again and again.
        Stopped: after Ctrl-C, or when the time is up.
    """
    folder = Path(folder).absolute()
    _refuse_other_runs(cells, folder)
    if not scheduler:
        _note(folder, cells, command)
    options = {"load": load, "observe": observe, "every_seconds": every_seconds}
    options |= {"device": device, "until": math.inf if scheduler else until}
    tasks = {
        name: joblib.delayed(_train)(name, configuration, activations[configuration.activation], folder, **options)
        for name, configuration in cells.items()
        if not _is_finished(folder / name)
    }
    jobs = min(jobs or joblib.cpu_count(), max(1, len(tasks)))
    disable = None if progress is None else not progress
    skipped = len(cells) - len(tasks)
    with (
        tqdm(total=len(cells), initial=skipped, unit="run", disable=disable, dynamic_ncols=True) as bar,
        _processes(jobs, scheduler),
    ):
        if scheduler:  # which now has answered
            _note(folder, cells, command)
        in_this_process = jobs == 1 and not scheduler
        outcomes = _all_outcomes(
            tasks, bar, in_this_process=in_this_process, folder=folder, until=until, finished=finished
        )
    return [outcome for outcome in outcomes if outcome.failure and not _is_finished(outcome.folder)]


def _refuse_other_runs(cells: Mapping[str, Configuration], folder: Path) -> None:
    for name, configuration in cells.items():
        with suppress(FileError):  # of a damaged cell, which fails by itself
            if (folder / name / runs.RUN).exists() and runs.read_configuration(folder / name) != configuration:
                raise SweepError(
                    f"The run in {folder / name} has another configuration than the one asked for now: use another "
                    "folder."
                )


def _note(folder: Path, cells: Mapping[str, Configuration], command: str | None) -> None:
    """Add to ``sweep.json`` what is asked for now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):  # or one of two sweeps that begin at once would lose its cells
            noted = read_sweep(folder)
            commands = dict.fromkeys([*noted.commands, *([command] if command else [])])
            names = dict.fromkeys([*noted.cells, *cells])
            write_json(folder / SWEEP, SweepRecord(commands=tuple(commands), cells=tuple(names)))
    except OSError as error:
        raise unwritable(folder, error) from error


def _is_finished(folder: Path) -> bool:
    """Whether there is nothing left to do in a cell; where its result cannot be read, there is: to say so."""
    try:
        return runs.is_finished(folder) and bool(runs.read_result(folder)) and any(folder.glob(f"*{HPARAMS}"))
    except ReaderError:
        return False


# The processes


@contextmanager
def _processes(jobs: int, scheduler: str | None) -> Iterator[None]:
    """Within the block, joblib uses processes of this machine or the workers of a cluster."""
    if scheduler is None:
        with workers(jobs):
            yield
        return
    with _client(scheduler), joblib.parallel_config(backend="dask", n_jobs=-1):
        from distributed import KilledWorker

        try:
            yield
        except (KilledWorker, CancelledError) as error:
            raise SweepError(
                "The cluster has given up a run, since its workers died again and again or the scheduler ended: look "
                "at their logs; what is finished is kept."
            ) from error


def _client(scheduler: str) -> "Client":
    try:
        from distributed import Client
    except ImportError as error:
        raise SweepError(
            "A Dask scheduler needs the package distributed, which is not installed: in the project's folder, "
            "pip install -e '.[cluster]'; or leave the scheduler out to use this machine."
        ) from error
    try:
        client = Client(scheduler, timeout=8)
    except Exception as error:  # each kind of address, tls:// and ucx:// too, fails in its own way
        raise SweepError(f"There is no Dask scheduler at {scheduler}: check the address.") from error
    if sum(client.ncores().values()) < 2:  # with one, joblib would train in this process
        client.close()
        raise SweepError(f"The Dask scheduler at {scheduler} has fewer than two workers: start some.")
    return client


def _all_outcomes(
    tasks: Mapping[str, tuple],
    bar: tqdm,
    *,
    in_this_process: bool,
    folder: Path,
    until: float,
    finished: Callable[[Outcome], None],
) -> list[Outcome]:
    """The outcomes of all tasks. If a process is killed, all begin anew, and the cells go on from their checkpoints."""
    outcomes: dict[str, Outcome] = {}
    # A run in this process handles both itself. Ctrl-C reaches the workers, too; SIGTERM does not: it ends them.
    with nullcontext(threading.Event()) if in_this_process else stops_noted(terminations=False) as asked_to_stop:
        while len(outcomes) < len(tasks):
            left = {name: task for name, task in tasks.items() if name not in outcomes}
            before = len(outcomes)
            try:
                with closing(_outcomes(left.values(), asked_to_stop, until)) as arriving:
                    for outcome in arriving:
                        if outcome.result is None and outcome.failure is None:
                            asked_to_stop.set()
                            continue
                        outcomes[outcome.name] = outcome
                        finished(outcome)
                        _show(outcome, outcomes, bar)
            except BrokenProcessPool as error:
                if len(outcomes) == before and not asked_to_stop.is_set():
                    raise SweepError(
                        "A process was killed before any run ended, perhaps for want of memory: run fewer jobs at a "
                        "time; what is finished is kept."
                    ) from error
            if asked_to_stop.is_set() or (len(outcomes) < len(tasks) and time.monotonic() >= until):
                raise Stopped(f"Stopped with {bar.n} of {bar.total} runs finished in {folder}.")
    return list(outcomes.values())


def _outcomes(tasks: Iterable[tuple], asked_to_stop: threading.Event, until: float) -> Iterator[Outcome]:
    """Outcomes as they come; after Ctrl-C or in time no further task is begun, and those that run are waited for."""
    # No task waits in a queue: one that did would start after Ctrl-C.
    parallel = joblib.Parallel(return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1)
    return parallel(task for task in tasks if not asked_to_stop.is_set() and time.monotonic() < until)


def _show(outcome: Outcome, outcomes: Mapping[str, Outcome], bar: tqdm) -> None:
    failed = sum(bool(each.failure) for each in outcomes.values())
    said = f"{outcome.name}: {outcome.result.test_accuracy:.1f} %" if outcome.result else f"{outcome.name} failed"
    bar.set_postfix_str(said + f", {failed} failed" * bool(failed and outcome.result))
    bar.update()


# In each process

_one_at_a_time = threading.Lock()  # torch's random state belongs to the process, and a Dask worker may have threads
_datasets: dict[str, Dataset] = {}  # by fingerprint, at most one


def _train(
    name: str,
    configuration: Configuration,
    activation: MakeActivation,
    folder: Path,
    *,
    load: Callable[[], Dataset],
    observe: bool,
    device: str | None,
    until: float,
    every_seconds: float,
) -> Outcome:
    """Train one cell, and note in its folder why if that fails."""
    cell = folder / name
    try:
        with _one_at_a_time:
            dataset = _dataset(configuration.fingerprint, load)
            observer = Internals(held_out(dataset)) if observe else None
            options = {"observer": observer, "keep_weights": False, "every_seconds": every_seconds}
            options |= {"device": device, "until": until}
            result = runs.run(configuration, activation, dataset, cell, **options)
            _log_hparams(configuration, cell)
        (cell / FAILURE).unlink(missing_ok=True)
    except KeyboardInterrupt:  # Stopped, too
        return Outcome(name=name, folder=cell)
    except Exception as error:  # whatever it is, the other cells are not to suffer from it
        failure = str(error) if isinstance(error, ReaderError) else f"{type(error).__name__}: {error}"
        with suppress(FileError):  # the reason for the failure itself, perhaps; it is also returned
            write_whole(cell / FAILURE, traceback.format_exc())
        return Outcome(name=name, folder=cell, failure=" ".join(failure.split()))
    return Outcome(name=name, folder=cell, result=result)


def _dataset(fingerprint: str, load: Callable[[], Dataset]) -> Dataset:
    """The data set, loaded once in each process. `runs.run` refuses one that has another fingerprint."""
    if fingerprint not in _datasets:
        _datasets.clear()
        _datasets[fingerprint] = load()
    return _datasets[fingerprint]


def _log_hparams(configuration: Configuration, cell: Path) -> None:
    """A row in TensorBoard's HPARAMS tab, whose metrics are the last points of the run's own curves.

    ``SummaryWriter.add_hparams`` would make a second run for it, or draw each metric once more.
    """
    if any(cell.glob(f"*{HPARAMS}")):
        return
    values = {
        "activation": configuration.activation,
        "network": configuration.network,
        "depth": str(configuration.depth),  # as text, or the table would show 1.0000
        "batch norm": "yes" if configuration.batch_norm else "no",
        "initialisation": configuration.initialisation,
        "learning rate": configuration.recipe.learning_rate,
        "epochs": str(configuration.recipe.epochs),
        "precision": configuration.precision,
        "seed": str(configuration.recipe.seed),
    }
    metrics = dict.fromkeys(("accuracy/test", "loss/test", "accuracy/train", "loss/train"))
    with SummaryWriter(str(cell), filename_suffix=HPARAMS) as writer:
        for summary in hparams(values, metrics):
            writer.file_writer.add_summary(summary)
