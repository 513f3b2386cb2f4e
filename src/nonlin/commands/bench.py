"""nonlin bench: time and memory against torch.nn."""

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin.commands.common import THREADS, UsageError, Whole, add_command, path, records_named
from nonlin.files import write_whole

if TYPE_CHECKING:
    from nonlin.bench.cost import Timing


DTYPES = ("float32", "float64", "bfloat16", "float16")


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(commands, "bench", run, "Time and memory of our activations against torch.nn, side by side.")
    parser.add_argument("names", nargs="*", default=["all"], metavar="NAME", help="names (default: all)")
    parser.add_argument("--repeats", type=Whole(2, 10_000), default=20, help="rounds that count (default: 20)")
    parser.add_argument(
        "--threads", type=THREADS, nargs="+", default=[1, 2], help="that torch may use, one table each (default: 1 2)"
    )
    parser.add_argument(
        "--compiled", action="store_true", help="also through torch.compile; needs a C++ compiler and takes minutes"
    )
    parser.add_argument(
        "--forms", action="store_true", help="each form of ours: as written, in Python, and compiled by `kernels`"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        nargs="+",
        default=["float32"],
        help="of the numbers, one table each (default: float32)",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="cuda measures on a graphics processor, where --threads means nothing (default: cpu)",
    )
    parser.add_argument("--output", type=path, metavar="FOLDER", help="write all rows into FOLDER, and draw each table")


def run(arguments: argparse.Namespace) -> None:
    records = [record for record in records_named(arguments.names) if record.torch_module]
    if not records:
        raise UsageError("none of these has a counterpart in torch.nn to be compared with")
    from nonlin.paths import is_writable

    if arguments.output and not is_writable(arguments.output.expanduser().absolute()):
        raise UsageError(f"rows and pictures cannot be written into {arguments.output}: choose another --output")
    import torch
    from tqdm import tqdm

    from nonlin.bench import cost, table

    if arguments.compiled:
        _check_compiler()
    on_a_card = arguments.device == "cuda"
    if on_a_card and not torch.cuda.is_available():
        raise UsageError("CUDA finds no graphics processor here: leave --device out to measure the processor")
    rows: dict[table.Setting, dict[str, dict[str, cost.Spread]]] = {}
    numbers, shapes = [0] if on_a_card else arguments.threads, cost.SHAPES[arguments.device]
    for dtype, threads, shape in itertools.product(arguments.dtype, numbers, shapes):
        options = {
            "repeats": arguments.repeats,
            "number_of_threads": threads or 1,
            "compiled": arguments.compiled,
            "forms": arguments.forms,
            "dtype": getattr(torch, dtype),
            "device": arguments.device,
        }
        timings = [
            cost.compare(record, shape, **options)
            for record in tqdm(records, desc=f"{_where(threads)}, {dtype}, {shape}", leave=False, disable=None)
        ]
        rows[table.Setting(dtype, threads, shape)] = {timing.name: table.measures(timing) for timing in timings}
        print(f"{cost.machine(threads, arguments.device)}, {dtype}")
        print(cost.time_table(shape, timings), end="\n\n", flush=True)
        if arguments.forms:
            print(cost.forms_table(shape, timings), end="\n\n", flush=True)
        if arguments.output:
            file = f"bench_{'x'.join(map(str, shape))}_{dtype}_{_where(threads).replace(' ', '_')}.png"
            _draw_costs(timings, arguments.output / file)
    print(cost.memory_table(records), end="\n\n")
    print(table.summary(rows))
    if arguments.output:
        table.write(rows, arguments.output, _command(arguments))


def _where(threads: int) -> str:
    return f"{threads} threads" if threads else "graphics processor"


def _command(arguments: argparse.Namespace) -> str:
    """What to call for the same table."""
    words = ["python3 start.py bench", *([] if arguments.names == ["all"] else arguments.names)]
    where = ["--device", "cuda"] if arguments.device == "cuda" else ["--threads", *map(str, arguments.threads)]
    words += [*where, "--dtype", *arguments.dtype]
    words += ["--repeats", str(arguments.repeats), *(["--forms"] if arguments.forms else [])]
    return " ".join([*words, "--output", "FOLDER"])


def _check_compiler() -> None:
    import torch

    try:
        torch.compile(lambda x: x + 1)(torch.ones(4))
    except Exception as error:  # of many types, for want of a compiler, of its headers, of a place for what it makes
        raise UsageError(
            f"torch.compile does not work here ({type(error).__name__}): install a C++ compiler or leave out --compiled"
        ) from error


def _draw_costs(timings: "list[Timing]", file: Path) -> None:
    from nonlin import plots

    copies = {t.name: {"torch.nn": t.their_copies, "ours": t.copies} for t in timings}
    write_whole(file, plots.costs(copies, floor=2).save)
