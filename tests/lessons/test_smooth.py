"""Experiments and figures of lesson 08: each test fails for a planted fault."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS
from nonlin.activations.smooth import GELU_MINIMUM, MISH_MINIMUM, SWISH_MINIMUM, swish, swish_derivative
from nonlin.ledger import stored
from nonlin.lessons import CLAIMS
from nonlin.lessons.smooth import claims, experiments, figures
from nonlin.signatures import Elementwise
from nonlin.toys.batched import with_gain


def test_random_gates_pass_whole_or_not_at_all_and_as_often_as_told() -> None:
    x = torch.tensor([-2.0, 0.5, 3.0])
    draws = experiments.random_gates(x, lambda x: torch.tensor([0.1, 0.5, 1.0]), 20_000)
    assert ((draws == 0) | (draws == x)).all()
    assert (draws != 0).double().mean(dim=0).tolist() == pytest.approx([0.1, 0.5, 1.0], abs=0.02)
    assert torch.equal(draws, experiments.random_gates(x, lambda x: torch.tensor([0.1, 0.5, 1.0]), 20_000))


@pytest.mark.parametrize(("name", "depth"), [("silu", SWISH_MINIMUM), ("gelu", GELU_MINIMUM), ("mish", MISH_MINIMUM)])
def test_the_lowest_point_is_found(name: str, depth: float) -> None:
    record = ACTIVATIONS[name]
    place = experiments.lowest_point(record.derivative, -2.5, -0.1)
    assert record.function(torch.tensor(place, dtype=torch.float64)).item() == pytest.approx(depth, abs=1e-14)


def test_a_curve_without_a_dip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"negative at -2\.5 and positive at -0\.1"):
        experiments.lowest_point(torch.sigmoid, -2.5, -0.1)


def test_pieces_meet_the_curve_where_they_meet_each_other() -> None:
    pieces = experiments.in_pieces(F.silu, length=0.5)
    knots = torch.arange(-4, 4, 0.5)
    assert torch.equal(pieces(knots), F.silu(knots))
    x = torch.tensor([0.1, 0.2, 0.4], requires_grad=True)
    (slope,) = torch.autograd.grad(pieces(x).sum(), x)
    assert slope.tolist() == pytest.approx([2 * F.silu(torch.tensor(0.5)).item()] * 3)
    fine = torch.linspace(-5, 5, 1001)
    assert 0.01 < (experiments.in_pieces(F.silu)(fine) - F.silu(fine)).abs().max() < 0.1


def test_networks_of_a_seed_share_their_draws() -> None:
    alone, among = with_gain([3], [2, 8, 1], 1.5), with_gain([0, 3], [2, 8, 1], 3.0)
    assert torch.equal(alone[0][0], among[0][1])
    assert torch.allclose(2 * alone[2][0], among[2][1])
    wide = with_gain([0], [2, 400, 400], 2.0)[2]
    assert wide.std().item() == pytest.approx(2 / 20, rel=0.02)


def test_the_slope_along_a_line_is_that_of_the_loss() -> None:
    line = experiments.loss_along_a_line(F.silu, points=8, steps=801)
    measured = (line.loss[2:] - line.loss[:-2]) / (line.place[2:] - line.place[:-2])
    assert (measured - line.slope[1:-1]).abs().max() < 1e-4


def test_jumps_of_a_kinked_loss_do_not_shrink_when_one_looks_closer() -> None:
    def jump(f: Elementwise, steps: int) -> float:
        return experiments.loss_along_a_line(f, points=1, steps=steps, length=2.0, seed=1).largest_jump

    assert jump(torch.relu, 1601) > 0.9 * jump(torch.relu, 401) > 0.05
    assert jump(F.silu, 1601) < 0.3 * jump(F.silu, 401)


def test_restlessness_grows_with_the_rate_and_is_0_without_one() -> None:
    rates = (0.01, 0.3)
    (low, _), (high, loss) = (experiments.restlessness(F.silu, rate, seeds=2, warm_up=30, steps=15) for rate in rates)
    assert (low < high).all()
    assert (loss < math.log(2)).all()
    still, _ = experiments.restlessness(F.silu, 0.0, seeds=2, warm_up=0, steps=5)
    assert torch.equal(still, torch.zeros(2))


def test_deep_networks_count_steps_and_stop_at_the_limit() -> None:
    learned = experiments.steps_in_depth(F.silu, 3, 0.03, seeds=range(3))
    assert (learned < 30).all()
    assert torch.equal(learned[1:2], experiments.steps_in_depth(F.silu, 3, 0.03, seeds=[1]))
    assert (experiments.steps_in_depth(lambda x: x, 3, 0.03, seeds=range(2), most_steps=20) == 20).all()
    assert (experiments.steps_in_depth(F.silu, 3, 1e30, seeds=[0], most_steps=5) == 5).all()


def test_an_attack_stays_close_and_finds_the_worst_corner() -> None:
    draws = [torch.Generator().manual_seed(seed) for seed in range(2)]
    points, labels = torch.zeros(2, 5, 3), torch.zeros(2, 5, dtype=torch.int64)
    moved = experiments.attack(
        lambda x: torch.stack([x @ torch.tensor([1.0, -2.0, 0.5]), 0 * x[..., 0]], dim=-1),
        points, labels, size=0.1, steps=5, draws=draws,
    )  # fmt: skip
    torch.testing.assert_close(moved, torch.tensor([-0.1, 0.1, -0.1]).expand(2, 5, 3))


def test_attacks_cost_accuracy_and_training_by_them_gives_some_back() -> None:
    def accuracy(attacked: bool, size: float, seeds: list[int]) -> torch.Tensor:
        return experiments.robust_accuracy(torch.relu, 0.003, attacked=attacked, seeds=seeds, size=size, steps=100)

    [[clean], [unprepared]], [_, prepared] = accuracy(False, 0.4, [3]), accuracy(True, 0.4, [2, 3])
    assert unprepared < prepared[1] < clean
    assert torch.equal(accuracy(True, 0.4, [3])[1, 0], prepared[1])
    assert torch.equal(*accuracy(False, 0.0, [3]))


def test_the_best_rate_is_the_one_with_the_smallest_mean() -> None:
    found = {0.1: [3.0, 5.0], 0.2: [1.0, 2.0], 0.3: [math.nan, 0.0]}
    assert experiments.best_rate(lambda rate: torch.tensor(found[rate]), list(found)) == 0.2


def test_learned_parameters_start_where_told_and_learn() -> None:
    run = experiments.learned_parameters(swish, 0.3, steps=40, seeds=2, hidden_layers=3)
    assert run.shape == (41, 3, 2)
    assert (run[0] == 0.3).all()
    assert (run[-1] != 0.3).all()


def test_figures_say_in_words_what_they_show() -> None:
    coins = figures.coin_flips(torch.special.ndtr, F.gelu, name="GELU")
    assert "every dot lies on the line y = x or on y = 0" in coins.text
    bends = figures.bends(swish, swish_derivative, 0.0, 1.0)
    assert "β = 0: falls to the left end" in bends.text
    assert "β = 1: lowest at x = −1.28 with −0.278" in bends.text
    x = torch.linspace(-7, -1, 61)
    errors = figures.relative_errors(x, {"twice": 2 * x, "right": x}, x.double())
    assert "twice: the largest relative error is 1 at −6" in errors.text
    pair = (lambda x: x + (x == 2), lambda x: 0 * x)
    off = figures.approximations(lambda x: x, lambda x: 0 * x, {"bump": pair})
    assert "bump: value off by up to 1, at x = ±2.00; slope off by up to 0" in off.text
    lines = {"one point": {"ReLU": experiments.loss_along_a_line(torch.relu, points=1, steps=51)}}
    assert "ReLU, one point: the largest jump" in figures.slopes_along(lines).text
    assert (
        "after 1 steps, by layer, 2.00, 3.00" in figures.learned({"a": torch.tensor([[[1.0], [1]], [[2], [3]]])}).text
    )
    step = {"step": lambda x: (x > 0).double(), "line": torch.sigmoid}
    assert "line: a gate of 0.27" in figures.thresholds(step, lambda gate, x: gate(x) * (1 - gate(x))).text


SLOW, FAST = [20.0, 22, 21] * 4, [10.0, 11, 12] * 4
STEPS = {f"{depth}, {name}": FAST if name == "silu" else SLOW for depth in claims.DEPTHS for name in ("relu", "silu")}
CALM = {
    f"rate {rate:g}, {name}": FAST if name in claims.SMOOTH else SLOW
    for rate in claims.RESTLESS_RATES
    for name in ("relu", *claims.SMOOTH, *(f"{each} in pieces" for each in claims.SMOOTH))
}
COINS = {"GELU": [0.5], "GELU, tanh form": [0.5], "dropout": [0.5]}
COINS |= {"largest distance of the mean of its coins, in standard errors": [1.0]}
GELU = {f"alone, {form}": SLOW if form == "exact" else FAST for form in ("exact", "tanh", "relu")}
RELU, BETTER = [70.0, 70.3, 70.1, 69.8], [72.1, 72.2, 72.2, 71.7]


@pytest.mark.parametrize(
    ("number", "measured", "expected"),
    [
        (28, STEPS, "confirmed"),
        (28, STEPS | {"30, silu": SLOW[::-1]}, "open"),
        (29, CALM, "a confirmed, b confirmed"),
        (29, CALM | {name: FAST[::-1] for name in CALM if name.endswith("pieces")}, "a confirmed, b open"),
        (30, COINS, "confirmed"),
        (30, COINS | {"GELU": [0.0], "GELU, tanh form": [0.0]}, "refuted"),
        (31, GELU, "confirmed"),
        (31, GELU | {"alone, exact": FAST}, "refuted"),
        (32, {name: [1.0] for name in CLAIMS[32].measure()}, "confirmed"),
    ],
    ids=range(9),
)
def test_what_would_turn_a_verdict(number: int, measured: dict, expected: str, trained: Callable[..., None]) -> None:
    trained({"relu": RELU, "silu": BETTER})
    assert CLAIMS[number].judge(measured).verdicts == expected


def test_accuracy_decides_whether_mish_gains_and_swish_wins(trained: Callable[..., None]) -> None:
    kept = stored.read(CLAIMS[33])
    trained({"relu": RELU, "silu": RELU, "gelu": RELU, "mish": BETTER})
    assert [case.holds for case in CLAIMS[33].judge(kept).parts[2].cases] == [False] * 3
    trained({"relu": BETTER, "silu": BETTER, "gelu": BETTER, "mish": RELU})
    assert [case.holds for case in CLAIMS[33].judge(kept).parts[2].cases] == [True] * 3
    dear = kept | {"bytes, mish": [9.0]}
    assert CLAIMS[33].judge(dear).parts[0].verdict == "confirmed"
    trained({"relu": BETTER, "silu": RELU})
    assert CLAIMS[28].judge(STEPS).cases[0].holds is False


@pytest.mark.parametrize("depth", [3, 10])
@pytest.mark.parametrize(("name", "activation"), [("relu", torch.relu), ("silu", F.silu)], ids=["relu", "silu"])
def test_a_race_in_depth_comes_out_again(name: str, activation: Elementwise, depth: int) -> None:
    kept = stored.read(CLAIMS[28])
    steps = experiments.steps_in_depth(activation, depth, kept[f"{depth}, {name}, rate"][0], seeds=range(3))
    assert steps.tolist() == pytest.approx(kept[f"{depth}, {name}"][:3], abs=1)


def test_the_rates_of_the_race_lie_inside_their_grid() -> None:
    kept = stored.read(CLAIMS[28])
    rates = [kept[f"{depth}, {name}, rate"][0] for depth in claims.DEPTHS for name in ("relu", "silu")]
    assert min(claims.DEEP_RATES) < min(rates) <= max(rates) < max(claims.DEEP_RATES)


def test_the_kept_unrest_comes_out_again_for_a_curve_and_its_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = stored.read(CLAIMS[29])
    monkeypatch.setattr(claims, "RESTLESS_RATES", (0.1,))
    monkeypatch.setattr(claims, "SMOOTH", {"silu": F.silu})
    monkeypatch.setattr(claims, "restlessness", lambda f, rate, seeds: experiments.restlessness(f, rate, seeds=2))
    fresh = CLAIMS[29].measure()
    assert len(fresh) == 3
    for name, values in fresh.items():
        assert values == pytest.approx(kept[name][:2], rel=0.05), name


def test_what_was_stored_about_robustness_comes_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = stored.read(CLAIMS[59])
    rates = iter(kept[f"by clean points, {name}, rate"][0] for name in ("relu", "silu", "silu in pieces"))
    monkeypatch.setattr(claims, "SMOOTH", {"silu": F.silu})
    monkeypatch.setattr(claims, "TRAININGS", {"by clean points": False})
    monkeypatch.setattr(claims, "best_rate", lambda run, grid: next(rates))
    measure = experiments.robust_accuracy
    monkeypatch.setattr(
        claims, "robust_accuracy", lambda *given, seeds, attacked: measure(*given, seeds=range(2), attacked=attacked)
    )
    for name, values in CLAIMS[59].measure().items():
        assert values == pytest.approx(kept[name][: len(values)], abs=1), name


@pytest.mark.parametrize(
    ("number", "part", "condition", "holds", "expected"),
    [
        (29, 0, "SiLU, rate 0.1", True, 0.616),
        (29, 0, "GELU, rate 0.3", None, 0.974),
        (29, 1, "SiLU, rate 0.1", True, 0.861),
        (29, 1, "SiLU, rate 0.3", None, 0.963),
        (31, 0, "alone, 0.5 MiB, forward and backward", False, 0.508),
        (33, 0, "than SiLU", False, 0.0),
        (33, 1, "than ReLU, alone, torch's form", True, 8.69),
        (33, 1, "than ReLU, training step, torch's form", True, 1.19),
    ],
)
def test_the_figures_of_the_cases_are_those_of_the_text(
    number: int, part: int, condition: str, holds: bool | None, expected: float
) -> None:
    cases = CLAIMS[number].parts[part].judge(stored.read(CLAIMS[number]))
    [case] = [case for case in cases if case.condition == condition]
    assert case.holds is holds
    assert case.rests_on[0].mean == pytest.approx(expected, rel=0.05)
