"""The command line: ``nonlin COMMAND``, or ``python3 start.py COMMAND``."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from nonlin.commands import COMMANDS
from nonlin.commands.common import FAILED, INTERRUPTED, MISUSED, TERMINATED, UNREAD, UsageError, program, say, sentence
from nonlin.errors import ReaderError, reason
from nonlin.processes import end_with, terminable, variables
from nonlin.typography import shown


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code: 0, 1 where the command failed, 2 for wrong input, 130 after Ctrl-C, 143 after SIGTERM, 141
        where nobody reads the output any more (``| head``).
    """
    _open_what_is_closed()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign shows "?"
    # Commands only store figures, which takes no window, whatever the variable says.
    with terminable() as termination, variables(MPLBACKEND="agg"), _warnings_in_words():
        code = _run(sys.argv[1:] if argv is None else argv)
    return TERMINATED if termination.asked and code == INTERRUPTED else code


def _run(argv: Sequence[str]) -> int:
    try:
        arguments = parse(argv)
        code = arguments.run(arguments) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return say("\nStopped.", INTERRUPTED)
    except UsageError as error:
        return say(f"Error: {sentence(error)}", MISUSED)
    except ImportError as error:
        if (error.name or "").split(".")[0] == "nonlin":
            raise  # a mistake of ours
        return say(f"Error: {reason(error)}; python3 start.py setup --again installs everything anew.", FAILED)
    except (ReaderError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return UNREAD
        return say(f"Error: {sentence(error)}", FAILED)


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Within the block a warning is one line for the user, without the line of code that gave it."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *place, **more: f"Warning: {sentence(str(message))}\n"
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _open_what_is_closed() -> None:
    """Let standard streams that were closed (``>&-``) lead nowhere, before an ordinary file gets their numbers."""
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, and taken as long as the process lives
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _nobody_reads() -> bool:
    """Whether it is the output that leads nowhere. If so, the rest of it is dropped, of which Python would complain."""
    try:
        print(flush=True)  # what could not be written before is lost, so that a flush alone would succeed
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


class Parser(argparse.ArgumentParser):
    """Quotes what was typed as a terminal may get it: a shell's ``*`` may have typed the name of a stranger's file."""

    def error(self, message: str) -> NoReturn:
        super().error(shown(message))


def all_options() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog=program(), description="The activation functions of PyTorch: a course in which everything is measured."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command, with ``run``, which takes them, and ``argv`` as it was typed.

    Raises:
        SystemExit: with the usage on the error stream, for arguments that no command takes.
    """
    parser = all_options()
    for word in argv:
        if word.startswith("--") and word.endswith("=--"):  # argparse would drop the value, and fail, or take a default
            parser.error(f"argument {word.removesuffix('=--')}: expected a value, not '--'")
    arguments, rest = parser.parse_known_args(argv)
    if rest and not arguments.passes_on:
        arguments.parser.error(f"unrecognised arguments: {' '.join(rest)}")
    arguments.argv, arguments.rest = argv, rest
    return arguments


if __name__ == "__main__":
    if os.environ.get("NONLIN_PARENT") == str(os.getppid()):  # start.py, which cannot tell about its being killed
        end_with(os.getppid())
    sys.exit(main())
