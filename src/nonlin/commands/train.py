"""nonlin train: one network, one run."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin.commands.common import (
    BATCH,
    DEPTH,
    EPOCHS,
    FAILED,
    INITIALISATIONS,
    INTERRUPTED,
    NETWORKS,
    PRECISIONS,
    RATE,
    THREADS,
    UNSMOOTHED,
    UsageError,
    Whole,
    add_command,
    add_data_option,
    add_log_dir,
    for_tensorboard,
    how_to_look,
    load_images,
    makers_named,
    path,
    program_as_typed,
    quoted,
    say,
    title_of,
    writable_runs,
)
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.images.dataset import Dataset
    from nonlin.lab.runs import Configuration
    from nonlin.lab.training import Result


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "train",
        run,
        "Train a small network with an activation; curves in TensorBoard. Ctrl-C stops it so that it can go on later.",
    )
    parser.add_argument(
        "--activation",
        default="relu",
        metavar="NAME",
        help="a wrong name lists the known ones (default: %(default)s)",
    )
    add_data_option(parser)
    parser.add_argument(
        "--epochs",
        type=EPOCHS,
        default=4,
        metavar="N",
        help="passes over the training images; on CIFAR-10 one takes about 9 s on two processor cores "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=Whole(0, 2**63 - 1),
        default=0,
        metavar="N",
        help="of initial weights, order and augmentation (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=BATCH, default=256, metavar="N", help="images per update (default: %(default)s)"
    )
    parser.add_argument(
        "--learning-rate",
        type=RATE,
        metavar="X",
        help="at its peak; it rises from 0 over the first 23%% of the updates, then falls to 0 (default: 0.3), with "
        "--no-batch-norm 0.1",
    )
    parser.add_argument("--network", choices=NETWORKS, default="cnn", help="(default: %(default)s)")
    parser.add_argument(
        "--depth",
        type=DEPTH,
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
        "--threads", type=THREADS, metavar="N", help="processor threads (default: torch's choice, one per core)"
    )
    parser.add_argument(
        "--resume",
        type=path,
        metavar="RUN",
        help="go on with the run in this folder, as it was started; besides, only --data may be given",
    )
    add_log_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.resume:
        return _resume(arguments)
    if arguments.activation == "all":
        raise UsageError("train takes one activation at a time; all is for before-after, plot, table and bench")
    (name,) = makers_named([arguments.activation])
    parent = writable_runs(arguments.log_dir) / "train"
    import shutil

    from nonlin.lab import runs, tracking

    dataset = load_images(arguments.data)
    configuration = _configuration(arguments, dataset)
    folder = tracking.fresh_folder(parent, f"{name}-{dataset.name}-seed{arguments.seed}")
    try:
        return _train_in(folder, configuration, dataset, arguments)
    finally:
        if not (folder / runs.RUN).exists():  # stopped before it began
            shutil.rmtree(folder)


def _configuration(arguments: argparse.Namespace, dataset: "Dataset") -> "Configuration":
    import torch

    from nonlin.lab.runs import Configuration, fingerprint
    from nonlin.lab.training import Recipe

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
        threads=arguments.threads or min(torch.get_num_threads(), THREADS.highest),  # OMP_NUM_THREADS may say anything
        recipe=recipe,
    )


def _resume(arguments: argparse.Namespace) -> int:
    for name, value in vars(arguments).items():
        if name not in ("resume", "data", "argv", "rest") and value != arguments.parser.get_default(name):
            option = name.replace("_", "-")
            raise UsageError(f"--resume goes on with a run as it was started: leave out --{option}")
    from nonlin.lab.runs import fingerprint, read_configuration

    folder = for_tensorboard(arguments.resume)
    configuration = read_configuration(folder)
    dataset = load_images(arguments.data)
    if fingerprint(dataset) != configuration.fingerprint:
        raise UsageError(
            f"the run was trained on other images, {configuration.data}, than those of {dataset.title}: name them with "
            "--data"
        )
    return _train_in(folder, configuration, dataset, arguments)


def _train_in(folder: Path, configuration: "Configuration", dataset: "Dataset", arguments: argparse.Namespace) -> int:
    from nonlin.files import FileError
    from nonlin.lab import runs

    data = "" if arguments.data == "auto" else f" --data {quoted(arguments.data)}"
    to_go_on = f"to go on: {program_as_typed()} train --resume {quoted(folder)}{data}"
    ((name, maker),) = makers_named([configuration.activation]).items()
    try:
        result = runs.run(configuration, maker, dataset, folder, progress=None)
    except KeyboardInterrupt:
        if not (folder / runs.RUN).exists():
            raise
        return say(f"\nStopped; {to_go_on}", INTERRUPTED)
    except FileError as error:
        if arguments.resume or not (folder / runs.RUN).exists():
            raise
        return say(f"Error: {str(error).rstrip('.')}; {to_go_on}", FAILED)
    if result.diverged:
        return say(
            f"Diverged: the training loss of {title_of(name)} became infinite or NaN in epoch {len(result.epochs)}; "
            f"try a --learning-rate below {configuration.recipe.learning_rate:g}.",
            FAILED,
        )
    print(shown(_outcome(name, result)))  # its words come from the run's folder
    print(how_to_look(arguments.log_dir, folder, UNSMOOTHED))
    return 0


def _outcome(name: str, result: "Result") -> str:
    epochs = len(result.epochs)
    seconds = f", {result.seconds:.0f} s" if math.isfinite(result.seconds) else ""
    return (
        f"{title_of(name)} on {result.data}: test accuracy {result.test_accuracy:.1f} % after {epochs} "
        f"epoch{'s' if epochs > 1 else ''}, seed {result.recipe.seed}{seconds} "
        f"({result.device}, {result.precision})."
    )
