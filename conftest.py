"""Every test, and every kernel of a notebook test, runs on built-in data, one thread, and folders of its own."""

import os
import signal
import tempfile

import pytest

from nonlin.notebooks import REPRODUCIBLE

# At import, since nbval starts kernels outside any fixture, and before torch counts its threads.
os.environ.update(REPRODUCIBLE)

OUTPUT_TIMEOUT = 60  # seconds; nbval's own 5 are too few on a busy machine


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests of Ctrl-C need it to work.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.TemporaryDirectory(prefix="nonlin-runs-")
    os.environ["NONLIN_RUNS"] = folder.name
    os.environ["NONLIN_WORK"] = os.path.join(folder.name, "work")
    config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = OUTPUT_TIMEOUT
