"""Small data sets for tests, and helpers to check what becomes of them."""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nonlin.images.dataset import Dataset, Split

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def bright_split(n: int, seed: int) -> Split:
    """Two classes that differ in brightness: anything that learns at all tells them apart."""
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 60, (n, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    return Split(images=(noise + 120 * labels[:, None, None, None]).to(torch.uint8), labels=labels)


def bright(n: int = 64, *, title: str = "bright") -> Dataset:
    """A data set that is learned at once, trained on and tested with the same images."""
    split = bright_split(n, seed=1)
    return Dataset(name="bright", title=title, classes=("dark", "bright"), train=split, test=split)


def _batch(rng: np.random.Generator, n: int) -> bytes:
    """A batch as an old NumPy pickled it: 0 and 1 where a newer one writes False and True."""
    batch = {"data": rng.integers(0, 256, (n, 3072), np.uint8), "labels": [i % 10 for i in range(n)]}
    pickled = pickle.dumps(batch, protocol=0).replace(b"I00\n", b"I0\n").replace(b"I01\n", b"I1\n")
    assert b"I0\n" in pickled
    return pickled


def cifar10_files() -> dict[str, bytes]:
    """The files of a CIFAR-10 of 100 training and 20 test images, by name."""
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    return {name: _batch(rng, 20) for name in names} | {
        "batches.meta": pickle.dumps({"label_names": list(CLASSES)}, protocol=0)
    }


def cifar10_archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def cifar10_release(files: dict[str, bytes], archive: bytes) -> type:
    """torchvision's CIFAR10 with the checksums of other files."""
    from torchvision.datasets import CIFAR10

    def md5(content: bytes) -> str:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    class Small(CIFAR10):
        url = "http://127.0.0.1:9/nothing-listens-here"
        tgz_md5 = md5(archive)
        train_list = [[name, md5(content)] for name, content in files.items() if name.startswith("data")]  # noqa: RUF012
        test_list = [["test_batch", md5(files["test_batch"])]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}  # noqa: RUF012

    return Small


def put(files: dict[str, bytes], folder: Path) -> Path:
    """Write the small CIFAR-10 below a folder."""
    target = folder / "cifar-10-batches-py"
    target.mkdir(parents=True)
    for name, content in files.items():
        (target / name).write_bytes(content)
    return folder


def check_small_cifar10(dataset: Dataset, files: dict[str, bytes]) -> None:
    first = pickle.loads(files["data_batch_1"])
    assert (dataset.name, dataset.title, dataset.classes) == ("cifar10", "CIFAR-10", CLASSES)
    assert dataset.train.images.shape == (100, 3, 32, 32)
    assert dataset.test.images.shape == (20, 3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.train.labels.dtype == torch.int64
    np.testing.assert_array_equal(dataset.train.images[:20].flatten(1), first["data"])
    assert dataset.train.labels[:20].tolist() == first["labels"]


def image_folder(root: Path, classes: tuple[str, ...] = ("oak", "elm"), n: int = 3) -> Path:
    """A small folder of PNG images: image i of class c in train/ has all pixels 100 c + i, in test/ 50 more."""
    for part, more in (("train", 0), ("test", 50)):
        for label, name in enumerate(sorted(classes)):
            (root / part / name).mkdir(parents=True)
            for index in range(n):
                Image.new("RGB", (32, 32), (100 * label + index + more, 1, 2)).save(root / part / name / f"{index}.png")
    return root


def leftovers(folder: Path) -> list[str]:
    """What lies in a data folder besides its lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def counted(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[Any]:
    """Count the calls of a function from now on."""
    calls: list[Any] = []
    original = getattr(place, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(place, name, counting)
    return calls
