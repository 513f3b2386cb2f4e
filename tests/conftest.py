"""What several tests need: a checkout of their own, a small CIFAR-10, a server, and how long to go on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from misbehaving_server import Server, serve

from nonlin import paths

# What takes torch is imported where it is used: pytest's first process, which only hands out tests, does without.


LONGEST = {"test_start", "test_claims", "test_kills"}  # with the notebooks first, so that both processors end together


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="only what takes long, and the tests of endurance at length")
    parser.addoption("--faults", action="store_true", help="plant faults one by one and print those that survive")
    parser.addoption("--kernels", action="store_true", help="with the compiled kernels, which are made if need be")


def pytest_configure(config: pytest.Config) -> None:
    if (config.getoption("long") or config.getoption("faults")) and config.option.dist != "no":
        config.option.dist = "load"  # there are few, and no notebook among them
    if config.getoption("kernels"):
        from nonlin.activations.fast import compiled

        try:
            compiled.make()
            compiled.use(True)
        except compiled.KernelsError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = config.getoption("long")
    at_length = {item for item in items if "amount" in getattr(item, "fixturenames", ())} if long else set()
    kept = [item for item in items if item in at_length or long == bool(item.get_closest_marker("long"))]
    faults = config.getoption("faults")
    kept = [item for item in kept if faults == bool(item.get_closest_marker("faults"))]
    config.hook.pytest_deselected(items=list(set(items) - set(kept)))
    items[:] = sorted(kept, key=lambda item: item.path.suffix == ".py" and item.path.stem not in LONGEST)


@pytest.fixture
def amount(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How often a test of endurance tries: ``amount(3, 100)`` is 3, and 100 with ``--long``."""
    return lambda short, long: long if request.config.getoption("long") else short


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say in the summary of ``--long`` what a test of endurance did."""
    return lambda did: request.node.user_properties.append(("did", did))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("long"):
        for report in (report for reports in terminalreporter.stats.values() for report in reports):
            for _, did in (each for each in getattr(report, "user_properties", ()) if each[0] == "did"):
                terminalreporter.write_line(f"{report.outcome}: {did}")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, and an environment without settings."""
    settings = "DATA", "RUNS", "WORK", "CIFAR10_URL"
    for name in (*(f"NONLIN_{each}" for each in settings), "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.setattr(paths, "project_root", lambda: root)
    from nonlin.images import cache

    cache._warn_unwritable.cache_clear()
    return root


@pytest.fixture
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonlin.images.shapes10.TRAIN_SIZE", 300)
    monkeypatch.setattr("nonlin.images.shapes10.TEST_SIZE", 50)


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    from small_data import cifar10_files

    return cifar10_files()


@pytest.fixture(scope="session")
def archive(files: dict[str, bytes]) -> bytes:
    from small_data import cifar10_archive

    return cifar10_archive(files)


@pytest.fixture
def small_cifar10(files: dict[str, bytes], archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, CIFAR-10 is 120 random images."""
    from small_data import cifar10_release

    monkeypatch.setattr("torchvision.datasets.CIFAR10", cifar10_release(files, archive))


@pytest.fixture
def server(archive: bytes) -> Iterator[Server]:
    with serve(archive) as state:
        yield state
