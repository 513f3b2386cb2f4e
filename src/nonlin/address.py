"""Where the course is published: one setting, ``Repository`` in pyproject.toml's ``[project.urls]``, for all links."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from nonlin.errors import ReaderError, reason
from nonlin.paths import project_root

COPIES = "colab"  # the branch of the copies for Google Colab, which the workflow "publish" makes
COLAB = "https://colab.research.google.com"


def repository() -> str | None:
    """The address of the repository, without a slash at its end; None while the course is published nowhere.

    Raises:
        ReaderError: if the setting is no address.
    """
    named = {name.casefold(): address.strip() for name, address in _addresses().items()}
    found = named.get("repository", "").removesuffix("/").removesuffix(".git")
    if found and not re.match("https?://", found):
        raise ReaderError(f"Repository in pyproject.toml must begin with https://, which {found} does not: mend it")
    return found or None


def _addresses() -> Mapping[str, str]:
    if root := project_root():
        return _written(root / "pyproject.toml")
    try:
        urls = metadata("nonlin").get_all("Project-URL") or []
    except PackageNotFoundError:
        return {}
    return {name: address for name, _, address in (url.partition(", ") for url in urls)}


@cache
def _written(path: Path) -> Mapping[str, str]:
    """As a checkout says it now, and not when it was installed."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)["project"].get("urls", {})
    except (ValueError, KeyError) as error:
        raise ReaderError(f"{path} cannot be read ({reason(error)}): mend it") from error


def edit_link(path: str) -> str | None:
    """Where a file of the repository ("docs/using.md") can be edited."""
    return f"{address}/edit/main/{path}" if (address := repository()) else None


def source_link(path: str) -> str | None:
    """Where a file of the repository can be read."""
    return f"{address}/blob/main/{path}" if (address := repository()) else None


def colab_link(name: str) -> str | None:
    """Where a lesson ("03_sigmoid_and_tanh.ipynb") runs in Google Colab, which reads from GitHub alone."""
    found = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", repository() or "")
    return f"{COLAB}/github/{found[1]}/blob/{COPIES}/{name}" if found else None
