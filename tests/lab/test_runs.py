"""Runs that survive: resumed to the bit, killed, stopped, damaged, started twice."""

import json
import math
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
import torch
from small_data import bright
from torch import nn

from nonlin.files import FileError
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import runs, tracking
from nonlin.lab.runs import Configuration, RunError, Stopped, run
from nonlin.lab.training import Recipe

DATASET = bright(90)
OTHERS = replace(DATASET, test=bright(80).test)
EPOCHS, UPDATES = 3, 18  # six batches of 16 hold 90 images


def configuration(**changes) -> Configuration:
    recipe = Recipe(epochs=changes.pop("epochs", EPOCHS), batch_size=16, learning_rate=changes.pop("rate", 0.1))
    data = {"data": DATASET.title, "fingerprint": runs.fingerprint(DATASET)}
    return Configuration(activation="rrelu", recipe=recipe, **data | changes)


class Failing(nn.RReLU):
    """An activation that draws random numbers, so that torch's random state matters, and acts up at one call."""

    calls, at, act = 0, 0, None

    @classmethod
    def prepare(cls, at: int, act) -> type[nn.Module]:
        cls.calls, cls.at, cls.act = 0, at, act
        return cls

    def forward(self, x):
        type(self).calls += 1
        if Failing.calls == Failing.at:
            Failing.act()
        return super().forward(x)


class OwnError(Exception):
    pass


def fail() -> None:
    raise OwnError


def without_log(*arguments, **options):
    """Curves are left out where a test does not look at them: a resumed log waits for the next second."""
    return run(*arguments, log=False, **options)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(configuration(), nn.RReLU, DATASET, folder)
    return folder


def sessions(folder: Path) -> list[int]:
    """The first update of each session."""
    return [session["first_update"] for session in json.loads((folder / "run.json").read_text())["sessions"]]


# A forward pass of the network has 7 activations; an epoch has 6 of them in training, and 1 in the test.
@pytest.mark.parametrize(
    ("at", "first_update"),
    [
        (1, 1),
        pytest.param(7 * 2 + 1, 3, id="middle of the first epoch"),
        pytest.param(7 * 6 + 1, 6, id="first test"),
        pytest.param(7 * 7 + 1, 7, id="boundary"),
        pytest.param(7 * 17 + 3, 16, id="middle of the last epoch"),
        pytest.param(7 * 20 + 1, 18, id="last test"),
    ],
)
def test_a_resumed_run_gives_the_same_file_and_the_same_curves(undisturbed, tmp_path, at, first_update):
    with pytest.raises(OwnError):
        run(configuration(), Failing.prepare(at, fail), DATASET, tmp_path, every_updates=1)
    assert not (tmp_path / "result.json").exists()
    run(configuration(), nn.RReLU, DATASET, tmp_path)
    assert sessions(tmp_path) == [1, first_update]
    assert (tmp_path / "result.json").read_bytes() == (undisturbed / "result.json").read_bytes()
    assert tracking.read_scalars(tmp_path) == tracking.read_scalars(undisturbed)


def test_the_result_file_holds_the_weights_and_each_loss(undisturbed):
    other = json.loads((undisturbed / "result.json").read_text())
    weights = torch.load(undisturbed / "weights.pt", weights_only=True)
    assert other["weights"] == runs._digest(weights)
    weights["0.weight"][0, 0, 0, 0] += 1e-6
    assert other["weights"] != runs._digest(weights)
    assert len({epoch["train_loss"] for epoch in other["epochs"]}) == EPOCHS
    assert "seconds" not in (undisturbed / "result.json").read_text()


@pytest.mark.parametrize(
    ("changes", "at"), [({"precision": "bfloat16"}, 7 * 3), ({"network": "mlp", "initialisation": "orthogonal"}, 8)]
)
def test_other_configurations_resume_as_well(tmp_path, changes, at):
    config = configuration(epochs=2, **changes)
    without_log(config, nn.RReLU, DATASET, tmp_path / "whole")
    with pytest.raises(OwnError):
        without_log(config, Failing.prepare(at, fail), DATASET, tmp_path / "broken", every_updates=2)
    without_log(config, nn.RReLU, DATASET, tmp_path / "broken")
    whole, broken = ((tmp_path / name / "result.json").read_bytes() for name in ("whole", "broken"))
    assert whole == broken
    assert sessions(tmp_path / "broken")[1] > 1


def test_auto_decides_once_for_all_sessions(monkeypatch, tmp_path):
    from nonlin.lab import precision

    monkeypatch.setattr(precision, "speed_of_bfloat16", lambda *rest: 2.0)
    with pytest.raises(OwnError):
        without_log(configuration(precision="auto"), Failing.prepare(20, fail), DATASET, tmp_path)
    monkeypatch.setattr(precision, "speed_of_bfloat16", lambda *rest: 0.5)
    assert without_log(configuration(precision="auto"), nn.RReLU, DATASET, tmp_path).precision == "bfloat16"
    assert "2.00 times as fast" in json.loads((tmp_path / "run.json").read_text())["precision"]["reason"]


# Stopped


def test_ctrl_c_writes_a_checkpoint_and_says_where_it_is(undisturbed, tmp_path):
    with pytest.raises(Stopped, match=rf"Stopped after 4 of {UPDATES} updates; the run in {tmp_path} can go on"):
        without_log(configuration(), Failing.prepare(7 * 3 + 1, press_ctrl_c), DATASET, tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    without_log(configuration(), nn.RReLU, DATASET, tmp_path)
    assert sessions(tmp_path) == [1, 5]
    assert (tmp_path / "result.json").read_bytes() == (undisturbed / "result.json").read_bytes()


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice() -> None:
        press_ctrl_c()
        press_ctrl_c()

    with pytest.raises(KeyboardInterrupt) as stop:
        without_log(configuration(), Failing.prepare(8, twice), DATASET, tmp_path)
    assert not isinstance(stop.value, Stopped)
    assert not (tmp_path / "checkpoint.pt").exists()


# What is there


def test_a_finished_run_returns_its_result_at_once(undisturbed, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}
    monkeypatch.setattr(runs, "prepare", lambda *rest, **options: pytest.fail("trained"))
    result = run(configuration(), nn.RReLU, DATASET, undisturbed)
    assert result == runs.read_result(undisturbed)
    assert len(result.epochs) == EPOCHS
    assert result.seconds > sum(epoch.seconds for epoch in result.epochs) > 0
    assert result.recipe == configuration().recipe
    assert {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()} == before


def test_what_is_returned_is_what_is_stored(tmp_path):
    result = run(configuration(epochs=1), nn.RReLU, DATASET, tmp_path)
    assert runs.read_result(tmp_path) == result
    assert runs.read_configuration(tmp_path) == configuration(epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".json", ".pt")) == [
        "result.json",
        "run.json",
        "times.json",
        "weights.pt",
    ]
    without = run(configuration(epochs=1), nn.RReLU, DATASET, tmp_path / "w", log=False, keep_weights=False)
    assert without.log_dir is None
    assert [e.test_loss for e in without.epochs] == [e.test_loss for e in result.epochs]
    assert not list((tmp_path / "w").glob("events*")) + list((tmp_path / "w").glob("*.pt"))


def test_a_run_says_where_it_took_place(undisturbed):
    (session,) = json.loads((undisturbed / "run.json").read_text())["sessions"]
    assert session["versions"]["torch"] == torch.__version__
    assert session["hardware"]["cores"] == os.cpu_count()
    assert session["revision"]


def test_without_git_the_revision_is_the_version(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert runs._revision.__wrapped__().startswith("version ")


def test_divergence_is_a_result(tmp_path):
    result = without_log(configuration(rate=1e30, epochs=5), nn.RReLU, DATASET, tmp_path)
    assert result.diverged
    assert len(result.epochs) < 5
    stored = runs.read_result(tmp_path)
    assert stored.diverged
    assert str(stored.epochs) == str(result.epochs)
    json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)


def test_another_configuration_is_refused_by_the_fields_that_differ(undisturbed, tmp_path):
    other = configuration(epochs=4, initialisation="he")
    message = r"another configuration \(initialisation was torch, now is he; recipe.epochs was 3, now is 4\): use"
    with pytest.raises(RunError, match=message):
        without_log(other, nn.RReLU, DATASET, undisturbed)
    with pytest.raises(OwnError):
        without_log(configuration(), Failing.prepare(20, fail), DATASET, tmp_path, every_updates=1)
    with pytest.raises(RunError, match="initialisation was torch, now is he"):
        without_log(other, nn.RReLU, DATASET, tmp_path)


def test_other_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="for other images than those of bright"):
        run(configuration(fingerprint="0" * 64), nn.RReLU, DATASET, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_fingerprint_sees_a_pixel_a_label_and_a_class():
    base, (x, y) = DATASET, (DATASET.train.images.clone(), DATASET.train.labels.clone())
    x[5, 1, 2, 3] += 1
    y[5] = 1 - y[5]
    others = [
        Dataset(
            name="b", title="b", classes=base.classes, train=Split(images=x, labels=base.train.labels), test=base.test
        ),
        Dataset(
            name="b", title="b", classes=base.classes, train=base.train, test=Split(images=base.test.images, labels=y)
        ),
        Dataset(name="b", title="b", classes=("a", "b"), train=base.train, test=base.test),
    ]
    assert len({runs.fingerprint(dataset) for dataset in [base, *others]}) == 4
    assert runs.fingerprint(bright(90)) == runs.fingerprint(base)


# What goes wrong


@pytest.mark.parametrize("damage", ["truncated", "empty", "one byte"])
def test_a_damaged_checkpoint_gives_one_sentence(undisturbed, tmp_path, damage):
    with pytest.raises(OwnError):
        run(configuration(), Failing.prepare(50, fail), DATASET, tmp_path, every_updates=1)
    path = tmp_path / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "one byte": content}[damage])
    with pytest.raises(
        RunError, match=r"checkpoint.pt is damaged \(.*\): remove that file, and the run begins anew\.$"
    ):
        run(configuration(), nn.RReLU, DATASET, tmp_path)
    path.unlink()
    run(configuration(), nn.RReLU, DATASET, tmp_path)
    assert (tmp_path / "result.json").read_bytes() == (undisturbed / "result.json").read_bytes()
    assert tracking.read_scalars(tmp_path) == tracking.read_scalars(undisturbed)


RECORDS = {
    "run.json": ("configuration", "run.json is damaged (", "restore it, or remove its folder and begin anew."),
    "result.json": ("epochs", "result.json is damaged (", "remove that file, and the run is trained anew."),
    "times.json": ("seconds", "times.json is damaged (", "remove that file; only the times of the run are lost."),
}
SHAPES = ["", "{", "{}", "[]", "null", "3", '"x"', "NaN", "[" * 10_000, "newer", "without", "wrong", "folder", "bytes"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape[:8] or "empty")
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_another_shape_is_one_sentence(undisturbed, tmp_path, name, shape):
    copy = tmp_path / "run"
    shutil.copytree(undisturbed, copy)
    (field, damaged, remedy), path = RECORDS[name], copy / name
    whole = json.loads(path.read_text())
    changed = {"newer": whole | {"new": 1}, "wrong": whole | {field: "text"}}
    changed["without"] = {each: value for each, value in whole.items() if each != field}
    path.unlink()
    if shape == "folder":
        path.mkdir()
        damaged, remedy = f"{name} cannot be read (Is a directory): ", "check what it is and who may read it."
    elif shape == "bytes":
        path.write_bytes(b"\xff\xfe\x00")
        remedy = "."
    else:
        path.write_text(json.dumps(changed[shape]) if shape in changed else shape)
    with pytest.raises(FileError) as caught:
        run(configuration(), nn.RReLU, DATASET, copy)
    assert str(caught.value).startswith(f"{copy}/{damaged}")
    assert str(caught.value).endswith(remedy)
    assert "\n" not in str(caught.value)


def test_a_finished_run_stays_finished_without_its_times(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    (tmp_path / "times.json").unlink()
    result = run(configuration(), nn.RReLU, DATASET, tmp_path)
    assert math.isnan(result.seconds)
    assert [epoch.test_loss for epoch in result.epochs] == [e.test_loss for e in runs.read_result(undisturbed).epochs]


@pytest.fixture(scope="module")
def halfway(tmp_path_factory) -> Path:
    """A run that can go on."""
    folder = tmp_path_factory.mktemp("halfway")
    with pytest.raises(OwnError):
        without_log(configuration(), Failing.prepare(7 * 4, fail), DATASET, folder, every_updates=1)
    return folder


CHANGES = {
    "seed": lambda text: text.replace('"seed": 0', '"seed": 1'),
    "rate": lambda text: text.replace('"learning_rate": 0.1', '"learning_rate": 0.2'),
    "data": lambda text: text.replace(runs.fingerprint(DATASET), runs.fingerprint(OTHERS)),
    "activation": lambda text: text.replace('"rrelu"', '"relu"'),
    "network": lambda text: text.replace('"cnn"', '"mlp"'),
    "observer": lambda text: text.replace('"observer": null', '"observer": "Counter"'),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["checkpoint.pt", "result.json"])
def test_what_is_of_another_run_is_refused(halfway, undisturbed, tmp_path, name, change):
    """As after a copy into another run's folder, or an edit of run.json."""
    shutil.copytree(undisturbed if name == "result.json" else halfway, tmp_path / "run")
    folder = tmp_path / "run"
    text = (folder / "run.json").read_text()
    edited = CHANGES[change](text)
    assert edited != text
    (folder / "run.json").write_text(edited)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    dataset, observer = OTHERS if change == "data" else DATASET, Counter() if change == "observer" else None
    with pytest.raises(RunError, match=rf"{name} is (of another run|not the result of this run) \(.* was .*\): put b"):
        without_log(runs.read_configuration(folder), nn.ReLU, dataset, folder, observer=observer)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_checkpoint_of_another_version_is_refused(halfway, tmp_path, monkeypatch):
    shutil.copytree(halfway, tmp_path / "run")
    monkeypatch.setattr(runs, "version", lambda package: "99")
    with pytest.raises(RunError, match=r"of another run \(version was .*, now is 99\)"):
        without_log(configuration(), nn.RReLU, DATASET, tmp_path / "run")


class Code:
    """What torch.load refuses to make, with advice how to do so nevertheless."""


@pytest.mark.parametrize("content", [{"model": {}}, [1], Code(), "folder"], ids=["old", "list", "code", "folder"])
def test_what_is_no_checkpoint_is_refused_without_bad_advice(halfway, tmp_path, content):
    shutil.copytree(halfway, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.pt"
    path.unlink()
    path.mkdir() if content == "folder" else torch.save(content, path)
    with pytest.raises((RunError, FileError)) as caught:
        without_log(configuration(), nn.RReLU, DATASET, tmp_path / "run")
    other = "is no checkpoint of this version: go on with the version that wrote it, or remove that file, and the run"
    expected = r"cannot be read \(Is a directory\): check what it is" if content == "folder" else other
    assert re.search(rf"checkpoint.pt {expected}.*\.$", str(caught.value))


def test_a_checkpoint_that_does_not_fit_its_run_is_refused(halfway, tmp_path):
    shutil.copytree(halfway, tmp_path / "run")
    state = torch.load(halfway / "checkpoint.pt", weights_only=True)
    for lost in ("model", "done", "optimizer", "random"):
        torch.save({name: value for name, value in state.items() if name != lost}, tmp_path / "run" / "checkpoint.pt")
        with pytest.raises(RunError, match=r"checkpoint.pt does not fit this run: .*\.$"):
            without_log(configuration(), nn.RReLU, DATASET, tmp_path / "run")


def test_two_processes_do_not_train_in_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "LOCK_SECONDS", 0.1)
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(RunError, match=f"Another process trains in {tmp_path}: "),
    ):
        run(configuration(), nn.RReLU, DATASET, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch, undisturbed):
    written, original = [], os.fsync

    def full(handle: int) -> None:
        written.append(handle)
        if len(written) > 8:
            raise OSError(28, "No space left on device")
        original(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"checkpoint.pt cannot be written \(No space left on device\): make room"):
        without_log(configuration(), nn.RReLU, DATASET, tmp_path, every_updates=1)
    monkeypatch.undo()
    without_log(configuration(), nn.RReLU, DATASET, tmp_path)
    assert sessions(tmp_path)[1] > 1
    assert (tmp_path / "result.json").read_bytes() == (undisturbed / "result.json").read_bytes()


def test_a_folder_that_cannot_be_made_gives_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"Cannot write a run into .*: choose another folder"):
        run(configuration(), nn.RReLU, DATASET, tmp_path / "file")


@pytest.mark.parametrize("read", [runs.read_configuration, runs.read_result])
def test_a_folder_without_a_run_is_named(tmp_path, read):
    with pytest.raises(RunError, match=f"{tmp_path} holds no"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("network", "vgg"), ("initialisation", "zero"), ("precision", "float16"), ("depth", -1), ("threads", 0)],
)
def test_a_wrong_configuration_names_the_field_and_the_value(field, value):
    with pytest.raises(ValueError, match=rf"{field}.* '?{value}'?[:.]"):
        configuration(**{field: value})


# Observers


class Counter:
    """An observer with a state."""

    def __init__(self) -> None:
        self.updates: list[int] = []

    def start(self, model):
        torch.rand(1)  # what it draws before the first update must not matter after a resumption, either

    def wants(self, update):
        return update % 2 == 0

    def observe(self, model, update, writer):
        self.updates.append(update)

    def state(self):
        return {"updates": self.updates}

    def restore(self, state):
        self.updates = list(state["updates"])

    def summary(self):
        return {"observed": float(len(self.updates)), "not a number": float("nan")}


def test_an_observer_goes_on_from_the_checkpoint(tmp_path):
    whole = without_log(configuration(), nn.RReLU, DATASET, tmp_path / "whole", observer=Counter())
    with pytest.raises(OwnError):
        without_log(
            configuration(), Failing.prepare(7 * 9, fail), DATASET, tmp_path / "b", every_updates=3, observer=Counter()
        )
    again = Counter()
    without_log(configuration(), nn.RReLU, DATASET, tmp_path / "b", observer=again)
    assert again.updates == list(range(2, UPDATES + 1, 2))
    assert whole.observed["observed"] == UPDATES // 2
    assert (tmp_path / "b" / "result.json").read_bytes() == (tmp_path / "whole" / "result.json").read_bytes()
    with pytest.raises(RunError, match="observer was Counter, now is None"):
        without_log(configuration(), nn.RReLU, DATASET, tmp_path / "b")
