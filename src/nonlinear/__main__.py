"""The command line. Only the standard library is imported here: ``--help`` is at once there, and without torch too."""

import argparse
import itertools
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from nonlinear.experiments.errors import ReaderError, reason

if TYPE_CHECKING:
    from tensorboard.program import TensorBoard

    from nonlinear.activations import Activation
    from nonlinear.benchmark import Timing
    from nonlinear.experiments.before_after import BeforeAfter
    from nonlinear.experiments.data import Dataset
    from nonlinear.experiments.models import MakeActivation
    from nonlinear.experiments.report import Row
    from nonlinear.experiments.runs import Configuration
    from nonlinear.experiments.sweep import Grid
    from nonlinear.experiments.training import Result
    from nonlinear.plots import Picture

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
HOST, PORT = "127.0.0.1", 6006
UNSMOOTHED = "scalars&_smoothingWeight=0"  # TensorBoard's default smoothing bends curves of a few epochs


class UsageError(ReaderError):
    """Wrong input."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code: 0, 1 where the command failed, 2 for wrong input, 130 after Ctrl-C.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign shows "?"
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        return _say("\nStopped.", INTERRUPTED)
    except UsageError as error:
        return _say(f"Error: {_sentence(error)}", MISUSED)
    except (ReaderError, OSError) as error:
        return _say(f"Error: {_sentence(error)}", FAILED)


def _sentence(error: Exception | str) -> str:
    """An error's message as one sentence. The system's errors carry a number, which helps nobody."""
    words = str(error)
    if isinstance(error, OSError) and error.strerror:
        words = f"{error.filename}: {reason(error)}" if error.filename else reason(error)
    return words if words.endswith("?") else f"{words.rstrip('.')}."


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _program() -> str:
    return "start.py" if os.environ.get("NONLINEAR_PROG") else "nonlinear"


def _command() -> str:
    """What the user types to run this program."""
    return "python3 start.py" if os.environ.get("NONLINEAR_PROG") else "nonlinear"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_program(), description="The activation functions of PyTorch: a course in which everything is measured."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_before_after,
        _add_train,
        _add_sweep,
        _add_report,
        _add_gradients,
        _add_data,
        _add_plot,
        _add_table,
        _add_claims,
        _add_guide,
        _add_bench,
        _add_bench_training,
        _add_tensorboard,
        _add_refresh,
    ):
        add(commands)
    arguments, rest = parser.parse_known_args(argv)
    if arguments.run is _tensorboard:
        arguments.rest = rest
    elif rest:
        arguments.parser.error(f"unrecognised arguments: {' '.join(rest)}")
    if arguments.run in (_sweep, _report, _gradients):
        arguments.argv = argv
    return arguments


def _add(commands: "argparse._SubParsersAction", name: str, run: Callable, summary: str) -> argparse.ArgumentParser:
    # No abbreviations: "--log" must not mean one thing today and another when an option is added.
    parser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.set_defaults(run=run, parser=parser)
    return parser


def _add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        default="auto",
        metavar="DATA",
        help="cifar10, shapes10, a folder with train/CLASS/* and test/CLASS/*, or auto: CIFAR-10 if it can be had, "
        "else shapes10 (default: auto)",
    )


def _add_log_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-dir",
        type=Path,
        metavar="DIR",
        help="where TensorBoard runs are kept; each run gets a new folder in it (default: the project's runs/, or what "
        "NONLINEAR_RUNS names)",
    )


# Numbers


def _whole(lowest: int, highest: int = 2**31 - 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise argparse.ArgumentTypeError(f"must be a whole number from {lowest} to {highest}, not {text!r}")
        return number

    return parse


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


# before-after


def _add_before_after(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "before-after",
        _before_after,
        "Send the whole test set through activations; show the images before and after in TensorBoard.",
    )
    parser.add_argument(
        "--activation",
        nargs="+",
        default=["sigmoid", "tanh", "relu"],
        metavar="NAME",
        help="one or more names, or all; a wrong name lists the known ones (default: sigmoid tanh relu)",
    )
    _add_data_option(parser)
    parser.add_argument(
        "--batch-size", type=_whole(1), default=64, metavar="N", help="images per batch (default: %(default)s)"
    )
    parser.add_argument(
        "--all-batches",
        action="store_true",
        help="log every image of every batch, about 75 times as many bytes, instead of 12 images of every 20th batch",
    )
    _add_log_dir(parser)


def _before_after(arguments: argparse.Namespace) -> None:
    records = _records(arguments.activation)
    folder = _runs(arguments.log_dir) / "before-after"
    from nonlinear.experiments import tracking
    from nonlinear.experiments.before_after import before_after, compare

    dataset = _load(arguments.data)
    group = tracking.fresh_folder(folder, dataset.name)
    options = {"batch_size": arguments.batch_size, "log_dir": group}
    started, compute_seconds = perf_counter(), 0.0
    for record in records:
        result = before_after(record, dataset, all_batches=arguments.all_batches, **options)
        compute_seconds += result.compute_seconds
        print(_in_words(result), flush=True)
    compare({record.title: record for record in records}, dataset, **options)
    log_seconds = perf_counter() - started - compute_seconds
    written = tracking.bytes_written(group) / 2**20
    print(f"Computation {compute_seconds:.1f} s, logging {log_seconds:.1f} s, {written:.1f} MiB written.")
    print(_how_to_look(arguments.log_dir, group, "images"))


def _in_words(result: "BeforeAfter") -> str:
    from nonlinear.experiments.before_after import percent

    after, before = result.normalised.after, result.normalised.before
    unchanged = result.plain.unchanged
    plain = "all equal their inputs exactly" if unchanged == 1 else f"{percent(unchanged)} equal their inputs exactly"
    return (
        f"{result.name}, of all {result.images:,} images of {result.data}:\n"
        f"  values in [0, 1]: mean {result.plain.before.mean:.3f} -> {result.plain.after.mean:.3f}, "
        f"std {result.plain.before.std:.3f} -> {result.plain.after.std:.3f}; of the outputs {plain}\n"
        f"  normalised:       mean {before.mean:.3f} -> {after.mean:.3f}, std {before.std:.3f} -> {after.std:.3f}; "
        f"of the outputs {percent(after.zeros)} are exactly 0, {percent(result.normalised.saturated)} saturated "
        "(slope below 0.1)"
    )


# train


def _add_train(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "train",
        _train,
        "Train a small network with an activation; curves in TensorBoard. Ctrl-C stops it so that it can go on later.",
    )
    parser.add_argument(
        "--activation",
        default="relu",
        metavar="NAME",
        help="a wrong name lists the known ones (default: %(default)s)",
    )
    _add_data_option(parser)
    parser.add_argument(
        "--epochs",
        type=_whole(1),
        default=4,
        metavar="N",
        help="passes over the training images; on CIFAR-10 one takes about 9 s on two processor cores "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=_whole(0, 2**63 - 1),
        default=0,
        metavar="N",
        help="of initial weights, order and augmentation (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=_whole(1), default=256, metavar="N", help="images per update (default: %(default)s)"
    )
    parser.add_argument(
        "--learning-rate",
        type=_above_zero,
        metavar="X",
        help="at its peak; it rises from 0 over the first 23%% of the updates, then falls to 0 (default: 0.3), with "
        "--no-batch-norm 0.1",
    )
    parser.add_argument("--network", choices=NETWORKS, default="cnn", help="(default: %(default)s)")
    parser.add_argument(
        "--depth",
        type=_whole(0, 1000),
        default=1,
        metavar="N",
        help="hidden layers of mlp; further convolutions or residual blocks in each group of the other networks "
        "(default: %(default)s)",
    )
    parser.add_argument("--no-batch-norm", action="store_true", help="leave batch normalisation out")
    parser.add_argument(
        "--initialisation", choices=INITIALISATIONS, default="torch", help="of the weights (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="auto takes bfloat16 where a timing shows that it is faster (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=_whole(1, 1024), metavar="N", help="processor threads (default: torch's choice, one per core)"
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with the run in this folder, as it was started; besides, only --data may be given",
    )
    _add_log_dir(parser)


# Spelled out, since --help must not wait for torch.
NETWORKS = ("cnn", "cnn_full_resolution", "resnet", "mlp")
INITIALISATIONS = ("torch", "he", "he_centred", "xavier", "lecun_normal", "orthogonal")
PRECISIONS = ("float32", "bfloat16", "auto")


def _train(arguments: argparse.Namespace) -> int:
    if arguments.resume:
        return _resume(arguments)
    if arguments.activation == "all":
        raise UsageError("train takes one activation at a time; all is for before-after, plot, table and bench")
    (name,) = _makers([arguments.activation])
    folder = _runs(arguments.log_dir) / "train"
    import shutil

    from nonlinear.experiments import runs, tracking

    dataset = _load(arguments.data)
    configuration = _configuration(arguments, dataset)
    run = tracking.fresh_folder(folder, f"{name}-{dataset.name}-seed{arguments.seed}")
    try:
        return _train_in(run, configuration, dataset, arguments)
    finally:
        if not (run / runs.RUN).exists():  # stopped before it began
            shutil.rmtree(run)


def _configuration(arguments: argparse.Namespace, dataset: "Dataset") -> "Configuration":
    import torch

    from nonlinear.experiments.runs import Configuration, fingerprint
    from nonlinear.experiments.training import Recipe

    recipe = Recipe(
        epochs=arguments.epochs,
        seed=arguments.seed,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate or (0.1 if arguments.no_batch_norm else 0.3),
    )
    return Configuration(
        activation=arguments.activation,
        data=dataset.title,
        fingerprint=fingerprint(dataset),
        network=arguments.network,
        depth=arguments.depth,
        batch_norm=not arguments.no_batch_norm,
        initialisation=arguments.initialisation,
        precision=arguments.precision,
        threads=arguments.threads or torch.get_num_threads(),
        recipe=recipe,
    )


def _resume(arguments: argparse.Namespace) -> int:
    for name, value in vars(arguments).items():
        if name not in ("run", "parser", "resume", "data") and value != arguments.parser.get_default(name):
            option = name.replace("_", "-")
            raise UsageError(f"--resume goes on with a run as it was started: leave out --{option}")
    from nonlinear.experiments.runs import fingerprint, read_configuration

    folder = arguments.resume.expanduser().absolute()
    configuration = read_configuration(folder)
    dataset = _load(arguments.data)
    if fingerprint(dataset) != configuration.fingerprint:
        raise UsageError(
            f"the run was trained on other images, {configuration.data}, than those of {dataset.title}: name them with "
            "--data"
        )
    return _train_in(folder, configuration, dataset, arguments)


def _train_in(folder: Path, configuration: "Configuration", dataset: "Dataset", arguments: argparse.Namespace) -> int:
    from nonlinear.experiments import runs

    ((name, maker),) = _makers([configuration.activation]).items()
    try:
        result = runs.run(configuration, maker, dataset, folder, progress=None)
    except KeyboardInterrupt:
        if not (folder / runs.RUN).exists():
            raise
        data = "" if arguments.data == "auto" else f" --data {_quoted(arguments.data)}"
        return _say(f"\nStopped; to go on: {_command()} train --resume {_quoted(folder)}{data}", INTERRUPTED)
    if result.diverged:
        return _say(
            f"Diverged: the training loss of {_title(name)} became infinite or NaN in epoch {len(result.epochs)}; "
            f"try a --learning-rate below {configuration.recipe.learning_rate:g}.",
            FAILED,
        )
    print(_outcome(name, result))
    print(_how_to_look(arguments.log_dir, folder, UNSMOOTHED))
    return 0


def _outcome(name: str, result: "Result") -> str:
    epochs = len(result.epochs)
    return (
        f"{_title(name)} on {result.data}: test accuracy {result.test_accuracy:.1f} % after {epochs} "
        f"epoch{'s' if epochs > 1 else ''}, seed {result.recipe.seed}, {result.seconds:.0f} s "
        f"({result.device}, {result.precision})."
    )


# sweep


def _add_sweep(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "sweep",
        _sweep,
        "Train every combination of activations, networks, settings and seeds, several at a time. The same command "
        "goes on after Ctrl-C or a crash; what is finished is not trained again.",
    )
    parser.add_argument(
        "--activations",
        nargs="+",
        default=["relu", "gelu", "silu", "tanh"],
        metavar="NAME",
        help="names, or all; prelu, rrelu and swish_learned learn or draw as they train (default: relu gelu silu tanh)",
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["cnn"], help="(default: cnn)")
    parser.add_argument(
        "--batch-norm", nargs="+", choices=("yes", "no"), default=["yes"], help="with, without, or both (default: yes)"
    )
    parser.add_argument(
        "--depths", nargs="+", type=_whole(0, 1000), default=[1], metavar="N", help="as --depth of train (default: 1)"
    )
    parser.add_argument(
        "--initialisations",
        nargs="+",
        choices=INITIALISATIONS,
        default=["torch"],
        help="of the weights (default: torch)",
    )
    parser.add_argument(
        "--learning-rate",
        nargs="+",
        type=_above_zero,
        default=[None],
        metavar="X",
        help="one or more, at their peak (default: 0.3 with batch normalisation, 0.1 without)",
    )
    parser.add_argument(
        "--seeds",
        type=_whole(1, 10_000),
        default=3,
        metavar="N",
        help="runs of each combination, with seeds 0 to N - 1 (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=_whole(1), default=4, metavar="N", help="of each run (default: %(default)s)")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--observe", action="store_true", help="count dead units in every run, which takes a little longer"
    )
    _add_data_option(parser)
    parser.add_argument(
        "--jobs",
        type=_whole(1, 1024),
        metavar="N",
        help="runs at a time, each on one thread (default: one per processor core)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a running Dask scheduler, tcp://HOST:8786, whose workers are used instead of this machine's cores; "
        "they need this package, the data and --log-dir at the same paths, and suit best with --nthreads 1",
    )
    _add_log_dir(parser)


def _sweep(arguments: argparse.Namespace) -> int:
    activations = _makers(arguments.activations)
    parent = _runs(arguments.log_dir) / "sweep"
    from functools import partial

    from nonlinear.experiments import data
    from nonlinear.experiments.sweep import sweep

    dataset = _load(arguments.data)
    source = arguments.data if arguments.data in data.SOURCES else str(Path(arguments.data).expanduser().absolute())
    precision = arguments.precision + "-observed" * arguments.observe
    folder = parent / f"{dataset.name}-{arguments.epochs}epochs-{precision}"
    try:
        failed = sweep(
            _grid(arguments, list(activations)).cells(dataset),
            activations,
            partial(data.load, source, notice=_already_given),
            folder,
            jobs=arguments.jobs,
            scheduler=arguments.scheduler,
            observe=arguments.observe,
            command=_typed(arguments),
        )
    except KeyboardInterrupt as stop:
        return _say(f"\n{stop or 'Stopped.'} The same command goes on.", INTERRUPTED)
    print(_how_to_look(arguments.log_dir, folder, UNSMOOTHED))
    for outcome in failed:
        _say(f"Failed: {outcome.folder}: {_sentence(outcome.failure)}", FAILED)
    return FAILED if failed else 0


def _grid(arguments: argparse.Namespace, activations: list[str]) -> "Grid":
    from nonlinear.experiments.sweep import Grid

    return Grid(
        activations=activations,
        networks=arguments.networks,
        batch_norm=[answer == "yes" for answer in arguments.batch_norm],
        depths=arguments.depths,
        initialisations=arguments.initialisations,
        learning_rates=arguments.learning_rate,
        seeds=range(arguments.seeds),
        epochs=arguments.epochs,
        precision=arguments.precision,
    )


def _already_given(notice: str) -> None:
    """Processes of a sweep need not say again which data it uses."""


def _typed(arguments: argparse.Namespace) -> str:
    return " ".join([_command(), *(_quoted(word) for word in arguments.argv)])


# report


def _add_report(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "report",
        _report,
        "Compare finished runs: accuracies with paired differences to ReLU, as a table, CSV files and figures.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of a sweep, or any with runs below it, or a runs.csv"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (default: report/ in FOLDER)")
    parser.add_argument(
        "--reference", type=Path, metavar="CSV", help="a runs.csv to draw these runs over, data/results/*/runs.csv say"
    )


def _report(arguments: argparse.Namespace) -> None:
    source = arguments.folder.expanduser().absolute()
    output = arguments.output or (source.parent if source.is_file() else source) / "report"
    from nonlinear.experiments import report
    from nonlinear.experiments.folders import is_writable

    if not is_writable(output.expanduser().absolute()):
        raise UsageError(f"a report cannot be written into {output}: choose another --output")
    rows = report.read_runs(source)
    reference = report.read_runs(arguments.reference) if arguments.reference else []
    print(report.table(report.summary(rows)))
    for line in report.missing_in_words(source):
        print(line)
    pictures = _pictures(rows, reference)
    report.write(rows, source, output, command=_typed(arguments))
    for name, picture in pictures.items():
        report.write_file(output / f"{name}.png", picture.save)
    words = "\n\n".join(f"{name}.png\n{picture.text}" for name, picture in pictures.items()) + "\n"
    report.write_file(output / "figures.txt", lambda file: file.write(words.encode()))
    print(f"Tables, figures, and the figures in words: {output.absolute()}")


def _pictures(rows: "list[Row]", reference: "list[Row]") -> "dict[str, Picture]":
    """Every figure of a report by the name of its file."""
    os.environ.setdefault("MPLBACKEND", "agg")
    from nonlinear import plots
    from nonlinear.experiments import report

    pictures = {}
    for name, members in report.by_file_name(rows).items():
        pictures[f"{name}-epochs"] = plots.learning_curves(members)
        pictures[f"{name}-seconds"] = plots.learning_curves(members, over="seconds")
        if any(entry.difference is not None for entry in report.summary(members)):
            pictures[f"{name}-differences"] = plots.paired_differences(members)
    if reference:
        try:
            pictures["reference"] = plots.against_reference(rows, reference)
        except ValueError as error:
            raise UsageError(f"--reference: {error}") from error
    return pictures


# gradients


def _add_gradients(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands, "gradients", _gradients, "What initialisation and depth do to the gradient before any training."
    )
    parser.add_argument(
        "--activations", nargs="+", default=["all"], metavar="NAME", help="names, or all (default: all)"
    )
    parser.add_argument("--depths", type=_whole(2), nargs="+", metavar="N", help="hidden layers (default: 4 16 64)")
    parser.add_argument("--seeds", type=_whole(2), default=5, metavar="N", help="networks each (default: 5)")
    _add_data_option(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write the table into FOLDER, as CSV")


def _gradients(arguments: argparse.Namespace) -> None:
    makers = _makers(arguments.activations)
    dataset = _load(arguments.data)
    from tqdm.auto import tqdm

    from nonlinear.experiments import gradient_study
    from nonlinear.experiments.models import threads

    depths = arguments.depths or gradient_study.DEPTHS
    cells = len(makers) * len(gradient_study.SCHEMES) * len(depths) * arguments.seeds
    with threads(1):
        measured = gradient_study.study(makers, dataset, depths=depths, seeds=arguments.seeds)
        starts = list(tqdm(measured, "Networks", cells, leave=False, disable=None))
    print(f"Factor by which one hidden layer multiplies the gradient, {dataset.title}, {arguments.seeds} seeds, 95 %\n")
    print(gradient_study.table(starts))
    if arguments.output:
        gradient_study.write(starts, dataset, _typed(arguments), arguments.output)
        print(f"Written: {arguments.output}")


# data


def _add_data(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "data", _data, "Fetch a data set if need be, and describe it.")
    parser.add_argument(
        "source",
        nargs="?",
        default="auto",
        metavar="SOURCE",
        help="cifar10 (tries a failed download again), shapes10, a folder, or auto (default: auto)",
    )


def _data(arguments: argparse.Namespace) -> None:
    dataset = _load(arguments.source)
    numbers = {"mean": dataset.mean, "standard deviation": dataset.std}
    print(dataset.title)
    print(f"  {len(dataset.train.images):,} training images, {len(dataset.test.images):,} test images, 32x32, colour")
    count = len(dataset.classes)
    print(f"  {count} class{'es' if count > 1 else ''}: {', '.join(dataset.classes)}")
    for name, values in numbers.items():
        print(f"  {name} of red, green, blue, scaled to [0, 1]: {', '.join(f'{value:.4f}' for value in values)}")


def _load(source: str) -> "Dataset":
    from nonlinear.experiments.data import load

    return load(source)


# plot


def _add_plot(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "plot", _plot, "Draw activations and their slopes, and describe them in words.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="names, or all; a wrong one lists the known ones")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="PNG file (default: plots/NAMES.png in the folder of the runs)"
    )
    parser.add_argument(
        "--photograph", action="store_true", help="show what each makes of a photograph, above its curve"
    )


def _plot(arguments: argparse.Namespace) -> None:
    records = _records(arguments.names)
    output = arguments.output or _runs(None) / "plots" / f"{'-'.join(arguments.names)}.png"
    if output.suffix.lower() != ".png":
        raise UsageError(f"--output must end in .png: {output}")
    os.environ.setdefault("MPLBACKEND", "agg")
    from nonlinear.plots import curve_and_slope, on_a_photograph

    picture = (on_a_photograph if arguments.photograph else curve_and_slope)(*records)
    _save(picture, output)
    print(output.absolute())
    print(picture.text)


def _save(picture: "Picture", output: Path) -> None:
    """Write a figure whole or not at all."""
    part = output.with_name(f".{output.stem}.part.png")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        picture.save(part)
        part.replace(output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written ({reason(error)}): choose another --output") from error
    finally:
        with suppress(OSError):
            part.unlink()


# table


def _add_table(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "table", _table, "Compare activations: range, mean, slopes, smoothness, gain.")
    parser.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="names (default: all)")


def _table(arguments: argparse.Namespace) -> None:
    records = _records(arguments.names)
    from nonlinear.tables import TABLE_KEY, comparison

    print(comparison(*records))
    print(TABLE_KEY)


# claims


def _add_claims(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "claims", _claims, "What is often said about activations, tested: every claim's verdict.")
    parser.add_argument(
        "numbers", nargs="*", type=_whole(1), metavar="NUMBER", help="only these, with what decides them (default: all)"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure those anew whose numbers are kept in data/results/claims; all of them take an hour or more",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write all cases with their verdicts to a CSV file, data/results/claims/verdicts.csv for lesson 14",
    )


def _claims(arguments: argparse.Namespace) -> int:
    from nonlinear.claims import CLAIMS, MissingMeasurement, stored, verdicts

    if arguments.output and arguments.numbers:
        raise UsageError("--output writes the whole ledger: leave the numbers out")
    unknown = [number for number in arguments.numbers if number not in CLAIMS]
    if unknown:
        raise UsageError(f"there is no claim {unknown[0]}; there are {min(CLAIMS)} to {max(CLAIMS)}")
    claims = [CLAIMS[number] for number in arguments.numbers or CLAIMS]
    if arguments.measure:
        for claim in (claim for claim in claims if claim.kept):
            print(f"Measuring claim {claim.number}: {claim.statement}")
            print(f"  kept in {stored.measure(claim)}")
    missing, findings = 0, []
    for claim in claims:
        try:
            finding = claim.test()
        except MissingMeasurement as error:
            missing += 1
            print(f"{claim.number:3}  {'no data':9}  {claim.statement}\n     {error}")
            continue
        findings.append(finding)
        print(f"{claim.number:3}  {finding.verdict:9}  {claim.statement}  [lesson {claim.lesson}]", flush=True)
        for case in finding.cases if arguments.numbers else ():
            print(f"       - {case}")
        if arguments.numbers and claim.thin:
            print(f"       {claim.thin}")
    if not arguments.numbers:
        print(f"What decides a verdict: {_command()} claims NUMBER")
    if arguments.output and not missing:  # a table with gaps would look complete
        try:
            verdicts.write(findings, arguments.output)
        except OSError as error:
            raise UsageError(f"{arguments.output} cannot be written ({reason(error)}): choose another") from error
        print(f"Written: {arguments.output}")
    return FAILED if missing else 0


# guide


def _add_guide(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "guide", _guide, "Which activation, where: advice, each line with its evidence.")
    parser.add_argument(
        "--cheat-sheet",
        type=Path,
        metavar="FILE",
        help="write all activations and this guide as one page to print, a PNG or PDF file",
    )


def _guide(arguments: argparse.Namespace) -> None:
    page = arguments.cheat_sheet
    if page and page.suffix.lower() not in (".png", ".pdf"):
        raise UsageError(f"--cheat-sheet must end in .png or .pdf: {page}")
    if page:
        os.environ.setdefault("MPLBACKEND", "agg")
        from nonlinear.plots.cheat_sheet import cheat_sheet, save

        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            save(cheat_sheet(), page)
        except OSError as error:
            raise UsageError(f"{page} cannot be written ({reason(error)}): choose another --cheat-sheet") from error
        print(page.absolute())
        return
    from nonlinear.guide import examine

    situation = ""
    for line, found in examine().items():
        if line.situation != situation:
            situation = line.situation
            print(f"{situation}")
        print(f"  {line.advice}")
        for each in found:
            print(f"     {each}")


# bench


def _add_bench(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "bench", _bench, "Time and memory of our activations against torch.nn, side by side.")
    parser.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="names (default: all)")
    parser.add_argument("--repeats", type=_whole(2), default=20, help="rounds that count (default: 20)")
    parser.add_argument(
        "--threads", type=_whole(1), nargs="+", default=[1, 2], help="that torch may use, one table each (default: 1 2)"
    )
    parser.add_argument(
        "--compiled", action="store_true", help="also through torch.compile; needs a C++ compiler and takes minutes"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="draw each table into FOLDER, as PNG files")


def _bench(arguments: argparse.Namespace) -> None:
    records = [record for record in _records(arguments.names) if record.torch_module]
    if not records:
        raise UsageError("none of these has a counterpart in torch.nn to be compared with")
    from tqdm import tqdm

    from nonlinear import benchmark

    for threads, shape in itertools.product(arguments.threads, benchmark.SHAPES):
        options = {"repeats": arguments.repeats, "number_of_threads": threads, "compiled": arguments.compiled}
        timings = [
            benchmark.compare(record, shape, **options)
            for record in tqdm(records, desc=f"{threads} threads, {shape}", leave=False)
        ]
        print(benchmark.machine(threads))
        print(benchmark.time_table(shape, timings), end="\n\n", flush=True)
        if arguments.output:
            _draw_costs(timings, arguments.output / f"bench_{'x'.join(map(str, shape))}_{threads}_threads.png")
    print(benchmark.memory_table(records))


def _draw_costs(timings: "list[Timing]", file: Path) -> None:
    os.environ.setdefault("MPLBACKEND", "agg")
    from nonlinear import plots

    picture = plots.costs({t.name: {"torch.nn": t.their_copies, "ours": t.copies} for t in timings}, floor=2)
    _save(picture, file)


# bench-training


def _add_bench_training(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "bench-training",
        _bench_training,
        "Training speed: the loop of the usual tutorial, ours, our network, and bfloat16, side by side.",
    )
    _add_data_option(parser)
    parser.add_argument("--rounds", type=_whole(2), default=5, help="that count (default: 5)")
    parser.add_argument(
        "--convolutions", type=_whole(1, 10), default=2, help="in each block of the usual network (default: 2)"
    )
    parser.add_argument("--threads", type=_whole(1), default=1, help="that torch may use (default: 1)")
    parser.add_argument(
        "--seconds", type=_above_zero, help="also the test accuracy of each after so much time of computing"
    )


def _bench_training(arguments: argparse.Namespace) -> None:
    from nonlinear.experiments import loop_benchmark

    dataset = _load(arguments.data)
    measured = loop_benchmark.throughput(
        dataset,
        rounds=arguments.rounds,
        convolutions=arguments.convolutions,
        number_of_threads=arguments.threads,
    )
    print(loop_benchmark.report(measured), flush=True)
    if arguments.seconds:
        reached = loop_benchmark.accuracies(dataset, measured, seconds=arguments.seconds)
        print(loop_benchmark.report(measured, reached))


# tensorboard


def _add_tensorboard(commands: "argparse._SubParsersAction") -> None:
    parser = _add(
        commands,
        "tensorboard",
        _tensorboard,
        "Show the runs in TensorBoard, on this machine only, until Ctrl-C. Other options go to TensorBoard itself.",
    )
    parser.add_argument(
        "--port", type=_whole(0, 65535), default=PORT, metavar="N", help="0 takes any free one (default: %(default)s)"
    )
    _add_log_dir(parser)


def _tensorboard(arguments: argparse.Namespace) -> None:
    folder = arguments.log_dir or _runs(None)
    _check_port(arguments.port)
    from tensorboard import default, program
    from tensorboard.plugins.base_plugin import FlagsError

    server = program.TensorBoard(plugins=default.get_plugins())
    options = ["--logdir", str(folder), "--host", HOST, "--port", str(arguments.port)]
    try:
        server.configure(["tensorboard", *options, *arguments.rest])
    except FlagsError as error:
        raise UsageError(f"TensorBoard does not take these options: {error}") from error
    # TensorBoard has no login: whoever can reach it reads every run.
    if server.flags.bind_all or server.flags.host != HOST:
        raise UsageError("TensorBoard is shown on this machine only: leave out --bind_all and --host")
    _serve(server, folder)


def _check_port(port: int) -> None:
    """Before TensorBoard, which prints paragraphs about other things before it finds the port taken."""
    import socket

    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        raise UsageError(f"port {port} is taken or not allowed; choose another with --port") from error


def _serve(server: "TensorBoard", folder: Path) -> None:
    import threading

    from tensorboard.program import TensorBoardServerException

    server._fix_mime_types()  # as TensorBoard's own main does: some Windows machines call JavaScript plain text
    try:
        url = server.launch()
    except TensorBoardServerException as error:
        raise UsageError(error.msg) from error
    try:
        print(f"{folder} in TensorBoard: {url}\nCtrl-C stops it.", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


# refresh


def _add_refresh(commands: "argparse._SubParsersAction") -> None:
    parser = _add(commands, "refresh", _refresh, "For authors: run lessons and store their outputs.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help='beginnings of names, "02" (default: all)')


def _refresh(arguments: argparse.Namespace) -> None:
    from nonlinear.notebooks import refresh

    refresh(arguments.lessons)


# What several commands need


def _records(names: Sequence[str]) -> list["Activation"]:
    """The records of these names, or all for "all", each once, in the order given."""
    from nonlinear.activations import ACTIVATIONS

    if "all" in names:
        return list(ACTIVATIONS.values())
    for name in names:
        if name not in ACTIVATIONS:
            raise UsageError(_unknown(name, list(ACTIVATIONS)))
    return [ACTIVATIONS[name] for name in dict.fromkeys(names)]


def _makers(names: Sequence[str]) -> dict[str, "MakeActivation"]:
    """What makes a module of each name, or of all for "all": a record's own, or one that learns or draws."""
    from functools import partial

    from nonlinear.activations import ACTIVATIONS, ActivationModule
    from nonlinear.activations.learned import PReLU, RReLU, Swish

    makers = {name: partial(ActivationModule, record) for name, record in ACTIVATIONS.items()}
    makers |= {"prelu": PReLU, "rrelu": RReLU, "swish_learned": Swish}
    for name in names:
        if name not in makers and name != "all":
            raise UsageError(_unknown(name, list(makers)))
    return makers if "all" in names else {name: makers[name] for name in names}


def _title(name: str) -> str:
    from nonlinear.activations import ACTIVATIONS

    return ACTIVATIONS[name].title if name in ACTIVATIONS else name


def _unknown(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}? Known" if near else "known"
    return f"there is no activation {name!r}; {hint} are: {', '.join(known)}"


def _runs(log_dir: Path | None) -> Path:
    """Where runs go, which must be writable: asked before anything that takes time."""
    from nonlinear.experiments.folders import is_writable, runs_folder

    folder = (log_dir or runs_folder()).expanduser().absolute()
    if not is_writable(folder):
        raise UsageError(
            f"runs cannot be written into {folder}, which is no folder or not writable: name another with --log-dir or "
            "in NONLINEAR_RUNS"
        )
    return folder


def _how_to_look(log_dir: Path | None, run: Path, tab: str) -> str:
    place = f" --log-dir {_quoted(log_dir)}" if log_dir else ""
    return f"Run: {run}\nTo look: {_command()} tensorboard{place}   then http://localhost:{PORT}/#{tab}"


def _quoted(path: Path | str) -> str:
    import shlex

    return shlex.quote(str(path)) if os.name == "posix" else f'"{path}"'


if __name__ == "__main__":
    sys.exit(main())
