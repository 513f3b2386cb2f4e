"""What several commands share. Only the standard library is imported: ``--help`` comes at once, without torch too."""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from nonlin.errors import Failure, ReaderError, reason
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.activations import Activation
    from nonlin.activations.vectors import VectorFunction
    from nonlin.images.dataset import Dataset
    from nonlin.signatures import MakeActivation

FAILED, MISUSED, INTERRUPTED, UNREAD, TERMINATED = 1, 2, 130, 141, 143
HOST, PORT = "127.0.0.1", 6006
UNSMOOTHED = "scalars&_smoothingWeight=0"  # TensorBoard's default smoothing bends curves of a few epochs

# Spelled out, since --help must not wait for torch.
NETWORKS = ("cnn", "cnn_full_resolution", "resnet", "mlp")
INITIALISATIONS = ("torch", "he", "he_centred", "xavier", "lecun_normal", "orthogonal", "siren")
PRECISIONS = ("float32", "bfloat16", "auto")


class UsageError(ReaderError):
    """Wrong input."""


def sentence(error: Exception | str) -> str:
    """An error's message as one sentence. The system's errors carry a number, which helps nobody."""
    words = str(error)
    if isinstance(error, OSError) and error.strerror:
        words = f"{error.filename}: {reason(error)}" if error.filename else reason(error)
    return shown(words if words.endswith("?") else f"{words.rstrip('.')}.")


def say(line: str, code: int) -> int:
    """Print a line on the error stream; returns the exit code, so that a command can end with it."""
    print("\n".join(map(shown, line.split("\n"))), file=sys.stderr)
    return code


def tell(sentences: Sequence[str], stream: TextIO | None = None) -> int:
    """Print some sentences, failures on the error stream, and return the exit code of a command that has no others."""
    failures = [each for each in sentences if isinstance(each, Failure)]
    for each in sentences:
        print(shown(each), file=sys.stderr if each in failures else stream)
    return FAILED if failures else 0


def program() -> str:
    """The name in the usage."""
    return "start.py" if os.environ.get("NONLIN_PROG") else "nonlin"


def program_as_typed() -> str:
    """What the user types to run this program."""
    return "python3 start.py" if os.environ.get("NONLIN_PROG") else "nonlin"


def typed(arguments: argparse.Namespace) -> str:
    """The whole command as the user could type it again."""
    return " ".join([program_as_typed(), *(quoted(word) for word in arguments.argv)])


def add_command(
    commands: "argparse._SubParsersAction", name: str, run: Callable, summary: str, *, passes_on: bool = False
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: where to.
        name: as it is typed.
        run: takes the arguments; returns the exit code, or None for 0.
        summary: for the help.
        passes_on: whether arguments that it does not know are left to it, in ``rest``.
    """
    # No abbreviations: "--log" must not mean one thing today and another when an option is added.
    parser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.set_defaults(run=run, parser=parser, passes_on=passes_on)
    return parser


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """``--data``, as `load_images` takes it."""
    parser.add_argument(
        "--data",
        default="auto",
        metavar="DATA",
        help="cifar10, shapes10, a folder with train/CLASS/* and test/CLASS/*, or auto: CIFAR-10 if it can be had, "
        "else shapes10 (default: auto)",
    )


def add_log_dir(parser: argparse.ArgumentParser) -> None:
    """``--log-dir``, as `writable_runs` takes it."""
    parser.add_argument(
        "--log-dir",
        type=path,
        metavar="DIR",
        help="where TensorBoard runs are kept; each run gets a new folder in it (default: the project's runs/, or what "
        "NONLIN_RUNS names)",
    )


@dataclass(frozen=True)
class Whole:
    """A type for argparse: a whole number from lowest to highest, in the digits 0 to 9."""

    lowest: int
    highest: int

    def __call__(self, text: str) -> int:
        # int itself would take underscores, spaces, and the digits of other scripts.
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else None
        if number is None or not self.lowest <= number <= self.highest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {self.lowest} to {self.highest}, not {_shortened(text)}"
            )
        return number


@dataclass(frozen=True)
class Above:
    """A type for argparse: a number above 0, and at most the highest."""

    highest: float

    def __call__(self, text: str) -> float:
        try:
            number = float(text) if re.fullmatch(r"[0-9.eE+-]+", text) else math.nan  # as for whole numbers
        except ValueError:
            number = math.nan
        if not 0 < number <= self.highest:
            raise argparse.ArgumentTypeError(
                f"must be a number above 0 and at most {self.highest:g}, not {_shortened(text)}"
            )
        return number


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


# What several commands count, each with its bounds: beyond them a mistake is likelier than a wish.
# 16 threads for each core are slow; with 500 for each, nothing comes to an end any more.
THREADS = JOBS = Whole(1, min(1024, 16 * (os.cpu_count() or 1)))
DEPTH, EPOCHS, BATCH = Whole(0, 1000), Whole(1, 10_000), Whole(1, 10**6)
RATE, MINUTES, SECONDS = Above(1e6), Above(525_600), Above(86_400)


def path(text: str) -> Path:
    """A type for argparse: a file or a folder, absolute; ``~`` at its beginning is a home folder in any shell."""
    from nonlin.paths import absolute

    if not text:
        raise argparse.ArgumentTypeError("must name a file or folder, and is empty")
    try:
        return absolute(text)
    except ReaderError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_scheduler(parser: argparse.ArgumentParser, words: str) -> None:
    """``--scheduler``, the address of a Dask scheduler."""
    parser.add_argument("--scheduler", type=_address, metavar="ADDRESS", help=words)


def _address(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must be an address, tcp://HOST:8786, and is empty")
    return text


def load_images(source: str) -> "Dataset":
    """The data set that ``--data`` names."""
    from nonlin.images.sources import load

    return load(source)


def loader(source: str) -> "Callable[[], Dataset]":
    """What loads the same data set in another process, whatever that process's working folder is, without a notice."""
    from functools import partial

    from nonlin.images import sources
    from nonlin.paths import absolute

    named = source if source in sources.SOURCES else str(absolute(source))
    return partial(sources.load, named, notice=_already_given)


def _already_given(notice: str) -> None:
    """Other processes need not say again which data they use."""


def check_file(file: Path, option: str = "--output") -> None:
    """Refuse a file that cannot be written; asked before anything that takes time."""
    from nonlin.paths import is_writable

    place = file.expanduser().absolute()
    try:
        existing = next(folder for folder in place.parents if os.path.lexists(folder))
        with suppress(FileNotFoundError):
            (existing / place.name).lstat()  # whether a folder between them exists or not
    except OSError as error:  # a name that is too long, a loop of links
        raise UsageError(f"{file} cannot be written ({reason(error)}): choose another {option}") from error
    if place.is_dir() or not is_writable(place.parent):
        raise UsageError(f"{file} is a folder or lies in one that is not writable: choose another {option}")


def records_named(names: Sequence[str]) -> list["Activation"]:
    """The records of these names, or all for "all", each once, in the order given."""
    from nonlin.activations import ACTIVATIONS

    if "all" in names:
        return list(ACTIVATIONS.values())
    for name in names:
        if name not in ACTIVATIONS:
            raise UsageError(_unknown(name, list(ACTIVATIONS)))
    return [ACTIVATIONS[name] for name in dict.fromkeys(names)]


def records_and_vector_functions(
    names: Sequence[str], *, all_means_both: bool = True
) -> tuple[list["Activation"], list["VectorFunction"]]:
    """The records of these names, and the functions of a vector among them.

    Args:
        names: in the order given; "all" for every activation of the course.
        all_means_both: whether "all" includes functions of a vector.
    """
    from nonlin.activations import ACTIVATIONS
    from nonlin.activations.vectors import VECTOR_FUNCTIONS

    if "all" in names:
        return list(ACTIVATIONS.values()), list(VECTOR_FUNCTIONS.values()) if all_means_both else []
    for name in names:
        if name not in ACTIVATIONS and name not in VECTOR_FUNCTIONS:
            raise UsageError(_unknown(name, [*ACTIVATIONS, *VECTOR_FUNCTIONS]))
    own = dict.fromkeys(names)
    return [ACTIVATIONS[n] for n in own if n in ACTIVATIONS], [
        VECTOR_FUNCTIONS[n] for n in own if n in VECTOR_FUNCTIONS
    ]


def makers_named(names: Sequence[str]) -> dict[str, "MakeActivation"]:
    """What makes a module of each name, or of all for "all": a record's own, or one that learns or draws."""
    from functools import partial

    from nonlin.activations import ACTIVATIONS, ActivationModule
    from nonlin.activations.learned import PReLU, RReLU, Swish

    makers = {name: partial(ActivationModule, record) for name, record in ACTIVATIONS.items()}
    makers |= {"prelu": PReLU, "rrelu": RReLU, "swish_learned": Swish}
    for name in names:
        if name not in makers and name != "all":
            raise UsageError(_unknown(name, list(makers)))
    return makers if "all" in names else {name: makers[name] for name in names}


def title_of(name: str) -> str:
    """How an activation is called in a sentence."""
    from nonlin.activations import ACTIVATIONS

    return ACTIVATIONS[name].title if name in ACTIVATIONS else name


def _unknown(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}? Known" if near else "known"
    return f"there is no activation {name!r}; {hint} are: {', '.join(known)}"


def writable_runs(log_dir: Path | None) -> Path:
    """Where runs go, which must be writable: asked before anything that takes time."""
    from nonlin.paths import is_writable, runs_folder

    folder = log_dir or runs_folder()
    if not is_writable(folder):
        raise UsageError(
            f"runs cannot be written into {folder}, which is no folder or not writable: name another with --log-dir or "
            "in NONLIN_RUNS"
        )
    return for_tensorboard(folder)


def for_tensorboard(folder: Path) -> Path:
    """The same folder, if TensorBoard can write into it."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"TensorBoard writes only where every name is UTF-8, which one in {folder} is not: choose another folder"
        ) from error
    return folder


def how_to_look(log_dir: Path | None, run: Path, tab: str) -> str:
    """Two lines: where a run lies, and the command that shows it in TensorBoard, with the tab to open."""
    place = f" --log-dir {quoted(log_dir)}" if log_dir else ""
    return f"Run: {shown(str(run))}\nTo look: {program_as_typed()} tensorboard{place}   then http://localhost:{PORT}/#{tab}"


def quoted(path: Path | str) -> str:
    """A path as a shell takes it."""
    import shlex

    if os.name != "posix":
        return f'"{path}"'
    if shown(str(path)) == str(path):
        return shlex.quote(str(path))
    plain = str(path).replace("\\", r"\\").replace("'", r"\'")
    return f"$'{shown(plain)}'"  # as bash, zsh and others read what a terminal must not get as it is
