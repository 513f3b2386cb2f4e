"""nonlin sweep: a grid of runs."""

import argparse
from typing import TYPE_CHECKING

from nonlin.commands.common import (
    DEPTH,
    EPOCHS,
    FAILED,
    INITIALISATIONS,
    INTERRUPTED,
    JOBS,
    NETWORKS,
    RATE,
    UNSMOOTHED,
    Whole,
    add_command,
    add_data_option,
    add_log_dir,
    add_scheduler,
    how_to_look,
    load_images,
    loader,
    makers_named,
    say,
    sentence,
    typed,
    writable_runs,
)

if TYPE_CHECKING:
    from nonlin.lab.sweep import Grid


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "sweep",
        run,
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
        "--depths", nargs="+", type=DEPTH, default=[1], metavar="N", help="as --depth of train (default: 1)"
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
        type=RATE,
        default=[None],
        metavar="X",
        help="one or more, at their peak (default: 0.3 with batch normalisation, 0.1 without)",
    )
    parser.add_argument(
        "--seeds",
        type=Whole(1, 10_000),
        default=3,
        metavar="N",
        help="runs of each combination, with seeds 0 to N - 1 (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=EPOCHS, default=4, metavar="N", help="of each run (default: %(default)s)")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--observe", action="store_true", help="count dead units in every run, which takes a little longer"
    )
    add_data_option(parser)
    parser.add_argument(
        "--jobs",
        type=JOBS,
        metavar="N",
        help="runs at a time, each on one thread (default: one per processor core)",
    )
    add_scheduler(
        parser,
        "of a running Dask scheduler, tcp://HOST:8786, whose workers are used instead of this machine's cores; "
        "they need this package, the data and --log-dir at the same paths, and suit best with --nthreads 1",
    )
    add_log_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    activations = makers_named(arguments.activations)
    parent = writable_runs(arguments.log_dir) / "sweep"
    from nonlin.lab.sweep import sweep

    dataset = load_images(arguments.data)
    precision = arguments.precision + "-observed" * arguments.observe
    folder = parent / f"{dataset.name}-{arguments.epochs}epochs-{precision}"
    try:
        failed = sweep(
            _grid(arguments, list(activations)).cells(dataset),
            activations,
            loader(arguments.data),
            folder,
            jobs=arguments.jobs,
            scheduler=arguments.scheduler,
            observe=arguments.observe,
            command=typed(arguments),
        )
    except KeyboardInterrupt as stop:
        return say(f"\n{str(stop) or 'Stopped.'} The same command goes on.", INTERRUPTED)
    print(how_to_look(arguments.log_dir, folder, UNSMOOTHED))
    for outcome in failed:
        say(f"Failed: {outcome.folder}: {sentence(outcome.failure)}", FAILED)
    return FAILED if failed else 0


def _grid(arguments: argparse.Namespace, activations: list[str]) -> "Grid":
    from nonlin.lab.sweep import Grid

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
