"""Many processes want the same images at once, some are killed: nobody gets wrong ones, and nothing is left."""

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import children
import pytest
from misbehaving_server import Server
from small_data import check_small_cifar10, cifar10_files, cifar10_release, leftovers

from nonlin import paths
from nonlin.images import sources

pytestmark = pytest.mark.skipif(os.name != "posix", reason="starts many processes, which takes a fork to be quick")


def fetch(url: str, folder: Path) -> None:
    """Load the small CIFAR-10 as any program does."""
    from torchvision import datasets

    paths.project_root = lambda: folder
    os.environ["NONLIN_CIFAR10_URL"] = url
    files = cifar10_files()
    datasets.CIFAR10 = cifar10_release(files, (folder / "archive").read_bytes())
    check_small_cifar10(sources.load("cifar10"), files)


@pytest.mark.parametrize("behaviour", ["whole", "slowly-whole"])
def test_a_race_for_images(
    behaviour: str,
    archive: bytes,
    server: Server,
    tmp_path: Path,
    amount: Callable[[int, int], int],
    tell: Callable[[str], None],
) -> None:
    chance, racers, rounds, killed = random.Random(behaviour), amount(6, 30), amount(1, 10), 0
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "archive").write_bytes(archive)
        requests = len(server.requests)
        running, victims = [], []
        for place in range(racers):
            running.append(children.start(partial(fetch, server.url(behaviour)), folder))
            if place % 3 == 0:
                victims.append(running[-1])
                time.sleep(chance.uniform(0, 0.1))
                victims[-1].kill()
        for process in running:
            process.join(60)
            assert process.exitcode is not None, "it hangs"
        killed += sum(process.exitcode != 0 for process in victims)
        assert {process.exitcode for process in running if process not in victims} == {0}
        assert len(server.requests) - requests <= len(victims) + 1
        assert leftovers(folder / "data") == ["cifar-10-batches-py"]
    tell(f"{rounds} races of {racers} processes for images, {killed} of them killed: all others got the right ones")
