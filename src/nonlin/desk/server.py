"""A Jupyter server brings the copies of the lessons up to date while it starts, before a notebook can be open in it.

``jupyter/jupyter_server_config.py`` switches this extension on, for ``start.py`` and for each server of a JupyterHub.
"""

import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nonlin.desk.copies import update
from nonlin.errors import ReaderError
from nonlin.memory import HIDDEN
from nonlin.paths import project_root, work_folder

_OPEN: list[FileLock] = []  # held as long as the server lives


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    try:
        said = update_unless_open(work_folder())
    except (ReaderError, OSError) as error:  # the course's own notebooks can still be read
        said = [str(error)]
    for sentence in said:
        server.log.warning("%s", sentence)


def update_unless_open(work: Path) -> list[str]:
    """Update the copies, unless another server has them open; returns what there is to tell, a sentence each."""
    if not (work / HIDDEN).is_dir():
        update(work)  # the lock lies in a folder that it makes
    lock = FileLock(work / HIDDEN / "open", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return [f"Another Jupyter has {work} open: the lessons in it are updated at the next start without it."]
    except (OSError, NotImplementedError):
        pass  # some network drives have no locks
    _OPEN.append(lock)
    return [*_left_behind(work), *update(work)]


def _left_behind(work: Path) -> list[str]:
    """Copies in the checkout, as of a time when this user, or another, could write there."""
    former = (project_root() or work) / "work"
    if "NONLIN_WORK" in os.environ or former == work or not (former / HIDDEN).is_dir():
        return []
    return [f"{former} cannot be written: the copies in it stay as they are, and you have others in {work}."]
