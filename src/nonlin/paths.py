"""Where things live on disk: results of runs, data, caches. Asking never creates a folder."""

import os
import shlex
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from nonlin.errors import ReaderError


def project_root(module: Path = Path(__file__)) -> Path | None:
    """The folder of the checkout that this package is run from, or None where the package is installed alone."""
    root = module.resolve().parents[2]
    is_checkout = (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir()
    return root if is_checkout else None


def runs_folder() -> Path:
    """Where runs are logged: ``NONLIN_RUNS`` if set, else ``runs/`` in the checkout, else in the user's data.

    Where a checkout serves many users, who cannot write into it, each logs into his own data.
    """
    chosen = os.environ.get("NONLIN_RUNS")
    if chosen:
        return absolute(chosen)
    return _own_in_checkout("runs") or _home_of_data(shared=False) / "runs"


def work_folder() -> Path:
    """Where a learner's copies of the lessons lie: ``NONLIN_WORK`` if set, else ``work/`` in the checkout.

    Where a checkout serves many users, who cannot write into it, each works in the folder ``nonlin`` of his home;
    JupyterLab would not show a hidden one.
    """
    chosen = os.environ.get("NONLIN_WORK")
    if chosen:
        return absolute(chosen)
    return _own_in_checkout("work") or absolute("~/nonlin")


def _own_in_checkout(name: str) -> Path | None:
    """A folder of this user in the checkout, or None where he cannot write it."""
    root = project_root()
    return root / name if root and is_writable(root / name) else None


def data_folder() -> Path:
    """Where CIFAR-10 is looked for and downloaded to: ``data/`` in the checkout, else in the user's data."""
    return _home_of_data() / "data"


def _home_of_data(*, shared: bool = True) -> Path:
    """The checkout, if what is wanted may be shared, else the user's data."""
    import platformdirs  # here, so that the command line can be read before anything is installed

    try:
        return (project_root() if shared else None) or platformdirs.user_data_path("nonlin", appauthor=False)
    except RuntimeError as error:
        raise ReaderError(
            "this user has no home folder for data and runs: set HOME, or name folders in NONLIN_DATA and NONLIN_RUNS"
        ) from error


def results_folder() -> Path:
    """Where measured results that belong to the course are kept: ``data/results`` in the checkout, else in the package.

    A wheel brings them along: setup.py puts them there.
    """
    return data_folder() / "results" if project_root() else Path(__file__).with_name("results")


def cache_folder() -> Path | None:
    """Where what can be made again is kept: ``cache/`` in the data folder, else the user's cache.

    Neither counts where it cannot be written, or where other users can write, too; None if nothing is left.
    """
    import platformdirs

    places = lambda: data_folder() / "cache", lambda: platformdirs.user_cache_path("nonlin", appauthor=False)
    for place in places:
        with suppress(ReaderError, RuntimeError):  # there is no home
            folder = place()
            if is_writable(folder) and (not folder.exists() or is_private(folder.stat())):
                return folder
    return None


def is_private(facts: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and no other user may write to it; on Windows its place decides that."""
    return os.name != "posix" or (facts.st_uid == os.geteuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself can be made where it does not exist yet."""
    existing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))  # a broken link, too
    try:
        with tempfile.TemporaryFile(dir=existing):  # tried, since permissions do not tell: nobody can write into /proc
            return True
    except OSError:
        return False


def one_word(path: Path) -> str:
    """A path as one word of a line that is split like a POSIX shell's: ``%tensorboard`` does so on every system.

    Example: ``C:\\my runs`` becomes ``'C:\\my runs'``.
    """
    return shlex.quote(str(path))


def absolute(text: str | Path) -> Path:
    """A path as a person writes it, made absolute; a ``~`` at its beginning is a home folder, of whomever runs this.

    Raises:
        ReaderError: if the home folder is not known, as of a user that does not exist.
    """
    path = os.path.expanduser(text)
    if path == os.fspath(text) and path.startswith("~"):
        name = Path(path).parts[0]
        raise ReaderError(
            f"the home folder {name} is not known: write the path in full, or ./{name} for that very name"
        )
    return Path(path).absolute()
