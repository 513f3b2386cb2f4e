"""nonlin tensorboard: runs in a browser."""

import argparse
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nonlin.commands.common import HOST, PORT, UsageError, Whole, add_command, add_log_dir
from nonlin.typography import shown

if TYPE_CHECKING:
    from tensorboard.program import TensorBoard


def add(commands: "argparse._SubParsersAction") -> None:
    parser = add_command(
        commands,
        "tensorboard",
        run,
        "Show the runs in TensorBoard, on this machine only, until Ctrl-C. Other options go to TensorBoard itself.",
        passes_on=True,
    )
    parser.add_argument(
        "--port", type=Whole(0, 65535), default=PORT, metavar="N", help="0 takes any free one (default: %(default)s)"
    )
    add_log_dir(parser)


def run(arguments: argparse.Namespace) -> None:
    from nonlin.paths import runs_folder
    from nonlin.processes import stops_noted

    folder = (arguments.log_dir or runs_folder()).expanduser().absolute()
    _check_port(arguments.port)
    # From before the first import on: a KeyboardInterrupt that happens to be raised in a destructor would be swallowed.
    with stops_noted() as asked:
        _serve(_server(folder, arguments), asked)


def _server(folder: Path, arguments: argparse.Namespace) -> "TensorBoard":
    """TensorBoard as it was asked for, after a look at what it will show."""
    from tensorboard import default, program
    from tensorboard.plugins.base_plugin import FlagsError

    from nonlin.paths import is_writable, runs_folder

    server = program.TensorBoard(plugins=default.get_plugins())
    options = ["--logdir", str(folder), "--host", HOST, "--port", str(arguments.port)]
    try:
        server.configure(["tensorboard", *options, *arguments.rest])
    except FlagsError as error:
        raise UsageError(f"TensorBoard does not take these options: {error}") from error
    if server.flags.inspect or server.flags.version_tb:
        raise UsageError("--inspect and --version_tb show nothing: leave them out, or call the program tensorboard")
    # TensorBoard has no login: whoever can reach it reads every run.
    if server.flags.bind_all or server.flags.host != HOST:
        raise UsageError("TensorBoard is shown on this machine only: leave out --bind_all and --host")
    folder = Path(server.flags.logdir).expanduser().absolute()  # which --logdir, TensorBoard's own, may have changed
    # The first run will make our own folder; one that was named is there, or is a mistake.
    comes_yet = folder == runs_folder() and not folder.exists() and is_writable(folder)
    if not comes_yet and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise UsageError(f"{folder} is no folder that can be read: name that of the runs with --log-dir")
    return server


def _check_port(port: int) -> None:
    """Before TensorBoard, which prints paragraphs about other things before it finds the port taken."""
    import socket

    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        raise UsageError(f"port {port} is taken or not allowed; choose another with --port") from error


def _serve(server: "TensorBoard", asked: threading.Event) -> None:
    from tensorboard.program import TensorBoardServerException

    server._fix_mime_types()  # as TensorBoard's own main does: some Windows machines call JavaScript plain text
    try:
        url = server.launch()
    except TensorBoardServerException as error:
        raise UsageError(error.msg) from error
    print(f"{shown(server.flags.logdir)} in TensorBoard: {url}\nCtrl-C stops it.", flush=True)
    while not asked.wait(0.2):  # a wait without end would not be interrupted on Windows
        pass
    print()
