"""Where the course is published: one setting, ``Repository`` in pyproject.toml's ``[project.urls]``, for all links."""

import re
from importlib.metadata import PackageNotFoundError, metadata

COPIES = "colab"  # the branch of the copies for Google Colab, which the workflow "publish" makes
COLAB = "https://colab.research.google.com"


def repository() -> str | None:
    """The address of the repository, without a slash at its end; None while the course is published nowhere."""
    try:
        urls = metadata("nonlin").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from its source
        return None
    found = (url.partition(", ") for url in urls)
    return next(
        (address.removesuffix("/").removesuffix(".git") for name, _, address in found if name == "Repository"), None
    )


def edit_link(path: str) -> str | None:
    """Where a file of the repository ("docs/using.md") can be edited."""
    return f"{address}/edit/main/{path}" if (address := repository()) else None


def colab_link(name: str) -> str | None:
    """Where a lesson ("03_sigmoid_and_tanh.ipynb") runs in Google Colab, which reads from GitHub alone."""
    found = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", repository() or "")
    return f"{COLAB}/github/{found[1]}/blob/{COPIES}/{name}" if found else None
