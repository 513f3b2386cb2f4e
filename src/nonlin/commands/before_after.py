"""nonlin before-after: images before and after activations."""

import argparse
import shutil
from time import perf_counter
from typing import TYPE_CHECKING

from nonlin.commands.common import (
    BATCH,
    add_command,
    add_data_option,
    add_log_dir,
    how_to_look,
    load_images,
    records_named,
    writable_runs,
)

if TYPE_CHECKING:
    from nonlin.lab.before_after import BeforeAfter


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "before-after",
        run,
        "Send the whole test set through activations; show the images before and after in TensorBoard.",
    )
    parser.add_argument(
        "--activation",
        nargs="+",
        default=["sigmoid", "tanh", "relu"],
        metavar="NAME",
        help="one or more names, or all; a wrong name lists the known ones (default: sigmoid tanh relu)",
    )
    add_data_option(parser)
    parser.add_argument(
        "--batch-size", type=BATCH, default=64, metavar="N", help="images per batch (default: %(default)s)"
    )
    parser.add_argument(
        "--all-batches",
        action="store_true",
        help="log every image of every batch, about 75 times as many bytes, instead of 12 images of every 20th batch",
    )
    add_log_dir(parser)


def run(arguments: argparse.Namespace) -> None:
    records = records_named(arguments.activation)
    folder = writable_runs(arguments.log_dir) / "before-after"
    from nonlin.lab import tracking
    from nonlin.lab.before_after import before_after, compare

    dataset = load_images(arguments.data)
    group = tracking.fresh_folder(folder, dataset.name)
    options = {"batch_size": arguments.batch_size, "log_dir": group}
    started, compute_seconds = perf_counter(), 0.0
    try:
        for record in records:
            result = before_after(record, dataset, all_batches=arguments.all_batches, **options)
            compute_seconds += result.compute_seconds
            print(_in_words(result), flush=True)
        compare({record.title: record for record in records}, dataset, **options)
    except BaseException:  # Ctrl-C, too: nothing would tell that these are not all pictures
        shutil.rmtree(group, ignore_errors=True)
        raise
    log_seconds = perf_counter() - started - compute_seconds
    written = tracking.bytes_written(group) / 2**20
    print(f"Computation {compute_seconds:.1f} s, logging {log_seconds:.1f} s, {written:.1f} MiB written.")
    print(how_to_look(arguments.log_dir, group, "images"))


def _in_words(result: "BeforeAfter") -> str:
    from nonlin.lab.before_after import percent

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
