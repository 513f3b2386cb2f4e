"""Runs that survive: a run has a folder, and whatever stops it, it goes on from its last checkpoint to the same result.

What lies in the folder of a run:

- ``run.json``: the configuration, and for every session (start or resumption) versions, code revision and hardware.
- ``checkpoint.pt``: everything that training needs to go on, and whose it is; it exists until the run has ended.
- ``result.json``: the curves and a digest of the weights, but no times, so that an undisturbed run and a resumed one on
  the same machine give the same file, byte for byte.
- ``times.json``: how long it took. ``weights.pt``: the trained weights.
- ``events.out.tfevents.*``: curves for TensorBoard.

Every file but TensorBoard's is either the old one or the complete new one, at any moment.
"""

import hashlib
import io
import math
import os
import platform
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import filelock
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from nonlin.activations import fast
from nonlin.errors import ReaderError, reason
from nonlin.files import read_record, remove_parts, unreadable, write_json, write_whole
from nonlin.images.dataset import Dataset
from nonlin.lab import tracking
from nonlin.lab.initialisation import SCHEMES
from nonlin.lab.networks import NETWORKS, device_name, threads
from nonlin.lab.precision import PRECISIONS, Precision
from nonlin.lab.training import Epoch, Observer, Recipe, Result, Scores, Training, own_randomness, prepare
from nonlin.paths import project_root
from nonlin.processes import stops_noted
from nonlin.signatures import MakeActivation
from nonlin.typography import shown

RUN, CHECKPOINT, RESULT, TIMES, WEIGHTS = "run.json", "checkpoint.pt", "result.json", "times.json", "weights.pt"
CHECKPOINT_SECONDS = 10.0  # one takes some hundredths of a second
LOCK_SECONDS = 5.0  # to wait for a process that is just ending, for one whose parent was killed, say


class RunError(ReaderError):
    """A run cannot be started, resumed or kept."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or the time is up; a checkpoint was written."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All that decides about a run's numbers, besides the machine and the versions.

    Args:
        activation: its name, for people; the callable itself goes to `run`.
        data: title of the data set.
        fingerprint: of the data set, from `fingerprint`.
        network: a name in ``models.NETWORKS``.
        depth, batch_norm: passed to the network.
        initialisation: one of ``initialisation.SCHEMES``.
        precision: one of ``precision.PRECISIONS``.
        threads: processor threads, 1 to 1024.
        recipe: how to train; it holds the seed.

    Raises:
        ValueError: if there is no network, initialisation or precision of that name, a number is out of bounds, or a
            text is none that a terminal may get.
    """

    activation: str
    data: str
    fingerprint: str
    network: str = "cnn"
    depth: int = 1
    batch_norm: bool = True
    initialisation: str = "torch"
    precision: str = "float32"
    threads: int = 1
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        choices = {"network": NETWORKS, "initialisation": SCHEMES, "precision": PRECISIONS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}: choose one of {', '.join(known)}.")
        for name, (lowest, highest) in {"depth": (0, 1000), "threads": (1, 1024)}.items():
            if not lowest <= getattr(self, name) <= highest:
                raise ValueError(f"{name} must be from {lowest} to {highest}, not {getattr(self, name)}.")
        for name in ("activation", "data"):
            if shown(getattr(self, name)) != getattr(self, name):
                raise ValueError(f"{name} holds signs that would steer a terminal.")


@dataclass(frozen=True, kw_only=True)
class Identity(Configuration):
    """A configuration and the kind of observer, by its name: two runs with one identity give the same numbers."""

    observer: str | None = None

    @property
    def configuration(self) -> Configuration:
        return Configuration(**{each.name: getattr(self, each.name) for each in fields(Configuration)})


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where a run was begun or resumed: what `environment` gave, and the first update."""

    versions: dict[str, str]
    revision: str
    hardware: dict[str, Any]
    first_update: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What ``run.json`` holds; the precision is the one that was decided on."""

    configuration: Identity
    precision: Precision
    sessions: tuple[Session, ...]

    def __post_init__(self) -> None:
        if not self.sessions:
            raise ValueError("sessions is empty")


@dataclass(frozen=True, kw_only=True)
class ResultRecord:
    """What ``result.json`` holds; ``weights`` is their digest."""

    configuration: Identity
    data: str
    device: str
    diverged: bool
    epochs: tuple[Scores, ...]
    observed: dict[str, float]
    parameters: int
    precision: str
    weights: str

    def __post_init__(self) -> None:
        asked = self.configuration.recipe.epochs
        if not self.epochs or (len(self.epochs) != asked and not self.diverged):
            raise ValueError(f"it holds {len(self.epochs)} of {asked} epochs")


@dataclass(frozen=True, kw_only=True)
class TimesRecord:
    """What ``times.json`` holds: seconds of each epoch and of the whole run."""

    epochs: tuple[float, ...]
    seconds: float


@lru_cache(maxsize=1)  # the runs of a sweep share their data
def fingerprint(dataset: Dataset) -> str:
    """A digest of all images and labels, in their order, and of the names of the classes."""
    digest = hashlib.sha256("\n".join(dataset.classes).encode())
    for split in (dataset.train, dataset.test):
        for tensor in (split.images, split.labels):
            digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()


def run(
    configuration: Configuration,
    activation: MakeActivation,
    dataset: Dataset,
    folder: Path,
    *,
    observer: Observer | None = None,
    log: bool = True,
    progress: bool | None = False,
    keep_weights: bool = True,
    device: str | None = None,
    until: float = math.inf,
    every_seconds: float = CHECKPOINT_SECONDS,
    every_updates: int | None = None,
) -> Result:
    """Train in a folder: start there, or go on from the checkpoint that is there, or return the result that is there.

    A resumed run gives the same curves and weights as an undisturbed one, to the last bit, on the same machine with the
    same versions, on a processor. Killed at any moment, it loses at most what was done since its last checkpoint.
    Ctrl-C, or SIGTERM to a command, lets the present update end, writes a checkpoint and raises `Stopped`; the second
    time it stops at once.

    Args:
        configuration: what to train; its fingerprint must be that of the data set.
        activation: makes one activation module.
        dataset: training and test images.
        folder: of the run, made if missing.
        observer: looks into the network; its state is part of the checkpoint.
        log: whether to write curves for TensorBoard.
        progress: whether to show a progress bar; None shows one in a terminal only.
        keep_weights: whether to store the trained weights.
        device: ``"cpu"``, ``"cuda"``, ``"xpu"`` or ``"mps"``; by default as `networks.device` finds it.
        until: when `time.monotonic` reaches this, write a checkpoint and raise `Stopped`, as after Ctrl-C.
        every_seconds: time from one checkpoint to the next.
        every_updates: updates from one checkpoint to the next, if that comes earlier; None counts seconds only.

    Raises:
        RunError: if the folder holds a run of another configuration, another process trains in it, its checkpoint or
            result is damaged or of another run, or the folder cannot be made.
        FileError: if a file of the run is damaged, or cannot be read or written.
        Stopped: after Ctrl-C, or when the time is up.
        ValueError: if the data set is not that of the configuration, and as for `training.train`.
    """
    folder = Path(folder)
    if configuration.fingerprint != fingerprint(dataset):
        raise ValueError(f"the configuration is for other images than those of {dataset.title}: use `fingerprint`.")
    identity = Identity(**vars(configuration), observer=type(observer).__name__ if observer else None)
    finished = _finished(folder, identity)
    if finished:
        return finished
    with _only_process(folder):
        finished = _finished(folder, identity)  # by the process that held the lock a moment ago
        if finished:
            return finished
        for name in (RUN, CHECKPOINT, RESULT, TIMES, WEIGHTS):
            remove_parts(folder / name)
        with threads(configuration.threads), own_randomness(configuration.recipe.seed), stops_noted() as asked_to_stop:
            training = _prepare(configuration, activation, dataset, folder, identity, observer, device)
            with _open_log(folder, training, configuration, activation) if log else nullcontext() as writer:
                write = partial(_write_checkpoint, folder / CHECKPOINT, identity, training, writer)
                pause = _Checkpoints(training, write, asked_to_stop, until, every_seconds, every_updates)
                result = training.run(writer=writer, progress=progress, pause=pause)
            result = replace(result, log_dir=folder if log else None)
            _store(folder, identity, result, training.model.state_dict(), keep_weights)
    return result


def read_configuration(folder: Path) -> Configuration:
    """The configuration of the run in a folder.

    Raises:
        RunError: if there is no run.
        FileError: if it is damaged.
    """
    return _read_run(folder).configuration.configuration


def read_sessions(folder: Path) -> tuple[Session, ...]:
    """The sessions of the run in a folder, the oldest first.

    Raises:
        RunError: if there is no run.
        FileError: if it is damaged.
    """
    return _read_run(folder).sessions


def _read_run(folder: Path) -> RunRecord:
    stored = _read_run_if_any(Path(folder))
    if stored is None:
        raise RunError(f"{folder} holds no run: check the path.")
    return stored


def _read_run_if_any(folder: Path) -> RunRecord | None:
    return read_record(folder / RUN, RunRecord, remedy="restore it, or remove its folder and begin anew")


# Starting and going on


def _prepare(
    configuration: Configuration,
    activation: MakeActivation,
    dataset: Dataset,
    folder: Path,
    identity: Identity,
    observer: Observer | None,
    device: str | None,
) -> Training:
    """The training at its beginning or at its checkpoint, and this session noted in ``run.json``."""
    stored = _read_run_if_any(folder)
    build = partial(NETWORKS[configuration.network], depth=configuration.depth, batch_norm=configuration.batch_norm)
    training = prepare(
        activation,
        dataset,
        configuration.recipe,
        network=build,
        initialisation=configuration.initialisation,
        precision=stored.precision.name if stored else configuration.precision,  # "auto" decides once
        observer=observer,
        where=device,
    )
    _restore(training, folder / CHECKPOINT, identity)
    now = Session(**environment(), first_update=training.done + 1)
    content = RunRecord(
        configuration=identity,
        precision=stored.precision if stored else training.precision,
        sessions=(*(stored.sessions if stored else ()), now),
    )
    write_json(folder / RUN, content, sort_keys=True)
    return training


@contextmanager
def _open_log(
    folder: Path, training: Training, configuration: Configuration, activation: MakeActivation
) -> Iterator[SummaryWriter]:
    """TensorBoard's writer. Points after the checkpoint, which will come again, are forgotten."""
    first = training.done + 1 if training.done else 0
    with tracking.open_run(folder, resume_at=first) as writer:
        if not training.done:
            writer.add_text("configuration", training.in_words(repr(activation()), configuration.initialisation), 0)
        yield writer


class _Checkpoints:
    """Called between updates: writes a checkpoint when one is due, and when Ctrl-C was pressed."""

    def __init__(
        self,
        training: Training,
        write: Callable[[], Path],
        asked_to_stop: threading.Event,
        until: float,
        every_seconds: float,
        every_updates: int | None,
    ) -> None:
        self.training, self.write_now = training, write
        self.asked_to_stop, self.until = asked_to_stop, until
        self.every_seconds, self.every_updates = every_seconds, every_updates or math.inf
        self.last_time, self.last_update = perf_counter(), training.done

    def __call__(self) -> None:
        if self.asked_to_stop.is_set() or time.monotonic() >= self.until:
            folder = self.write_now().parent
            done, updates = self.training.done, self.training.updates
            raise Stopped(f"Stopped after {done} of {updates} updates; the run in {folder} can go on from there.")
        updates = self.training.done - self.last_update
        if updates >= self.every_updates or perf_counter() - self.last_time >= self.every_seconds:
            self.write_now()
            self.last_time, self.last_update = perf_counter(), self.training.done


def _write_checkpoint(path: Path, identity: Identity, training: Training, writer: SummaryWriter | None) -> Path:
    if writer:
        writer.flush()  # so that no point up to the checkpoint can be lost after it
    _write_tensors(path, training.state() | {"identity": _of_checkpoint(identity)})
    return path


def _of_checkpoint(identity: Identity) -> dict[str, Any]:
    """All that must be the same for a run to go on from a checkpoint."""
    return asdict(identity) | {"version": version("nonlin")}


def _restore(training: Training, path: Path, identity: Identity) -> None:
    """Go on from the checkpoint of this run, if there is one; no other is taken."""
    state = _read_checkpoint(path)
    if state is None:
        return
    anew = "put back what was changed, or remove that file, and the run begins anew"
    different = _differences(state.pop("identity"), _of_checkpoint(identity))
    if different:
        raise RunError(f"{path} is of another run ({'; '.join(different)}): {anew}.")
    try:
        training.restore(state)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"{path} does not fit this run: {anew}.") from error


@contextmanager
def _only_process(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees when the process ends, however it ends."""
    lock = filelock.FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=LOCK_SECONDS)
    except filelock.Timeout as error:
        raise RunError(f"Another process trains in {folder}: wait until it ends, or use another folder.") from error
    except OSError as error:
        raise RunError(f"Cannot write a run into {folder} ({reason(error)}): choose another folder.") from error
    try:
        yield
    finally:
        lock.release()


# The end


def _store(folder: Path, identity: Identity, result: Result, weights: dict[str, Tensor], keep: bool) -> None:
    """Write the result last: its presence says that the run has ended and that all else is there."""
    if keep:
        _write_tensors(folder / WEIGHTS, weights)
    times = TimesRecord(epochs=tuple(epoch.seconds for epoch in result.epochs), seconds=result.seconds)
    write_json(folder / TIMES, times, sort_keys=True)
    of_scores = [each.name for each in fields(Scores)]
    content = ResultRecord(
        configuration=identity,
        data=result.data,
        device=result.device,
        diverged=result.diverged,
        epochs=tuple(Scores(**{name: getattr(epoch, name) for name in of_scores}) for epoch in result.epochs),
        observed=result.observed,
        parameters=result.parameters,
        precision=result.precision,
        weights=_digest(weights),
    )
    write_json(folder / RESULT, content, sort_keys=True)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _finished(folder: Path, identity: Identity) -> Result | None:
    """The stored result, or None if the run has not ended.

    Raises:
        RunError: if the folder holds a run of another configuration.
    """
    stored = _read_run_if_any(folder)
    if stored is None:
        return None
    different = _differences(asdict(stored.configuration), asdict(identity))
    if different:
        raise RunError(
            f"The run in {folder} has another configuration ({'; '.join(different)}): use another folder, or the same "
            "configuration."
        )
    return read_result(folder) if is_finished(folder) else None


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder has ended; `read_result` tells whether its result is whole."""
    return (Path(folder) / RESULT).exists()


def read_result(folder: Path) -> Result:
    """The result of the finished run in a folder. Where its times are lost, they are NaN.

    Raises:
        RunError: if there is none, or it is of another run.
        FileError: if it is damaged.
    """
    folder = Path(folder)
    stored = read_record(folder / RESULT, ResultRecord, remedy="remove that file, and the run is trained anew")
    if stored is None:
        raise RunError(f"{folder} holds no finished run: train it to the end first.")
    different = _differences(asdict(_read_run(folder).configuration), asdict(stored.configuration))
    if different:
        raise RunError(
            f"{folder / RESULT} is not the result of this run ({'; '.join(different)}): put back what was changed, or "
            "remove that file, and the run is trained anew."
        )
    times = read_record(folder / TIMES, TimesRecord, remedy="remove that file; only the times of the run are lost")
    if times is None or len(times.epochs) != len(stored.epochs):
        times = TimesRecord(epochs=(math.nan,) * len(stored.epochs), seconds=math.nan)
    return Result(
        recipe=stored.configuration.recipe,
        data=stored.data,
        epochs=tuple(
            Epoch(**vars(scores), seconds=seconds) for scores, seconds in zip(stored.epochs, times.epochs, strict=True)
        ),
        diverged=stored.diverged,
        parameters=stored.parameters,
        device=stored.device,
        precision=stored.precision,
        observed=stored.observed,
        seconds=times.seconds,
        log_dir=folder if tracking.holds_run(folder) else None,
    )


def _differences(stored: dict[str, Any], given: dict[str, Any], prefix: str = "") -> list[str]:
    """The fields that differ, with both values, those of the recipe included."""
    different = []
    for name in sorted(stored.keys() | given.keys()):
        old, new = stored.get(name), given.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            different += _differences(old, new, f"{name}.")
        elif old != new:
            different.append(f"{prefix}{name} was {old}, now is {new}")
    return different


def _digest(weights: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()


# Where a run took place


def environment() -> dict[str, Any]:
    """Versions, code revision and hardware, for a file beside numbers."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return {
        "versions": {
            "nonlin": version("nonlin"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "activations": fast.form(),
        },
        "revision": _revision(),
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "graphics_processor": accelerator and device_name(accelerator),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


@lru_cache
def _revision() -> str:
    """The commit that the code is at, and whether it was changed since; without git, the package's version."""
    git = ["git", "--no-optional-locks", "-C", str(project_root())]
    options = {"capture_output": True, "text": True, "check": True}
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **options).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], **options).stdout
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return f"version {version('nonlin')}"
    return f"{commit}{', changed since' if changes else ''}"


@lru_cache
def _processor() -> str:
    with suppress(OSError):  # Linux only; elsewhere platform knows
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# Files


def _read_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `_write_checkpoint` wrote, or None if there is no checkpoint."""
    try:
        content = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        # torch.load sees a truncated file, but no changed byte; the checksums in the archive do.
        with zipfile.ZipFile(content) as archive:
            damaged = archive.testzip()
        if damaged:
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        content.seek(0)
        state = torch.load(content, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
            raise KeyError("identity")
    except zipfile.BadZipFile as error:
        raise RunError(f"{path} is damaged ({reason(error)}): remove that file, and the run begins anew.") from error
    except Exception as error:  # torch.load raises many types, and its own words would advise to load it unsafely
        raise RunError(
            f"{path} is no checkpoint of this version: go on with the version that wrote it, or remove that file, and "
            "the run begins anew."
        ) from error
    return state


def _write_tensors(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, lambda file: torch.save(content, file))
