"""nonlin kernels: the compiled form of the activations."""

import argparse
import sys

from nonlin.commands.common import add_command
from nonlin.typography import shown


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "kernels",
        run,
        "Compile the activations, so that all layers run faster; needs a C++ compiler, and a minute, once.",
    )
    parser.add_argument("--again", action="store_true", help="compile, even if that was done before")


def run(arguments: argparse.Namespace) -> None:
    from nonlin.activations.fast import compiled

    library = compiled.make(_progress if sys.stderr.isatty() else lambda seconds: None, again=arguments.again)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    compiled.use(True)
    print(f"The kernels are compiled, and serve all layers from now on: {shown(str(library))}")
    print(f"To leave them out: set {compiled.VARIABLE}={compiled.OFF}, or call nonlin.activations.fast.use(False).")


def _progress(seconds: float) -> None:
    print(f"\rCompiling, which takes about a minute: {seconds:.0f} s", end="", file=sys.stderr, flush=True)
