"""Where things live on disk: results of runs, data, caches. Asking never creates a folder."""

import os
from pathlib import Path

import platformdirs


def project_root(module: Path = Path(__file__)) -> Path | None:
    """The folder of the checkout that this package is run from, or None where the package is installed alone."""
    root = module.resolve().parents[2]
    is_checkout = (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir()
    return root if is_checkout else None


def runs_folder() -> Path:
    """Where runs are logged: ``NONLIN_RUNS`` if set, else ``runs/`` in the checkout, else in the user's data."""
    chosen = os.environ.get("NONLIN_RUNS")
    if chosen:
        return Path(chosen).expanduser().absolute()
    root = project_root()
    return root / "runs" if root else platformdirs.user_data_path("nonlin", appauthor=False) / "runs"


def data_folder() -> Path:
    """Where CIFAR-10 is looked for and downloaded to: ``data/`` in the checkout, else in the user's data."""
    root = project_root()
    return root / "data" if root else platformdirs.user_data_path("nonlin", appauthor=False) / "data"


def results_folder() -> Path:
    """Where measured results that belong to the course are kept: ``results/`` in the data folder."""
    return data_folder() / "results"


def cache_folder() -> Path:
    """Where what can be made again is kept: ``cache/`` in the data folder if writable, else the user's cache."""
    beside_data = data_folder() / "cache"
    return beside_data if is_writable(beside_data) else platformdirs.user_cache_path("nonlin", appauthor=False)


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself can be made where it does not exist yet."""
    existing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))  # a broken link, too
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
