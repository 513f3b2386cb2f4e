"""A reader's own images: what becomes of them, and one clear sentence for every folder that is not right."""

import ast
import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext
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


@pytest.mark.skipif(os.name != "posix", reason="elsewhere ctime is the time of a file's making")
def test_images_that_change_places_are_noticed(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "trees", n=1)
    oak, elm = (folder / "train" / name / "0.png" for name in ("oak", "elm"))
    for path, level in ((oak, 10), (elm, 200)):
        Image.new("L", (32, 32), level).save(path, "BMP")
        os.utime(path, (1, 1))
    before = load(folder).train
    oak.rename(tmp_path / "aside")
    elm.rename(oak)
    (tmp_path / "aside").rename(elm)
    after = load(folder).train
    assert torch.equal(after.labels, before.labels)
    assert torch.equal(after.images, before.images.flip(0))


def holding(tmp_path: Path, image: Image.Image | bytes, name: str = "x.png", **options: Any) -> Path:
    """A folder of one class with one image, in train and in test."""
    folder = image_folder(tmp_path / "one", ("a",), n=1)
    for part in ("train", "test"):
        (folder / part / "a" / "0.png").unlink()
        path = folder / part / "a" / name
        path.write_bytes(image) if isinstance(image, bytes) else image.save(path, **options)
    return folder


def converted(tmp_path: Path, image: Image.Image | bytes, name: str = "x.png", **options: Any) -> torch.Tensor:
    """What an image becomes when it is loaded: (3, 32, 32)."""
    return load(holding(tmp_path, image, name, **options)).train.images[0]


def test_grey_is_repeated(tmp_path: Path) -> None:
    assert converted(tmp_path, Image.new("L", (32, 32), 77)).eq(77).all()


# Depth, range, transparency: an image is right, or it is refused

RAMP = np.linspace(0, 65535, 1024).astype(np.uint16).reshape(32, 32)
EIGHT = (RAMP >> 8).astype(np.uint8)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)


def png(rows: np.ndarray, colour: int, *, bits: int = 16, transparent: bytes = b"") -> bytes:
    """A PNG file of any bits a sample; its rows as they are in the file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 32, 32, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent)] if transparent else [(b"IHDR", header)]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def tiff(samples: np.ndarray, *, bits: int, white: int = 1, sign: int = 1, stored: bytes | None = None) -> bytes:
    """A TIFF file of any bits a sample, grey or colour."""
    data, bands = stored or samples.tobytes(), samples[0, 0].size
    tags = {256: 32, 257: 32, 258: bits, 259: 1, 262: 2 if bands == 3 else white, 277: bands, 278: 32, 279: len(data)}
    tags |= {273: 0, 339: sign}
    first = 8 + 2 + 12 * len(tags) + 4
    long = struct.pack("<HHHHHH", *[bits] * 3, *[sign] * 3)
    entries = b""
    for tag, value in sorted(tags.items()):
        if bands == 3 and tag in (258, 339):
            entries += struct.pack("<HHII", tag, 3, 3, first + (6 if tag == 339 else 0))
        else:
            entries += struct.pack("<HHII", tag, 4, 1, first + len(long) if tag == 273 else value)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + long + data


def twelve_bits() -> bytes:
    """Two samples in three bytes."""
    first, second = (RAMP >> 4).ravel()[0::2].astype(int), (RAMP >> 4).ravel()[1::2].astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1)
    return tiff(RAMP, bits=12, stored=packed.astype(np.uint8).tobytes())


def picture(values: np.ndarray, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, Image.registered_extensions()[f".{name}"], **options)
    return buffer.getvalue()


GREY = {
    "16 bits, png": (picture(RAMP, "png"), "x.png"),
    "16 bits, tiff": (picture(RAMP, "tif"), "x.tif"),
    "16 bits, tiff, the other byte first": (picture(RAMP.astype(">u2"), "tif"), "x.tiff"),
    "16 bits, tiff, compressed": (picture(RAMP, "tif", compression="tiff_lzw"), "x.tif"),
    "16 bits, tiff, white is 0": (tiff(65535 - RAMP, bits=16, white=0), "x.tif"),
    "16 bits, pgm": (picture(RAMP, "pgm"), "x.pgm"),
    "10 bits, pgm says so": (b"P5 32 32 1023\n" + (RAMP >> 6).astype(">u2").tobytes(), "x.pgm"),
    "12 bits, tiff says so": (twelve_bits(), "x.tif"),
    "8 bits, tiff, white is 0": (tiff(255 - EIGHT, bits=8, white=0), "x.tif"),
    "floats, tiff": (picture((EIGHT / 255).astype(np.float32), "tif"), "x.tif"),
    "floats, pfm": (picture((EIGHT / 255).astype(np.float32), "pfm"), "x.pfm"),
    "16 bits with transparency": (png(np.stack([RAMP, np.full_like(RAMP, 65535)], axis=2).astype(">u2"), 4), "x.png"),
    "jpeg by another name": (picture(EIGHT, "jpg", quality=100), "x.jfif"),
}


@pytest.mark.parametrize("case", GREY)
def test_grey_of_any_depth_is_scaled(tmp_path: Path, case: str) -> None:
    pixels = converted(tmp_path, *GREY[case])
    assert pixels.eq(pixels[0]).all()
    assert (pixels[0].int() - torch.from_numpy(EIGHT).int()).abs().max() <= 1


def test_colour_of_sixteen_bits_is_scaled(tmp_path: Path) -> None:
    for name, content in (("x.png", png(COLOUR.astype(">u2"), 2)), ("x.tif", tiff(COLOUR, bits=16))):
        pixels = converted(tmp_path / name[2:], content, name)
        assert torch.equal(pixels, torch.from_numpy(COLOUR >> 8).permute(2, 0, 1).byte())


RANGE_UNKNOWN = {
    "12 bits in 16, png": (picture(RAMP >> 4, "png"), "x.png"),
    "12 bits in 16, tiff": (picture(RAMP >> 4, "tif"), "x.tif"),
    "8 bits in 16": (picture(RAMP >> 8, "png"), "x.png"),
    "12 bits in 16, colour, png": (png((COLOUR >> 4).astype(">u2"), 2), "x.png"),
    "12 bits in 16, colour, tiff": (tiff(COLOUR >> 4, bits=16), "x.tif"),
    "8 bits in 32": (picture((RAMP >> 8).astype(np.int32), "tif"), "x.tif"),
    "32 bits": (tiff(RAMP.astype(np.uint32), bits=32), "x.tif"),
    "signed, 8 bits": (tiff(EIGHT.astype(np.int8), bits=8, sign=2), "x.tif"),
    "signed, 16 bits": (tiff(RAMP.astype(np.int16), bits=16, sign=2), "x.tif"),
    "floats to 255": (picture(EIGHT.astype(np.float32), "tif"), "x.tif"),
    "floats below 0": (picture((EIGHT / 255 - 0.5).astype(np.float32), "tif"), "x.tif"),
    "not a number": (picture(np.full((32, 32), np.nan, np.float32), "tif"), "x.tif"),
}


@pytest.mark.parametrize("case", RANGE_UNKNOWN)
def test_an_image_whose_white_is_not_known_is_refused(tmp_path: Path, case: str) -> None:
    content, name = RANGE_UNKNOWN[case]
    with pytest.raises(DataError, match=rf"one.train.a.{name} holds .*: what is white is not known"):
        converted(tmp_path, content, name)


BRIGHT = picture(RAMP, "png")


@pytest.mark.parametrize(
    ("dark", "bright", "expected"),
    [
        (picture(RAMP >> 3, "png"), BRIGHT, RAMP >> 11),  # a night among days
        (png((COLOUR >> 3).astype(">u2"), 2), BRIGHT, COLOUR[..., 0] >> 11),
        (picture(RAMP * 0, "png"), picture(RAMP * 0, "png"), RAMP * 0),  # black is black in any range
    ],
    ids=["grey", "colour", "black"],
)
def test_a_dark_image_among_bright_ones_of_16_bits_is_right(tmp_path, dark, bright, expected) -> None:
    folder = holding(tmp_path, bright, "bright.png")
    (folder / "test" / "a" / "dark.png").write_bytes(dark)
    told = pytest.warns(UserWarning, match="darker than a quarter of white, such as .*dark.png")
    with told if expected.any() else nullcontext():
        images = load(folder).test.images[:, 0]
    assert any(torch.equal(image, torch.from_numpy(expected).byte()) for image in images)


@pytest.mark.parametrize(
    ("dim", "place"),
    [(picture(RAMP >> 3, "png"), "b"), (picture(RAMP >> 4, "png"), "a"), (picture(RAMP >> 2, "tif"), "a")],
    ids=["a class of fewer bits", "12 bits in a class of 16", "14 bits in a class of 16"],
)
def test_images_of_several_depths_are_refused(tmp_path: Path, dim: bytes, place: str) -> None:
    folder = holding(tmp_path, BRIGHT, "bright.png")
    for part in ("train", "test"):
        (folder / part / place).mkdir(exist_ok=True)
        (folder / part / place / "dim.png").write_bytes(dim)
    with pytest.raises(DataError, match=rf"{place}.dim.png holds 16-bit numbers that .*: what is white is not known"):
        load(folder)


def test_one_bright_image_does_not_vouch_for_a_class_of_fewer_bits(tmp_path: Path) -> None:
    folder = holding(tmp_path, BRIGHT, "bright.png")
    for number in range(3):
        (folder / "train" / "a" / f"dim{number}.png").write_bytes(picture(RAMP // 20, "png"))
    with pytest.raises(DataError, match=r"a.dim\d.png holds 16-bit numbers that .*as most of its class"):
        load(folder)


LOSSLESS = {"x.webp": {"lossless": True}}


@pytest.mark.parametrize(
    ("mode", "colour", "expected", "name"),
    [
        ("1", 1, (255, 255, 255), "x.png"),
        ("1", 0, (0, 0, 0), "x.tif"),
        ("LA", (10, 0), (255, 255, 255), "x.png"),
        ("LA", (10, 255), (10, 10, 10), "x.tif"),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30), "x.webp"),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255), "x.tif"),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255), "x.jpg"),
        ("YCbCr", (100, 128, 128), (100, 100, 100), "x.tif"),
        ("RGB", (10, 20, 30), (10, 20, 30), "x.bmp"),
        ("RGB", (10, 20, 30), (10, 20, 30), "x.ppm"),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: Any, expected: tuple[int, ...], name: str) -> None:
    pixels = converted(tmp_path, Image.new(mode, (32, 32), colour), name, **LOSSLESS.get(name, {}))
    torch.testing.assert_close(pixels[:, 16, 16].int(), torch.tensor(expected).int(), atol=2, rtol=0)


ONE_TRANSPARENT = {
    "16 bits, colour": png(COLOUR.astype(">u2"), 2, transparent=struct.pack(">HHH", *COLOUR[5, 7])),
    "16 bits, grey": png(RAMP.astype(">u2"), 0, transparent=struct.pack(">H", RAMP[5, 7])),
    "4 bits": png(np.full((32, 16), 0x77, np.uint8), 0, bits=4, transparent=b"\0\x07"),
    "2 bits": png(np.full((32, 8), 0x55, np.uint8), 0, bits=2, transparent=b"\0\1"),
    "1 bit": png(np.full((32, 4), 0, np.uint8), 0, bits=1, transparent=b"\0\0"),
}


@pytest.mark.parametrize("case", ONE_TRANSPARENT)
def test_one_colour_is_transparent(tmp_path: Path, case: str) -> None:
    assert converted(tmp_path, ONE_TRANSPARENT[case])[:, 5, 7].tolist() == [255, 255, 255]


def test_of_an_animation_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), (level, level, level)) for level in (10, 200)]
    for name in ("x.gif", "x.png", "x.webp", "x.tif"):
        options = {"save_all": True, "append_images": frames[1:]} | LOSSLESS.get(name, {})
        assert converted(tmp_path / name[2:], frames[0], name, **options).eq(10).all()


FOREIGN = ("EPS", "ICO", "PCX", "PDF", "SGI", "TGA", "JPEG2000")


@pytest.mark.parametrize("kind", FOREIGN)
def test_only_listed_formats_are_opened_whatever_a_file_is_called(tmp_path: Path, kind: str) -> None:
    """Pillow would start Ghostscript for PostScript that is called cat.png."""
    with pytest.raises(DataError, match=r"cat\.png cannot be read \(it is no image\)"):
        converted(tmp_path, Image.new("RGB", (32, 32)), "cat.png", format=kind)


def test_every_image_that_the_course_opens_is_of_a_listed_format() -> None:
    opened = []
    for path in (Path(module.__file__).parents[1]).rglob("*.py"):
        if path.parent.name in ("lab", "choosing"):  # these open what the same process has written
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                opened.append(path.name)
                assert "formats" in [keyword.arg for keyword in node.keywords], path
    assert sorted(opened) == ["image_folder.py", "sources.py"]


@pytest.mark.filterwarnings("default")  # as outside of tests
def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"x\.png cannot be read \(Image size \(1024 pixels\) exceeds limit"):
        converted(tmp_path, Image.new("L", (32, 32)))


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


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif"])
def test_the_camera_was_turned(tmp_path: Path, name: str) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = converted(tmp_path, image, name, exif=exif)
    assert pixels[0, 2, 16] == 0
    assert pixels[0, 29, 16] == 255


STRANGE = ("a\x1b]0;owned\x07b", "caf\udce9", "\x9b31m", "line\nbreak", "\u202egnp")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no file can be called so")
def test_no_name_steers_a_terminal_or_breaks_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = image_folder(tmp_path / STRANGE[0], STRANGE)
    dataset = load(folder)
    shown = {r"a\x1b]0;owned\x07b", r"caf\xe9", r"\u009b31m", r"line\x0abreak", r"\u202egnp"}
    assert set(dataset.classes) == shown
    assert dataset.name == dataset.title == r"a\x1b]0;owned\x07b"
    "".join(dataset.classes).encode()  # as in a file of a run
    for name in STRANGE:
        path = folder / "train" / name / "0.png"
        path.write_bytes(b"no image")
        for problem in ("cannot be read", "is not an image file"):
            with pytest.raises(DataError, match=problem) as caught:
                load(folder)
            assert str(caught.value).isprintable()
            if path.exists():
                path = path.rename(path.with_name(f"{name}.txt"))
        path.unlink()
        Image.new("RGB", (32, 32)).save(folder / "train" / name / "0.png")


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


def _loop_of_links(folder: Path) -> None:
    (folder / "train" / "oak" / "loop.png").symlink_to("loop.png")


def _loop_for_a_class(folder: Path) -> None:
    (folder / "train" / "loop").symlink_to("loop")


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
        (_loop_of_links, r"loop\.png cannot be read \(Too many levels of symbolic links\): check what it is"),
        (_loop_for_a_class, r"loop cannot be read \(Too many levels of symbolic links\): check what it is"),
    ],
)
def test_a_folder_that_is_not_right(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = image_folder(tmp_path / "trees")
    spoil(folder)
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert leftovers(paths.cache_folder()) == []
