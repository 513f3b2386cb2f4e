"""The explorer's JavaScript, run by V8, against PyTorch."""

import base64
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from folded import folded
from py_mini_racer import MiniRacer
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.latex import FUNCTIONS, X, read
from nonlin.images import shapes10
from nonlin.normal import normal_mean
from nonlin.site import explorer
from nonlin.site.explorer_formulas import OPAQUE, Printer, condition, stable

EPS = torch.finfo(torch.float64).eps
SMALLEST = 5e-324
POINTS = 1_000
PARAMETERS: tuple[Callable[[float], float], ...] = (
    lambda value: value,
    lambda value: 0.8 * value + 0.3,
    lambda value: 0.3 * value + 1.7,
)
CASES = [
    (record, tuple(map(change, record.parameters.values())))
    for record in ACTIVATIONS.values()
    for change in PARAMETERS
    if record.parameters or change is PARAMETERS[0]
]
EDGES = [  # parameters at which a kink, a jump or all of a function goes away
    ("threshold", (1.0, 1.0)),
    ("hardshrink", (0.0,)),
    ("hardshrink", (-1.0,)),
    ("softshrink", (0.0,)),
    ("leaky_relu", (1.0,)),
    ("leaky_relu", (0.0,)),
    ("leaky_relu", (-2.0,)),
    ("elu", (1.0,)),
    ("elu", (0.0,)),
    ("elu", (-1.5,)),
    ("celu", (3.0,)),
    ("softplus", (2.0, 1.0)),
    ("softplus", (-1.0, 20.0)),
    ("swish", (0.0,)),
    ("swish", (-2.0,)),
    ("rrelu", (1.0, 1.0)),
    ("hardtanh", (2.0, 3.0)),
    ("sine", (30.0,)),
]
ALL = CASES + [(ACTIVATIONS[name], values) for name, values in EDGES]


class Page:
    """The part of the script that computes, and what it answers."""

    def __init__(self) -> None:
        self.engine = MiniRacer()
        self.engine.eval(explorer.numbers())

    def __call__(self, expression: str, **given: Any) -> Any:
        """The value of an expression of JavaScript in which the given values have their names."""
        names = "".join(f"const {name} = {json.dumps(value)};" for name, value in given.items())
        told = '(_, v) => typeof v === "number" && !Number.isFinite(v) ? {number: String(v)} : v'
        text = self.engine.eval(f"(() => {{ {names} return JSON.stringify({expression}, {told}); }})()")
        return json.loads(text, object_hook=lambda found: _number(found["number"]) if "number" in found else found)

    def curve(self, expression: str, record: Activation, parameters: tuple[float, ...], **given: Any) -> Any:
        """The same with ``curve`` for a record with parameters."""
        values = dict(zip(record.parameters, parameters, strict=True))
        return self(f"((curve) => {expression})(curveOf(name, values))", name=record.name, values=values, **given)


def _number(text: str) -> float:
    return float(text.replace("Infinity", "inf"))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def points(corners: list[float]) -> Tensor:
    """Near 0 and very near, far on both sides, the corners and the numbers beside them: float64 (1000,)."""
    source = torch.Generator().manual_seed(0)
    sign = torch.tensor([-1.0, 1.0]).double().repeat(POINTS // 2)
    near = 20 * torch.rand(400, dtype=torch.float64, generator=source) - 10
    far = 10 ** (1 + 2 * torch.rand(380, dtype=torch.float64, generator=source)) * sign[:380]
    tiny = 10 ** (-300 * torch.rand(160, dtype=torch.float64, generator=source)) * sign[:160]
    special = [0.0, -1000.0, 1000.0, *corners]
    special += [math.nextafter(at, end) for at in corners for end in (-math.inf, math.inf)]
    x = torch.cat([torch.tensor(special, dtype=torch.float64), near, far, tiny])
    return torch.cat([x, torch.linspace(-40, 40, POINTS - len(x), dtype=torch.float64)])


def derivatives(record: Activation, parameters: tuple[float, ...], x: Tensor) -> list[Tensor]:
    """f, f', f'' and f''' at each point, by PyTorch: the two last by automatic differentiation of the second."""
    slope = lambda x: record.derivative(x, *parameters)  # noqa: E731
    bend = torch.func.grad(slope)
    return [record.function(x, *parameters), slope(x), *(torch.func.vmap(f)(x) for f in (bend, torch.func.grad(bend)))]


@folded(("record", "parameters"), ALL)
def test_values_and_both_derivatives_are_pytorchs(page: Page, record: Activation, parameters: tuple) -> None:
    """To 32 roundings of the input and of the result, far out and in the tails too."""
    corners = page.curve("curve.places", record, parameters)
    x = points(corners)
    assert len(x) == POINTS
    computed = page.curve("x.map((x) => [curve.f(x), curve.slope(x), curve.bend(x)])", record, parameters, x=x.tolist())
    wanted = derivatives(record, parameters, x)
    at_corner = sum(torch.isclose(x, x.new_tensor(at), rtol=4 * EPS, atol=0) for at in corners) > x.new_zeros(())
    for order, got in enumerate(torch.tensor(computed, dtype=torch.float64).T):
        exact, rising = wanted[order], wanted[order + 1]
        size = exact.abs() + (x * rising).abs() + (wanted[1].abs() if order == 2 else 0)
        close = (got - exact).abs() <= 32 * (EPS * size + SMALLEST * x.abs().clamp(min=1) ** 2)
        if order == 2:  # there is no second derivative
            close |= at_corner
        worst = x[~close].tolist()
        assert close.all(), f"order {order}, {parameters}: {worst[:3]}, {got[~close][:3]}, {exact[~close][:3]}"


@folded(("record", "parameters"), [case for case in ALL if case[0].torch_module is not None])
def test_values_and_slopes_are_those_of_torch_nn(page: Page, record: Activation, parameters: tuple) -> None:
    """Absolutely, for torch.nn cancels in some tails, and to single precision, in which it keeps some constants."""
    corners = page.curve("curve.places", record, parameters)
    x = points(corners).requires_grad_()
    y = record.torch_module(**dict(zip(record.parameters, parameters, strict=True))).double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    computed = page.curve("x.map((x) => [curve.f(x), curve.slope(x)])", record, parameters, x=x.tolist())
    for got, theirs in zip(torch.tensor(computed, dtype=torch.float64).T, (y.detach(), slope), strict=True):
        assert ((got - theirs).abs() <= 3e-8 * (1 + theirs.abs())).all()


@folded(("record", "parameters"), ALL)
def test_kinks_are_the_records(page: Page, record: Activation, parameters: tuple) -> None:
    wanted = {kink.at: kink.slope for kink in record.kinks(*parameters)}
    found = {kink["at"]: kink["torch"] for kink in page.curve("curve.kinks", record, parameters)}
    assert found == pytest.approx(wanted, abs=1e-15)
    jumps = [bool(kink["value"]) for kink in page.curve("curve.kinks", record, parameters)]
    assert any(jumps) == (record.smoothness(*parameters) == -1)


@folded(
    ("name", "parameters", "value_jump", "slope_jump"),
    [
        ("relu", (), 0, 1),
        ("threshold", (1.5, 0.25), 1.25, 1),
        ("leaky_relu", (0.25,), 0, 0.75),
        ("elu", (0.5,), 0, 0.5),
        ("elu", (3.0,), 0, -2),
        ("hardswish", (), 0, -0.5),
    ],
)
def test_the_weight_of_a_delta_is_the_jump(
    page: Page, name: str, parameters: tuple, value_jump: float, slope_jump: float
) -> None:
    kink = page.curve("curve.kinks[0]", ACTIVATIONS[name], parameters)
    assert (kink["value"], kink["slope"]) == pytest.approx((value_jump, slope_jump), abs=1e-6)


@folded(("record", "parameters"), ALL)
def test_gains_are_those_of_the_facts(page: Page, record: Activation, parameters: tuple) -> None:
    got = page.curve("gains(curve)", record, parameters)
    functions = (record.function, record.derivative)
    wanted = [normal_mean(lambda x, f=f: f(x, *parameters) ** 2, points=96_001).item() for f in functions]
    assert got == pytest.approx([size**-0.5 if size else math.inf for size in wanted], rel=1e-3)
    if parameters == record.default_values:
        assert got == pytest.approx([record.gain, record.gradient_gain], rel=2e-4)


@folded(
    ("name", "parameters", "flats"),
    [
        ("relu", (), [(-math.inf, 0, 0)]),
        ("relu6", (), [(-math.inf, 0, 0), (6, math.inf, 6)]),
        ("hardshrink", (0.5,), [(-0.5, 0.5, 0)]),
        ("hardtanh", (-2.0, 0.5), [(-math.inf, -2, -2), (0.5, math.inf, 0.5)]),
        ("leaky_relu", (0.0,), [(-math.inf, 0, 0)]),
        ("threshold", (1.0, 3.0), [(-math.inf, 1, 3)]),
        ("hardswish", (), [(-math.inf, -3, 0)]),
        ("sigmoid", (), []),
        ("gelu", (), []),
        ("celu", (0.001,), []),
        ("elu", (0.0,), [(-math.inf, 0, 0)]),
    ],
)
def test_dead_ranges(page: Page, name: str, parameters: tuple, flats: list) -> None:
    found = page.curve("curve.flats", ACTIVATIONS[name], parameters)
    assert [(flat["low"], flat["high"], flat["value"]) for flat in found] == flats


@folded(("name", "stretch"), [("tanh", 4.1468), ("sigmoid", 6.9058), ("softsign", math.sqrt(1000) - 1)])
def test_nearly_flat_begins_where_the_slope_is_a_thousandth(page: Page, name: str, stretch: float) -> None:
    low, high = page.curve("steepStretch(curve)", ACTIVATIONS[name], ())
    assert (-low, high) == pytest.approx((stretch, stretch), abs=1e-4)


@folded(("record", "parameters"), CASES)
def test_the_distribution_is_that_of_many_inputs(page: Page, record: Activation, parameters: tuple) -> None:
    mean, std = 0.4, 1.5
    got = page.curve("pushed(curve, 0.4, 1.5)", record, parameters)
    z = torch.special.ndtri((torch.arange(200_000).double() + 0.5) / 200_000)
    y = record.function(mean + std * z, *parameters)
    scale = y.std().item()
    assert got["mean"] == pytest.approx(y.mean().item(), abs=3e-3 * scale)
    assert got["sd"] == pytest.approx(scale, rel=5e-3)
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert got["quantiles"] == pytest.approx([y.quantile(share).item() for share in shares], abs=6e-3 * scale)
    bins = np.linspace(got["low"], got["high"], len(got["density"]) + 1)
    flat = [mass["at"] for mass in got["masses"]]
    rest = y[~torch.isin(y, torch.tensor(flat, dtype=torch.float64))]
    shown = np.histogram(rest, bins)[0] / len(y)
    assert np.array(got["density"]) * (bins[1] - bins[0]) == pytest.approx(shown, abs=2e-3)
    for mass in got["masses"]:
        assert mass["share"] == pytest.approx((y == mass["at"]).double().mean().item(), abs=1e-4)


@folded(
    ("name", "mean", "std", "masses"),
    [
        ("relu", 0, 1, {0: 0.5}),
        ("relu", 1, 2, {0: 0.3085375387}),
        ("hardtanh", 0, 1, {-1: 0.1586552539, 1: 0.1586552539}),
        ("threshold", 1, 3, {0: 0.5}),
        ("softshrink", 0, 1, {0: 0.3829249225}),
        ("tanh", 0, 1, {}),
        ("relu", -9, 1, {0: 1.0}),
    ],
)
def test_single_values_have_their_share(page: Page, name: str, mean: float, std: float, masses: dict) -> None:
    found = page.curve(f"pushed(curve, {mean}, {std})", ACTIVATIONS[name], ACTIVATIONS[name].default_values)
    assert {mass["at"]: mass["share"] for mass in found["masses"]} == pytest.approx(masses, abs=1e-9)


@pytest.mark.parametrize("record", [r for r in ACTIVATIONS.values() if r.conditions], ids=lambda r: r.name)
def test_parameters_are_accepted_as_the_record_accepts_them(page: Page, record: Activation) -> None:
    accepted = []
    for values in np.stack(np.meshgrid(*[[-2.0, 0.0, 1.0, 3.0]] * len(record.parameters)), -1).reshape(
        -1, len(record.parameters)
    ):
        given = dict(zip(record.parameters, values.tolist(), strict=True))
        try:
            record.accepted(given)
            accepted.append(True)
        except ValueError:
            accepted.append(False)
        refused = page(
            "values && refusal(RECORDS[name], key, values)", name=record.name, key=next(iter(given)), values=given
        )
        assert (refused == "") == accepted[-1], given
    assert len(set(accepted)) == 2


@folded("record", [r for r in ACTIVATIONS.values() if r.parameters])
def test_a_domain_and_its_slider_agree(page: Page, record: Activation) -> None:
    for name, parameter in record.takes.items():
        low, high = page("RECORDS[name].parameters.find((p) => p.name === key).slider", name=record.name, key=name)
        assert low <= parameter.default <= high
        for value in (low, high, -1e300, 0.0, 1e300):
            given = {**record.parameters, name: value}
            refused = page("refusal(RECORDS[name], key, values)", name=record.name, key=name, values=given)
            holds = all(check(*given.values()) for check in record.conditions.values())
            assert (refused == "") == (parameter.domain.contains(value) and holds)
        assert parameter.domain.contains(low)
        assert parameter.domain.contains(high)


@folded("said", ["beta > 0 and x", "f(x)", "__import__('os')", "a", "1"])
def test_a_condition_that_is_no_comparison_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="write it as a comparison"):
        condition(said)


@folded(
    ("formula", "function"),
    [
        (r"f(x) = x\,\log(1 + \sigma(x))", lambda x: x * mpmath.log1p(1 / (1 + mpmath.exp(-x)))),
        (r"f(x) = e^{-x^{2}/2}", lambda x: mpmath.exp(-x * x / 2)),
        (r"f(x) = x - x\,\sigma(x)", lambda x: x / (1 + mpmath.exp(x))),
        (r"f(x) = \sigma(x)\,\sigma(-x)", lambda x: mpmath.exp(x) / (1 + mpmath.exp(x)) ** 2),
        (r"f(x) = \frac{3 e^{2 x} - 3}{2}", lambda x: 3 * mpmath.expm1(2 * x) / 2),
        (r"f(x) = 2 - 2 \tanh(3 x)", lambda x: 4 / (1 + mpmath.exp(6 * x))),
        (r"f(x) = (1 - \tanh^{2} x)\,x", lambda x: x / mpmath.cosh(x) ** 2),
        (r"f(x) = x \operatorname{erf} x", lambda x: x * mpmath.erf(x)),
    ],
)
def test_a_formula_that_is_new_keeps_its_digits(
    page: Page, formula: str, function: Callable[[mpmath.mpf], mpmath.mpf]
) -> None:
    code = Printer().doprint(stable(read(formula, OPAQUE).sides[0]))
    x = [-100.0, -30.0, -3.0, -1e-9, 1e-9, 0.5, 8.0, 20.0]
    with mpmath.workdps(200):
        wanted = [float(function(mpmath.mpf(at))) for at in x]
    assert page(f"x.map((x) => {code})", x=x) == pytest.approx(wanted, rel=1e-13, abs=0), code


@folded("name", sorted(FUNCTIONS.keys() - {r"\max", r"\min"}))
def test_each_function_that_formulas_may_use_is_known(page: Page, name: str) -> None:
    """With both its derivatives, before there is an activation that uses it."""
    known, here = read(f"f(x) = {name}(x)").sides[0], read(f"f(x) = {name}(x)", OPAQUE).sides[0]
    for order in range(3):
        code = Printer().doprint(stable(here.diff(X, order)))
        assert page(f"[0.7].map((x) => {code})") == pytest.approx([float(known.diff(X, order).subs(X, 0.7))], rel=1e-13)


LINK = "f=elu,alpha:0.5&f=relu&f=hardtanh,min_val:-2&from=-8&to=3&at=0.25&mean=1&sd=2"


def test_a_link_carries_the_state(page: Page) -> None:
    read = page("readState('#' + link)", link=LINK)
    assert read["complaints"] == []
    assert read["state"]["slots"][0] == {"name": "elu", "values": {"alpha": 0.5}}
    assert page("written(readState('#' + link).state)", link=LINK) == LINK


@folded(
    ("link", "words"),
    [
        ("f=nothing", "names an activation"),
        ("f=constructor", "names an activation"),
        ("f=elu,alpha:abc", "finite number"),
        ("f=elu,alpha:Infinity", "finite number"),
        ("f=elu,beta:1", "no parameter"),
        ("f=elu,constructor:1", "no parameter"),
        ("f=sine,frequency:-1", r"in \(0, ∞\)"),
        ("f=hardtanh,min_val:5", "min_val < max_val"),
        ("from=3&to=1", "range of x"),
        ("from=x", "takes a number"),
        ("sd=0", "standard deviation"),
        ("sd=1e999", "takes a number"),
        ("what=1", "cannot be read"),
        ("f=%E0%A4%A", "names an activation"),
        ("__proto__=1", "cannot be read"),
        ("f=relu&f=relu&f=relu&f=relu&f=relu", "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_link_is_told_and_left_out(page: Page, link: str, words: str) -> None:
    read = page("readState('#' + link)", link=link)
    assert len(read["complaints"]) == 1
    assert re.search(words, read["complaints"][0])
    again = page("readState('#' + written(readState('#' + link).state))", link=link)
    assert again == {"state": read["state"], "complaints": []}


def test_the_page_stands_alone(tmp_path: Path) -> None:
    explorer.build(tmp_path / "explorer", home="../index.html")
    files = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "explorer").iterdir()}
    assert set(files) == {"index.html", "explorer.js", "explorer.css"}
    assert sum(len(text.encode()) for text in files.values()) < 300_000
    page = files["index.html"]
    assert set(re.findall(r'(?:href|src)="([^"]+)"', page)) == {
        *("data:,", "explorer.css", "explorer.js", "../index.html", "#curves")
    }
    assert not any(re.search(r"https?://|@import|url\((?!#)|fetch\(|\bimport\b", text) for text in files.values())
    assert set(re.findall(r'\$\("([\w-]+)"\)', files["explorer.js"])) <= set(re.findall(r'id="([\w-]+)"', page))


def test_every_record_is_there(page: Page) -> None:
    assert page("Object.keys(RECORDS)") == list(ACTIVATIONS)


def test_the_picture_is_ours() -> None:
    picture = json.loads(re.search(r"const PICTURE = (\{.*?\});", explorer.script())[1])
    mosaic = np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8)
    mosaic = mosaic.reshape(picture["height"], picture["width"], 3)
    images = shapes10.draw(10, seed=explorer.SEED)
    assert (mosaic[32:64, 64:96] == images[7].transpose(1, 2, 0)).all()
