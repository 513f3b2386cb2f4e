"""Internals: which layers there are, each number by hand, units that die and revive, and no trace in the training."""

import math
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from nonlin.activations.gated import GLU
from nonlin.activations.layers import ActivationModule
from nonlin.activations.learned import PReLU
from nonlin.activations.smooth import GELU
from nonlin.images import shapes10
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import tracking
from nonlin.lab.internals import (
    STATUSES,
    ActivationLayer,
    Internals,
    WeightLayer,
    activation_layers,
    held_out,
    is_activation,
    layers,
    weight_layers,
)
from nonlin.lab.networks import Scale, small_cnn
from nonlin.lab.training import Recipe, train

TARGET = torch.zeros(4, dtype=torch.int64)


class OwnFormula(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.0)


class OwnPerChannel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.inner = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.slope * x


class OwnRelu(nn.ReLU):
    pass


class OwnNorm(nn.BatchNorm1d):
    pass


class OwnLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(2, 2))


class Noisy(nn.Module):
    """An activation that draws and that counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.relu() * (0.5 + torch.rand_like(x))


def diagonal(*weights: float) -> nn.Linear:
    """Each unit sees one input."""
    linear = nn.Linear(len(weights), len(weights), bias=False)
    linear.weight.data = torch.tensor(weights).diag()
    return linear


def observed(internals: Internals, model: nn.Module, update: int = 40) -> None:
    """An update that changes nothing."""
    assert internals.wants(update)
    internals.observe(model, update, None)


# Which layers there are


@pytest.mark.parametrize(
    "module", [nn.ReLU(), nn.PReLU(3), PReLU(), ActivationModule(GELU), OwnFormula(), OwnPerChannel(), OwnRelu(), GLU()]
)
def test_activations_are_found(module):
    assert is_activation(module)


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(5, 1),
        nn.BatchNorm2d(3),
        nn.MaxPool2d(2),
        nn.Dropout(),
        nn.Identity(),
        nn.Flatten(),
        nn.Softmax(dim=1),
        nn.MultiheadAttention(4, 2),
        nn.Sequential(nn.ReLU()),
        nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
        nn.CrossEntropyLoss(),
        Scale(2),
        OwnNorm(2),
        OwnLinear(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_everything_else_is_not(module):
    assert not is_activation(module)


def test_layers_are_called_as_the_model_prints_them():
    model = nn.Sequential(
        nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh(), Scale(2)))
    )
    assert list(activation_layers(model)) == ["01 ReLU", "02.01.00 Tanh"]
    assert list(weight_layers(model)) == ["00 Linear", "02.00 Linear"]
    assert list(activation_layers(model, lambda module: isinstance(module, nn.ReLU))) == ["01 ReLU"]


def test_weights_are_those_that_are_trained_and_no_slopes_of_activations():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), OwnPerChannel(), nn.BatchNorm2d(3), nn.Linear(2, 2), nn.Linear(2, 2))
    model[4].weight.requires_grad_(False)
    assert list(weight_layers(model)) == ["00 Conv2d", "03 Linear"]


def test_a_module_in_two_places_gives_a_row_per_call():
    relu = nn.ReLU()
    model = nn.Sequential(diagonal(1.0, -1.0), relu, nn.Sequential(diagonal(-1.0, -1.0), relu))
    rows = layers(model, torch.ones(4, 2), TARGET)
    assert [(row.name, row.dead) for row in rows[:2]] == [("01 ReLU", 1), ("01 ReLU, call 2", 2)]
    internals = Internals(torch.ones(4, 2))
    internals.start(model)
    assert internals.statuses() == {"01 ReLU": ["never dead", "never alive"], "01 ReLU, call 2": ["never alive"] * 2}


# The numbers


@pytest.mark.parametrize("inplace", [False, True])
def test_an_activation_layer_by_hand(inplace):
    x = torch.tensor([[1.0, -1.0], [3.0, -2.0], [-1.0, -3.0], [5.0, -2.0]])
    model = nn.Sequential(diagonal(1.0, 2.0), nn.ReLU(inplace=inplace))
    row = layers(model, x, TARGET)[0]
    # In: 1, 3, -1, 5 and -2, -4, -6, -4. Out: 1, 3, 0, 5 and 0, 0, 0, 0.
    assert (row.name, row.units, row.dead, row.nan) == ("01 ReLU", 2, 1, 0)
    assert (row.input_mean, row.output_mean) == pytest.approx((-1, 9 / 8))
    assert row.input_variance == pytest.approx((1 + 9 + 1 + 25 + 4 + 16 + 36 + 16) / 8 - 1)
    assert row.output_variance == pytest.approx((1 + 9 + 25) / 8 - (9 / 8) ** 2)
    assert (row.zeros, row.saturated) == (5 / 8, 5 / 8)


def test_saturation_and_death_of_sigmoid():
    # The slope at 0 is 1/4, at 3 it is 0.045; at 200 it is 0 in float32, though the output is not.
    x = torch.tensor([[0.0, 3.0, 200.0]] * 3 + [[0.0, 3.0, -200.0]])
    row = layers(nn.Sequential(diagonal(1.0, 1.0, 1.0), nn.Sigmoid()), x, TARGET)[0]
    assert row.saturated == pytest.approx(2 / 3)
    assert (row.dead, row.zeros) == (1, pytest.approx(1 / 12))


def test_a_channel_is_dead_only_if_it_is_at_every_position():
    x = -torch.ones(4, 3, 2, 2)
    x[2, 1, 0, 1] = 1
    x = x.contiguous(memory_format=torch.channels_last)
    model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    row = layers(model, x, TARGET)[0]
    assert (row.units, row.dead, row.zeros) == (3, 2, 47 / 48)


def test_a_unit_that_a_later_layer_cuts_off_is_not_dead_itself():
    row = layers(nn.Sequential(nn.ReLU(), nn.Linear(2, 2), Scale(0)), torch.ones(4, 2), TARGET)[0]
    assert row.dead == 0


def test_the_slope_of_a_step_is_zero():
    class Step(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x > 0).float()

    model = nn.Sequential(diagonal(1.0, 1.0), Step(), diagonal(1.0, 1.0))
    assert layers(model, torch.ones(4, 2), TARGET)[0].dead == 2


def test_weights_and_gradients_by_hand():
    model = nn.Sequential(diagonal(3.0, 4.0))
    row = layers(model, torch.tensor([[0.0, 0.0]] * 3 + [[2.0, 0.0]]), TARGET)[0]
    # Of the last image alone: the gradient at the logits is p - (1, 0) = (-q, q), times the input 2, over 4 images.
    q = 1 / (1 + math.exp(6))
    assert row == WeightLayer(
        name="00 Linear", weight_norm=5.0, gradient_norm=pytest.approx(math.sqrt(2) * q * 2 / 4, rel=1e-5)
    )


def test_a_gate_has_the_units_that_enter_it():
    x = torch.tensor([[1.0, 1.0, 0.0, -200.0]] * 4)  # the first half times the sigmoid of the second
    row = layers(nn.Sequential(nn.GLU(dim=1), nn.Linear(2, 2)), x, TARGET)[0]
    assert (row.units, row.dead) == (4, 2)
    x[0, 0] = math.nan
    assert layers(nn.Sequential(nn.GLU(dim=1), nn.Linear(2, 2)), x, TARGET)[0].nan == 4


def test_not_a_number():
    x = torch.tensor([[1.0, 1.0]] * 3 + [[1.0, math.nan]])
    row = layers(nn.Sequential(diagonal(1.0, 1.0), nn.ReLU(), nn.Linear(2, 2)), x, TARGET)[0]
    assert (row.nan, row.dead) == (2, 0)  # 0 * NaN reaches the first unit
    row = layers(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), x, TARGET)[0]
    assert (row.nan, row.dead) == (1, 0)
    assert "NaN 1" in str(row)


def test_a_flat_layer_that_gives_no_number_is_not_called_dead():
    class Lost(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full_like(x, math.nan)

    row = layers(nn.Sequential(Lost(), nn.Linear(2, 2)), torch.ones(4, 2), TARGET)[0]
    assert (row.nan, row.dead) == (2, 0)


def test_bfloat16_is_measured_as_it_runs():
    x = torch.full((4, 2), 7.0)  # sigmoid(7) rounds to 1 in bfloat16, and the slope y (1 - y) to 0
    model = nn.Sequential(diagonal(1.0, 1.0), nn.Sigmoid())
    with torch.autocast("cpu", torch.bfloat16):
        assert layers(model, x, TARGET)[0].dead == 2
    assert layers(model, x, TARGET)[0].dead == 0


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_no_trace(training):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        Noisy(),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    model.train(training)
    model[0].weight.grad = torch.ones_like(model[0].weight)
    x = torch.randn(4, 3, 4, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state, given = torch.get_rng_state(), x.clone()
    first = layers(model, x, TARGET)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert layers(model, x, TARGET) == first  # dropout drops the same units each time
    assert torch.equal(x, given)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model[0].weight.grad == 1).all()
    assert model[6].weight.grad is None
    assert model.training is training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_hooks_go_when_the_model_fails():
    model = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        layers(model, torch.ones(4, 2), TARGET)
    assert not model[0]._forward_pre_hooks


# Over time


def test_the_life_of_a_unit():
    model = nn.Sequential(diagonal(1.0, 1.0, -1.0, 1.0), nn.ReLU())
    internals = Internals(torch.ones(4, 4))
    with torch.no_grad():
        internals.start(model)
        assert internals.statuses() == {"01 ReLU": ["never dead", "never dead", "never alive", "never dead"]}
        model[0].bias = nn.Parameter(torch.tensor([0.0, -1e6, 0.0, 0.0]))
        observed(internals, model)
        assert internals.statuses() == {"01 ReLU": ["never dead", "died", "never alive", "never dead"]}
        model[0].bias[:] = torch.tensor([0.0, 0.0, 0.0, math.nan])
        observed(internals, model)
        assert internals.statuses() == {"01 ReLU": ["never dead", "revived", "never alive", "NaN"]}
        model[0].bias[:] = torch.tensor([0.0, 0.0, 2.0, -1e6])
        observed(internals, model)
        assert internals.statuses() == {"01 ReLU": ["never dead", "revived", "revived", "died"]}
        model[0].bias[1] = -1e6
        observed(internals, model)
        assert internals.statuses() == {"01 ReLU": ["never dead", "died", "revived", "died"]}
    assert internals.summary() == {
        "units never dead": 0.25,
        "units revived": 0.25,
        "units died": 0.5,
        "units never alive": 0.0,
        "units NaN": 0.0,
        "zeros": 0.5,
        "saturated": 0.5,
    }


def test_not_a_number_is_neither_dead_nor_alive_afterwards():
    model = nn.Sequential(diagonal(math.nan), nn.ReLU())
    internals = Internals(torch.ones(4, 1))
    internals.start(model)
    assert internals.statuses() == {"01 ReLU": ["NaN"]}
    model[0].weight.data.fill_(-1.0)
    observed(internals, model)
    assert internals.statuses() == {"01 ReLU": ["never alive"]}


def test_it_goes_on_from_a_checkpoint(tmp_path):
    model = nn.Sequential(diagonal(1.0, -1.0), nn.ReLU())
    first, second = Internals(torch.ones(4, 2)), Internals(torch.ones(4, 2))
    first.start(model)
    model[0].weight.data *= -1
    observed(first, model)
    torch.save(first.state(), tmp_path / "state")
    model[0].weight.data.fill_(0)  # so that all that agrees comes from the checkpoint
    second.start(model)
    second.restore(torch.load(tmp_path / "state"))
    assert second.statuses() == first.statuses() == {"01 ReLU": ["died", "revived"]}
    assert second.summary() == first.summary()
    assert second.state()["observations"] == first.state()["observations"] == 1
    saved = first.state()
    for internals in (first, second):
        model[0].weight.data.fill_(0)
        observed(internals, model)
    assert second.statuses() == first.statuses() == {"01 ReLU": ["died", "died"]}
    assert saved["units"]["01 ReLU"]["dead"].tolist() == [True, False]  # a state does not change afterwards


def test_starting_again_forgets():
    model = nn.Sequential(diagonal(1.0), nn.ReLU())
    internals = Internals(torch.ones(4, 1))
    internals.start(model)
    model[0].weight.data.fill_(-1.0)
    internals.start(model)
    assert internals.statuses() == {"01 ReLU": ["never alive"]}


def test_a_network_without_activations_has_no_units():
    internals = Internals(torch.ones(4, 2))
    internals.start(nn.Sequential(nn.Linear(2, 2)))
    assert internals.summary() == {}


@pytest.mark.parametrize(("probe", "every", "message"), [(0, 1, "at least one"), (1, 0, "every must be at least 1")])
def test_bad_settings_are_refused(probe, every, message):
    with pytest.raises(ValueError, match=message):
        Internals(torch.ones(probe, 2), every=every)


def test_curves_of_one_update_by_hand(tmp_path):
    model = nn.Sequential(diagonal(3.0, 4.0), nn.ReLU(), nn.Linear(2, 2))
    model[2].weight.data.fill_(0)
    internals = Internals(torch.ones(4, 2), every=3)
    internals.start(model)
    assert [update for update in range(1, 8) if internals.wants(update)] == [3, 6]
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    assert internals.wants(9)
    model[0].weight.grad = torch.tensor([[0.0, 60.0], [80.0, 0.0]])
    optimizer.step()
    model[0].weight.data[0, 0] = -1e6
    with tracking.open_run(tmp_path) as writer:
        internals.observe(model, 9, writer)
    curves = tracking.read_scalars(tmp_path)
    assert {tag: points for tag, points in curves.items() if tag.startswith(("dead", "died", "zeros", "not"))} == {
        "zeros/01 activation": [(9, 1.0)],  # the second unit: 4 - 8
        "dead/01 activation": [(9, 1.0)],
        "died/01 activation": [(9, 1.0)],
        "not a number/01 activation": [(9, 0.0)],
    }
    assert curves["gradient norm/00 Linear"] == [(9, 100.0)]
    change = math.hypot(6, 8, 1e6 + 3)
    assert curves["update to weight/00 Linear"] == [(9, pytest.approx(change / 5, rel=1e-6))]
    assert curves["gradient norm/02 Linear"] == [(9, 0.0)]  # no gradient reached it
    assert math.isnan(curves["update to weight/02 Linear"][0][1])  # 0 of 0


def test_a_shared_layer_has_a_curve_for_each_call(tmp_path):
    shared = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 2), shared, nn.Linear(2, 2), shared)
    internals = Internals(torch.ones(4, 2), every=1)
    internals.start(model)
    with tracking.open_run(tmp_path) as writer:
        internals.wants(1)
        internals.observe(model, 1, writer)
    tags = [tag for tag in tracking.read_scalars(tmp_path) if tag.startswith("zeros")]
    assert tags == ["zeros/01 activation", "zeros/01 activation, call 2"]


def _histograms(folder: Path) -> dict[str, list[int]]:
    """The steps of all histograms by tag."""
    events = EventAccumulator(str(folder), size_guidance={"histograms": 0}).Reload()
    return {tag: [event.step for event in events.Histograms(tag)] for tag in events.Tags()["histograms"]}


def test_histograms_and_pictures_come_every_fifth_time_and_bear_divergence(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    internals = Internals(torch.ones(4, 2), every=1)
    internals.start(model)
    with tracking.open_run(tmp_path) as writer:
        for update in range(1, 22):
            if update == 15:
                model[0].weight.data.fill_(math.nan)
            internals.wants(update)
            internals.observe(model, update, writer)
    assert _histograms(tmp_path) == {"outputs/01 activation": [1, 6, 11], "gradients/00 Linear": [1, 6, 11, 16, 21]}
    pictures = tracking.read_images(tmp_path, "before and after/01 activation")
    assert [step for step, _ in pictures] == [1, 6, 11, 16, 21]


# In a training


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    train_split, test_split = (
        Split(images=torch.from_numpy(shapes10.draw(n, seed=seed)), labels=torch.from_numpy(shapes10.labels(n)))
        for n, seed in ((64, 1), (40, 2))
    )
    return Dataset(name="shapes10", title="shapes10", classes=shapes10.CLASSES, train=train_split, test=test_split)


def test_held_out_images_are_normalised_and_spread(dataset):
    probe = held_out(dataset, 8)
    assert probe.is_contiguous(memory_format=torch.channels_last)
    image = dataset.test.images[5] / 255
    assert torch.allclose(probe[1], (image - dataset.mean[:, None, None]) / dataset.std[:, None, None])
    assert len(held_out(dataset)) == 40


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_watched_training_is_the_same_to_the_last_bit(dataset, precision, tmp_path):
    """With dropout, an activation that draws, batch norm, and work in place: all that could be disturbed."""
    trained = []

    def network(activation, *, classes: int) -> nn.Module:
        model = small_cnn(activation, classes=classes, stem=4, widths=(4, 8), depth=0)
        trained.append(nn.Sequential(*model[:-3], nn.Dropout(), *model[-3:]))
        return trained[-1]

    def run(observer: Internals | None, log_dir=None):
        recipe = Recipe(epochs=2, batch_size=16, learning_rate=0.1)
        options = {"network": network, "precision": precision, "progress": False, "threads": 1}
        return train(lambda: nn.RReLU(inplace=True), dataset, recipe, observer=observer, log_dir=log_dir, **options)

    plain = run(None)
    watched = run(Internals(held_out(dataset), every=2), tmp_path / "run")
    for name, value in trained[0].state_dict().items():
        assert torch.equal(value, trained[1].state_dict()[name]), name
    assert [e.test_loss for e in plain.epochs] == [e.test_loss for e in watched.epochs]
    curves = tracking.read_scalars(tmp_path / "run")
    assert [step for step, _ in curves["zeros/01 activation"]] == [2, 4, 6, 8]
    assert all(0 < value < 1 for _, value in curves["update to weight/00 Conv2d"])
    assert sum(watched.observed[f"units {status}"] for status in STATUSES) == pytest.approx(1)


def test_rows_of_a_small_network_print_as_a_table(dataset):
    model = small_cnn(nn.ReLU, stem=4, widths=(4,), depth=0)
    rows = layers(model, held_out(dataset, 16), dataset.test.labels[:16])
    assert [type(row) for row in rows] == [ActivationLayer] * 2 + [WeightLayer] * 3
    assert len({str(row).index("in ") for row in rows[:2]}) == 1
    assert all("norm of the weights" in str(row) for row in rows[2:])
