"""The command line: ``nonlin COMMAND``, or ``python3 start.py COMMAND``."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from nonlin.commands import COMMANDS
from nonlin.commands.common import FAILED, INTERRUPTED, MISUSED, UNREAD, UsageError, program, say, sentence
from nonlin.errors import ReaderError
from nonlin.typography import shown


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit code: 0, 1 where the command failed, 2 for wrong input, 130 after Ctrl-C, 141 where nobody
        reads the output any more (``| head``).
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed in the shell, as by `>&-`
            setattr(sys, name, io.StringIO())
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign shows "?"
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        code = arguments.run(arguments) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return say("\nStopped.", INTERRUPTED)
    except UsageError as error:
        return say(f"Error: {sentence(error)}", MISUSED)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "nonlin":
            raise  # a mistake of ours
        return say(f"Error: {error}; python3 start.py setup --again installs everything anew.", FAILED)
    except (ReaderError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return UNREAD
        return say(f"Error: {sentence(error)}", FAILED)


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


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command, with ``run``, which takes them, and ``argv`` as it was typed.

    Raises:
        SystemExit: with the usage on the error stream, for arguments that no command takes.
    """
    parser = Parser(
        prog=program(), description="The activation functions of PyTorch: a course in which everything is measured."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    arguments, rest = parser.parse_known_args(argv)
    if rest and not arguments.passes_on:
        arguments.parser.error(f"unrecognised arguments: {' '.join(rest)}")
    arguments.argv, arguments.rest = argv, rest
    return arguments


if __name__ == "__main__":
    sys.exit(main())
