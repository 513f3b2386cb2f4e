"""A reader's own images: what becomes of them, and one clear sentence for every folder that is not right."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_data import counted, image_folder, leftovers

from nonlin import paths
from nonlin.images import image_folder as module
from nonlin.images.dataset import DataError
from nonlin.images.sources import load

pytestmark = pytest.mark.usefixtures("checkout")


def test_a_folder_of_images(tmp_path: Path) -> None:
    dataset = load(str(image_folder(tmp_path / "trees")))
    assert (dataset.name, dataset.title, dataset.classes) == ("trees", "trees", ("elm", "oak"))
    for split, more in ((dataset.train, 0), (dataset.test, 50)):
        assert split.images.shape == (6, 3, 32, 32)
        values = split.images[:, 0, 0, 0].long() - more
        assert sorted(values.tolist()) == [0, 1, 2, 100, 101, 102]
        assert torch.equal(values // 100, split.labels)
        assert split.images[:, 1].eq(1).all()
        assert split.images[:, 2].eq(2).all()


def test_classes_are_mixed_and_the_order_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = image_folder(tmp_path / "trees", n=50)
    first = load(folder).train
    assert 5 < first.labels[:25].sum() < 20
    shutil.rmtree(paths.cache_folder())
    assert torch.equal(load(folder).train.images, first.images)


def test_a_folder_is_read_again_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = image_folder(tmp_path / "trees")
    load(folder)
    calls = counted(monkeypatch, module, "_read_image")
    load(folder)
    assert calls == []
    Image.new("RGB", (32, 32), "red").save(folder / "train" / "oak" / "new.png")
    assert len(load(folder).train.labels) == 7
    (folder / "train" / "oak" / "new.png").rename(folder / "train" / "elm" / "new.png")
    assert load(folder).train.labels.sum() == 3
    os.utime(folder / "train" / "elm" / "new.png", (1, 1))
    before = len(calls)
    load(folder)
    assert len(calls) == before + 13
    assert len(list(paths.cache_folder().glob("folder-*.images"))) == 1  # the old one is replaced


def converted(tmp_path: Path, image: Image.Image, name: str = "x.png", **options: Any) -> torch.Tensor:
    """What an image becomes when it is loaded: (3, 32, 32)."""
    folder = image_folder(tmp_path / "one", ("a",), n=1)
    for part in ("train", "test"):
        (folder / part / "a" / "0.png").unlink()
        image.save(folder / part / "a" / name, **options)
    return load(folder).train.images[0]


def test_grey_is_repeated(tmp_path: Path) -> None:
    assert converted(tmp_path, Image.new("L", (32, 32), 77)).eq(77).all()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    assert converted(tmp_path, Image.fromarray(np.full((32, 32), 77 * 256 + 5, np.uint16))).eq(77).all()


def test_transparent_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    pixels = converted(tmp_path, image)
    assert pixels[:, 0, 0].tolist() == [0, 0, 255]
    assert pixels[:, 0, 31].tolist() == [255, 255, 255]


def test_a_transparent_palette_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert converted(tmp_path, image, "x.gif", transparency=1).eq(255).all()


def test_a_large_image_is_cropped_to_its_centre(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    pixels = converted(tmp_path, image, "x.bmp")
    assert pixels[2].eq(255).all()
    assert pixels[0].eq(0).all()


def test_the_camera_was_turned(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = converted(tmp_path, image, exif=exif)
    assert pixels[0, 2, 16] == 0
    assert pixels[0, 29, 16] == 255


def test_what_systems_hide_in_folders_is_ignored(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "trees")
    for place in (folder, folder / "train", folder / "train" / "oak"):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png"):
            (place / name).write_bytes(b"x")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    assert len(load(folder).train.labels) == 6


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _is_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def _no_train(folder: Path) -> None:
    shutil.rmtree(folder / "train")


def _no_test(folder: Path) -> None:
    shutil.rmtree(folder / "test")


def _no_classes(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    (folder / "train").mkdir()


def _empty_class(folder: Path) -> None:
    (folder / "test" / "ash").mkdir()


def _only_in_train(folder: Path) -> None:
    shutil.rmtree(folder / "test" / "oak")


def _only_in_test(folder: Path) -> None:
    shutil.rmtree(folder / "train" / "oak")


def _garbage_image(folder: Path) -> None:
    (folder / "train" / "oak" / "1.png").write_bytes(b"not a picture")


def _cut_image(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "train" / "oak" / "1.png")
    content = (folder / "train" / "oak" / "1.png").read_bytes()
    (folder / "train" / "oak" / "1.png").write_bytes(content[:-900])


def _text_among_images(folder: Path) -> None:
    (folder / "train" / "oak" / "notes.txt").touch()


def _folder_among_images(folder: Path) -> None:
    (folder / "train" / "oak" / "deeper.png").mkdir()


def _image_outside(folder: Path) -> None:
    Image.new("RGB", (32, 32)).save(folder / "train" / "stray.png")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_folder, r"trees does not exist"),
        (_is_a_file, r"trees does not exist, is not a folder"),
        (_no_train, r"trees has no folder train/"),
        (_no_test, r"trees has no folder test/"),
        (_no_classes, r"train is empty"),
        (_empty_class, r"ash holds no image"),
        (_only_in_train, r"'oak' is in train/ only"),
        (_only_in_test, r"'oak' is in test/ only"),
        (_garbage_image, r"oak.1\.png cannot be read"),
        (_cut_image, r"oak.1\.png cannot be read"),
        (_text_among_images, r"notes\.txt is not an image file"),
        (_folder_among_images, r"deeper\.png is not an image file"),
        (_image_outside, r"stray\.png is not in a class folder"),
    ],
)
def test_a_folder_that_is_not_right(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = image_folder(tmp_path / "trees")
    spoil(folder)
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert leftovers(paths.cache_folder()) == []
