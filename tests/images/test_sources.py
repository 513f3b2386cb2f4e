"""Choosing a source of images: by name, by NONLIN_DATA, or what can be had, with a notice."""

import json
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from misbehaving_server import Server
from small_data import check_small_cifar10, image_folder

from nonlin import paths
from nonlin.images import cifar10, sources
from nonlin.images.dataset import DataError, Dataset, Split
from nonlin.images.sources import load

pytestmark = pytest.mark.usefixtures("checkout")


JUNK = ("not JSON", "[]", "[" * 100_000)


def no_notice(text: str) -> None:
    raise AssertionError(f"there was a notice: {text}")


@pytest.mark.usefixtures("small_cifar10")
def test_cifar10_by_name(
    checkout: Path, files: dict[str, bytes], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("whole"))
    monkeypatch.setenv("NONLIN_DATA", "shapes10")  # an explicit source wins
    check_small_cifar10(load("cifar10", notice=no_notice), files)
    assert (checkout / "data" / "cifar-10-batches-py" / "test_batch").is_file()
    monkeypatch.delenv("NONLIN_DATA")
    check_small_cifar10(load(notice=no_notice), files)
    assert len(server.requests) == 1


@pytest.mark.usefixtures("few_shapes", "small_cifar10")
def test_auto_tells_once_why_it_falls_back_and_does_not_wait_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("refused"))
    for _ in range(3):
        notices: list[str] = []
        dataset = load(notice=notices.append)
        assert dataset.name == "shapes10"
        assert "not CIFAR-10" in dataset.title
        assert len(notices) == 1
        for part in ("not CIFAR-10", "shapes10 is used instead", "503", "python3 start.py data cifar10", "60 minutes"):
            assert part in notices[0]
    assert len(server.requests) == 1
    with pytest.raises(DataError, match="503"):  # whoever asks for it by name gets an attempt
        load("cifar10")
    assert len(server.requests) == 2


@pytest.mark.usefixtures("few_shapes")
@pytest.mark.parametrize("note", ["an hour ago", "from the future", "another mirror", *JUNK], ids=lambda note: note[:9])
def test_auto_tries_again_when_the_note_does_not_count(
    server: Server, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    url = server.url("refused")
    monkeypatch.setenv("NONLIN_CIFAR10_URL", url)
    when = time.time() + {"an hour ago": -3601, "from the future": 1000}.get(note, 0)
    mirror = "https://elsewhere" if note == "another mirror" else cifar10._source_digest()
    content = json.dumps({"when": when, "mirror": mirror, "reason": "old"})
    path = paths.data_folder() / ".cifar10.failure.json"
    path.parent.mkdir(parents=True)
    path.write_text(note if note in JUNK else content)
    notices: list[str] = []
    load(notice=notices.append)
    assert len(server.requests) == 1
    assert "503" in notices[0]


@pytest.mark.usefixtures("few_shapes")
def test_a_full_disk_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("NONLIN_CIFAR10_URL", server.url("refused"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    notices: list[str] = []
    load(notice=notices.append)
    assert "MB are needed" in notices[0]
    assert "not tried again" not in notices[0]
    monkeypatch.undo()


@pytest.mark.usefixtures("few_shapes")
def test_a_torchvision_that_does_not_fit_torch_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)  # makes its import fail
    notices: list[str] = []
    assert load(notice=notices.append).name == "shapes10"
    assert "needs torchvision" in notices[0]


@pytest.mark.usefixtures("few_shapes")
def test_nonlin_data_names_a_source_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONLIN_DATA", "shapes10")
    assert load(notice=no_notice).name == "shapes10"
    monkeypatch.setenv("NONLIN_DATA", str(image_folder(tmp_path / "leaves")))
    assert load(notice=no_notice).name == "leaves"
    assert load("shapes10").name == "shapes10"
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NONLIN_DATA", "~/leaves")
    assert load(notice=no_notice).name == "leaves"
    monkeypatch.setenv("NONLIN_DATA", "~nosuchuser/leaves")
    with pytest.raises(DataError, match=r"NONLIN_DATA is set to .*the home folder ~nosuchuser is not known"):
        load(notice=no_notice)
    monkeypatch.setenv("NONLIN_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"NONLIN_DATA is set to .*gone.*does not exist"):
        load(notice=no_notice)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("cifar100", "did you mean 'cifar10'"),
        ("CIFAR10", "did you mean 'cifar10'"),
        ("shapes", "did you mean 'shapes10'"),
        ("mnist", "choose one of auto, cifar10, shapes10, or the path of a folder"),
    ],
)
def test_an_unknown_source(source: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        load(source)
    assert ("did you mean" in str(caught.value)) == ("did you mean" in said)


def test_notice_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    sources.show_notice("Heading\n" + "word " * 40)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert {len(line) for line in lines} == {78}
    assert lines[0] == lines[-1] == "#" * 78
    assert shown.err.count("word") == 40
    assert shown.err.isascii()


def test_notice_in_a_notebook() -> None:
    """In a real kernel: framed HTML, and the same as text for whatever shows no HTML."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        outputs: list[dict[str, Any]] = []
        code = "from nonlin.images.sources import show_notice\nshow_notice('Not <CIFAR-10>\\nsecond line')"
        client.execute_interactive(code, timeout=60, output_hook=outputs.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    shown = [output["content"]["data"] for output in outputs if output["msg_type"] == "display_data"]
    assert len(shown) == 1
    assert "border:4px" in shown[0]["text/html"]
    assert "<b>Not &lt;CIFAR-10&gt;</b><br>second line" in shown[0]["text/html"]
    assert "# Not <CIFAR-10>" in shown[0]["text/plain"]


def test_mean_and_std_are_those_of_the_training_images() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5000, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images[:, 1] //= 4
    images[:, 2] = 255
    split = Split(images=images, labels=torch.zeros(5000, dtype=torch.int64))
    test = Split(images=images[:1] * 0, labels=torch.zeros(1, dtype=torch.int64))
    dataset = Dataset(name="x", title="x", classes=("a",), train=split, test=test)
    scaled = images.double() / 255
    torch.testing.assert_close(dataset.mean, scaled.mean(dim=(0, 2, 3)).float())
    expected = scaled.std(dim=(0, 2, 3), correction=0).float()
    torch.testing.assert_close(dataset.std[:2], expected[:2])
    assert dataset.std[2] == torch.tensor(1 / 255)  # constant, yet it can be divided by
    assert dataset.mean.shape == dataset.std.shape == (3,)
    assert dataset.mean.dtype == dataset.std.dtype == torch.float32
    assert dataset.mean is dataset.mean  # computed once


def test_sample_photograph() -> None:
    photograph = sources.sample_photograph()
    assert photograph.dtype == torch.uint8
    assert photograph.shape == (3, 600, 512)
    assert photograph.is_contiguous()
    assert photograph.float().std() > 30
