"""Command lines that nobody would type: each ends in success or in one sentence, and soon."""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import children
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from small_data import image_folder

from nonlin.__main__ import all_options

JUNK = ("", "-", "--", "0", "-1", "2", "1.5", "1e39", "nan", "-inf", "٣", "9" * 30, "x", "all", "RELU", "a b", "$(x)")
ODD = ("\udcff", "\x1b[31mred", "é\u202e", "../..", "~nosuchuser/x", "~/x", "/proc/x", "/dev/full", "file", "x" * 300)
NAMES = ("relu", "gelu", "softmax", "prelu", "all", "swish_learned", "reul")
# Where a line is right, it must be soon done: these words come last, and the last one counts.
SMALL = {
    "train": ["--data", "pictures", "--epochs", "1", "--threads", "1", "--depth", "1", "--network", "mlp"],
    "sweep": ["--data", "pictures", "--epochs", "1", "--seeds", "1", "--jobs", "1", "--networks", "mlp"],
    "before-after": ["--data", "pictures"],
    "gradients": ["--data", "pictures", "--depths", "2", "--seeds", "2", "--activations", "relu"],
    "reference": ["--dry-run"],
    "data": ["pictures"],
}
# These take long or never end when they are right: so they are made wrong.
LONG = {"bench", "bench-training", "refresh", "tensorboard", "claims", "kernels", "pack", "site"}


PARSERS = all_options()._subparsers._group_actions[0].choices


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A command with a few of its options, each with a plausible or an impossible value, and perhaps words too many."""
    name = draw(st.sampled_from(sorted(PARSERS)))
    words = [name]
    for action in draw(st.lists(st.sampled_from(PARSERS[name]._actions[1:]), max_size=4)):  # without --help
        words += action.option_strings[-1:]
        if action.nargs != 0:
            few = 1 if action.nargs in (None, "?") else 3
            words += draw(st.lists(values(action), min_size=1, max_size=few))
    words += draw(st.lists(st.sampled_from(JUNK + ODD), max_size=1))
    if name in LONG:
        return [name, "--no-such-option", *words[1:]]
    return words + (SMALL.get(name, []) if draw(st.booleans()) or name != "data" else [])


def values(action: argparse.Action) -> st.SearchStrategy[str]:
    usual = [str(choice) for choice in action.choices or ()] or [*NAMES, "1", "2", "0.1", "pictures", "out", "out.png"]
    return st.sampled_from([*usual, *usual, *JUNK, *ODD])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a few images and a file in it."""
    image_folder(tmp_path / "pictures", n=2)
    (tmp_path / "file").write_text("hello")
    return tmp_path


@pytest.mark.parametrize("shard", range(4))
def test_a_command_line_ends_in_success_or_in_one_sentence(
    shard: int, place: Path, amount: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    folders = {f"NONLIN_{name.upper()}": str(place / name) for name in ("runs", "work")}
    environment = {"HOME": str(place / "home"), "NONLIN_DATA": "shapes10", **folders}
    codes: Counter[int | None] = Counter()

    @seed(shard)
    @settings(
        max_examples=amount(8, 2_500),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(lines())
    def check(words: list[str]) -> None:
        ended = children.run(words, place, environment, seconds=120)
        codes[ended.code] += 1
        said = ended.err.strip().splitlines()
        assert ended.code in (0, 1, 2), (words, ended)
        assert "Traceback" not in ended.err + ended.out, (words, ended)
        if ended.code:
            assert said, (words, ended)
            assert sum("rror: " in line for line in said) == 1, (words, ended)
            assert "rror: " in said[-1], (words, ended)
        assert (place / "file").read_text() == "hello", words
        assert not [path for path in place.rglob("*.part*") if path.is_file()], words

    check()
    tell(f"{codes.total()} command lines: {codes[0]} done, {codes[1] + codes[2]} refused in one sentence")
    assert codes[2] > 0
