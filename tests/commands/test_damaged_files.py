"""Damaged files: what reads them says so in one sentence, or does without; nothing else is lost."""

import copy
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import children
import pytest
from small_data import image_folder

TRAIN = ["train", "--data", "pictures", "--network", "mlp", "--depth", "1", "--epochs", "2", "--threads", "1"]
SWEEP = ["sweep", "--data", "pictures", "--networks", "mlp", "--epochs", "1", "--seeds", "2", "--jobs", "1"]
SWEEP += ["--activations", "relu", "tanh", "--depths", "1"]
JSONS = (b"", b"{}", b"[]", b"null", b"1", b'"x"', b"[{}]", b'{"a": 1}', b"NaN", b"\xff\xfe", b"[" * 100_000)
RUN = "runs/train/relu-pictures-seed0"


def environment(place: Path) -> dict[str, str]:
    return {"HOME": str(place / "home"), "NONLIN_RUNS": str(place / "runs"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, their cache, a run that was stopped, one that ended, a sweep and a report."""
    place = tmp_path_factory.mktemp("whole")
    image_folder(place / "pictures", n=4)
    for line in (
        TRAIN,
        [*TRAIN, "--activation", "tanh"],
        SWEEP,
        ["report", "runs/sweep/pictures-1epochs-float32", "--output", "report"],
    ):
        ended = children.run(line, place, environment(place), seconds=120)
        assert ended.code == 0, (line, ended)
    for name in ("result.json", "times.json"):
        (place / RUN / name).unlink()  # as if it had been stopped behind its last checkpoint
    return place


def reader(path: Path) -> list[str]:
    """A command line that reads this file."""
    top = path.parts[0]
    if top == "pictures" or top == "home":
        return ["data", "pictures"]
    if top == "report":
        return ["report", "report/runs.csv", "--output", "other"]
    if path.parts[:2] == ("runs", "train") and path.is_relative_to(RUN):
        return ["train", "--resume", RUN, "--data", "pictures"]
    return SWEEP if path.parts[:2] == ("runs", "sweep") and hash(path.name) % 2 else ["report", "runs"]


def damage(path: Path, chance: random.Random, others: list[Path]) -> str:
    """Damage one file; returns how."""
    content = path.read_bytes()
    kind = chance.choice(["cut", "bit", "noise", "other", "json", "value", "gone", "folder", "link"])
    if kind == "cut":
        path.write_bytes(content[: chance.randrange(len(content) + 1)])
    elif kind == "bit" and content:
        place = chance.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :])
    elif kind == "noise":
        place = chance.randrange(len(content) + 1)
        path.write_bytes(content[:place] + chance.randbytes(chance.randrange(1, 50)) + content[place:])
    elif kind == "other":
        path.write_bytes(chance.choice(others).read_bytes())
    elif kind == "value" and path.suffix == ".json" and isinstance(json.loads(content), dict):
        path.write_text(json.dumps(other_value(json.loads(content), chance)))
    elif kind == "gone":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "link":
        path.unlink()
        path.symlink_to(path.name)  # leads to itself
    else:
        kind = "json"
        path.write_bytes(chance.choice(JSONS))
    return kind


def other_value(record: dict, chance: random.Random) -> dict:
    """A record with one of its values, at any depth, gone or replaced."""
    record = copy.deepcopy(record)
    place = record
    while True:
        name = chance.choice(list(place))
        if isinstance(place[name], dict) and place[name] and chance.random() < 0.7:
            place = place[name]
            continue
        if chance.random() < 0.3:
            del place[name]
        else:
            place[name] = chance.choice([None, -1, 1e308, "x", "", [], {}, True, "../../..", 2**70, [[1]]])
        return record


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_told_in_one_sentence(
    whole: Path, tmp_path: Path, seed: int, amount: Callable[[int, int], int], tell: Callable[[str], None]
) -> None:
    chance, codes, kinds = random.Random(seed), Counter(), Counter()
    files = sorted(path for path in whole.rglob("*") if path.is_file() and path.suffix != ".lock")
    for number in range(amount(3, 250)):
        place = tmp_path / str(number)
        shutil.copytree(whole, place)
        path = place / chance.choice(files).relative_to(whole)
        line = reader(path.relative_to(place))
        kind = damage(path, chance, files)
        before = {other for other in place.rglob("*") if other.suffix != ".lock"} - {path}
        ended = children.run(line, place, environment(place), seconds=60)
        told = (kind, path, line, ended)
        codes[ended.code] += 1
        kinds[kind] += 1
        assert ended.code in (0, 1, 2), told
        assert "Traceback" not in ended.err + ended.out, told
        sentences = [text for text in ended.err.splitlines() if "rror: " in text or str(path) in text]
        assert ended.code == 0 or len(sentences) == 1, told
        assert all(other.exists() for other in before), told
        assert not [part for part in place.rglob("*.part*") if part.is_file()], told
        shutil.rmtree(place)
    tell(
        f"{codes.total()} damaged files ({', '.join(sorted(kinds))}): "
        f"{codes[0]} done without, {codes[1] + codes[2]} told"
    )
