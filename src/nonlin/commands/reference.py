"""nonlin reference: the runs that the course's tables rest on, a little at a time."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin.commands.common import (
    FAILED,
    INTERRUPTED,
    JOBS,
    MINUTES,
    UsageError,
    add_command,
    add_data_option,
    add_log_dir,
    add_scheduler,
    load_images,
    loader,
    makers_named,
    path,
    say,
    sentence,
    writable_runs,
)
from nonlin.files import write_whole
from nonlin.processes import deadline
from nonlin.typography import shown

if TYPE_CHECKING:
    from nonlin.lab.protocol import Protocol
    from nonlin.lab.reference import Place, Results

AT_A_TIME = {"cpu": 2, "cuda": 8}  # runs, by the device


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "reference",
        run,
        "Go on with the reference runs: what the protocol asks for and the results do not hold, each stored at once.",
    )
    parser.add_argument("--minutes", type=MINUTES, metavar="X", help="stop cleanly after this time")
    asks = parser.add_mutually_exclusive_group()
    asks.add_argument("--status", action="store_true", help="print what is done and left, with hours, and run nothing")
    asks.add_argument(
        "--draw", action="store_true", help="draw the search's curves beside the tables, and print what was chosen"
    )
    asks.add_argument("--dry-run", action="store_true", help="list the runs that come next, and run nothing")
    add_data_option(parser)
    parser.add_argument(
        "--results", type=path, metavar="DIR", help="where the tables are (default: data/results/reference)"
    )
    parser.add_argument(
        "--jobs",
        type=JOBS,
        metavar="N",
        help="runs at a time, each on one thread (default: 2, on a graphics processor 8)",
    )
    parser.add_argument(
        "--device",
        choices=tuple(AT_A_TIME),
        default="cpu",
        help="cuda trains on a graphics processor, into tables of its own (default: cpu)",
    )
    add_scheduler(parser, "of a running Dask scheduler, as for sweep")
    add_log_dir(parser)


def run(arguments: argparse.Namespace) -> int | None:
    import time

    import torch

    from nonlin.activations import fast
    from nonlin.lab import reference
    from nonlin.lab.protocol import PROTOCOL
    from nonlin.paths import is_writable

    fast.use(False)  # the tables hold the form in Python, here and in the processes that train
    until = math.inf if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
    place, jobs = _place(arguments), arguments.jobs or AT_A_TIME[arguments.device]
    results = reference.read(PROTOCOL, place.results)
    if arguments.status:
        return print(reference.status(PROTOCOL, results, place.scratch, jobs))
    if arguments.dry_run:
        return print("\n".join(map(str, reference.next_batch(PROTOCOL, results))) or "Nothing is left.")
    if arguments.draw:
        return _draw(PROTOCOL, results, place.results)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("CUDA finds no graphics processor here: leave --device out to train on the processor")
    if not is_writable(place.results):
        raise UsageError(f"results cannot be written into {place.results}: name another folder with --results")
    options = {"jobs": jobs, "device": arguments.device, "scheduler": arguments.scheduler, "until": until}
    try:
        with deadline(until):  # a download may take longer than that
            dataset = load_images(arguments.data)
        if arguments.data == "auto" and dataset.name == "shapes10":
            raise UsageError(
                "the reference runs are of CIFAR-10, which cannot be had now: name other images with --data"
            )
        failed = reference.go_on(PROTOCOL, dataset, place, **options)
    except KeyboardInterrupt as stop:
        if time.monotonic() >= until:
            return print(f"The time is up. {_counts(place)}")
        return say(f"\n{str(stop) or 'Stopped.'} The same command goes on.", INTERRUPTED)
    print(_counts(place))
    for outcome in failed:
        say(f"Failed: {outcome.folder}: {sentence(outcome.failure)}", FAILED)
    return FAILED if failed else 0


def _place(arguments: argparse.Namespace) -> "Place":
    """Where tables and runs go; those of a graphics processor go to folders of their own."""
    from nonlin.lab.protocol import PROTOCOL
    from nonlin.lab.reference import Place
    from nonlin.paths import results_folder, runs_folder

    name = "reference" if arguments.device == "cpu" else f"reference-{arguments.device}"
    results = arguments.results or results_folder() / name
    if results.exists() and not results.is_dir():
        raise UsageError(f"{results} is no folder: name one with --results")
    only_looks = arguments.status or arguments.dry_run or arguments.draw
    logs = arguments.log_dir or runs_folder()
    scratch = (logs if only_looks else writable_runs(arguments.log_dir)) / name
    activations = makers_named(PROTOCOL.activations)
    return Place(results=results, scratch=scratch, load=loader(arguments.data), activations=activations)


def _draw(protocol: "Protocol", results: "Results", folder: Path) -> None:
    """A figure for each network that the search has begun with, its words in one file, and the choices on paper."""
    from nonlin.lab import reference
    from nonlin.plots.reference import rate_curves

    if not results.search:
        raise UsageError(f"there is nothing to draw yet: {folder} holds no search")
    words = []
    for network in protocol.networks:
        if any(reference.curve(results.search, network, name) for name in protocol.activations):
            picture, name = rate_curves(protocol, network, results.search), f"search-{network.name}.png"
            write_whole(folder / name, picture.save)
            words.append(f"{name}\n{picture.text}")
    write_whole(folder / "figures.txt", "\n\n".join(words) + "\n")
    print(reference.choices_in_words(protocol, results))


def _counts(place: "Place") -> str:
    from nonlin.lab import reference
    from nonlin.lab.protocol import PROTOCOL

    results = reference.read(PROTOCOL, place.results)
    count, left = len(results.search) + len(results.runs), len(reference.left(PROTOCOL, results))
    return f"{count} runs are stored in {shown(str(place.results))}, {left} are left as far as is known by now."
