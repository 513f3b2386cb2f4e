"""At the edges: infinite weights, NaN, thresholds, tiny divisors, derivatives of derivatives, wrong types."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from folded import folded
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, Interval, Kink, Parameter, apply, apply_
from nonlin.activations.learned import PReLU, RReLU, Swish
from nonlin.activations.record import REAL
from nonlin.activations.softmax import Softmax, softmax

pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated",  # which torch itself calls for its first tangent
    "ignore:Complex modules are a new feature",
)

INF, NAN = math.inf, math.nan


def value_and_slopes(module: nn.Module, x: Tensor) -> list[Tensor]:
    leaf = x.clone().requires_grad_()
    y = module(leaf)
    return [y.detach(), *torch.autograd.grad(y.sum(), [leaf, *module.parameters()])]


def assert_alike(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


def second_derivative(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    slope = torch.autograd.grad(module(1 * leaf).sum(), leaf, create_graph=True)[0]
    return torch.autograd.grad(slope.sum(), leaf)[0]


# Numbers


@folded("weight", [0.25, 0.0, -0.5, INF, -INF, NAN])
@folded("channels", [1, 2])
def test_a_slope_that_is_learned_is_not_seen_above_zero(weight: float, channels: int) -> None:
    x = torch.tensor([[-1.0, 0.0], [2.0, 3.0], [INF, -2.0]])
    ours, theirs = PReLU(channels), nn.PReLU(channels)
    for module in (ours, theirs):
        nn.init.constant_(module.weight[-1:], weight)
    assert_alike(value_and_slopes(ours, x), value_and_slopes(theirs, x))
    learned = {"weight": ours.weight.detach()}
    assert_alike([vmap(lambda v: functional_call(ours, learned, v[None])[0])(x)], [theirs(x).detach()])


@folded("dtype", [torch.float64, torch.float32, torch.bfloat16])
@folded("alpha", [INF, -INF, 1e200, 5e-324, -5e-324, 1e-320, 1e-40])
@pytest.mark.parametrize("name", ["elu", "celu"])
def test_alpha_beyond_the_ordinary_numbers(name: str, alpha: float, dtype: torch.dtype) -> None:
    module = ActivationModule(ACTIVATIONS[name], alpha)
    x = torch.tensor([0.0, 1.0, 50.0], dtype=dtype)
    for y in (module(x), vmap(module)(x), module(x.clone().requires_grad_())):
        assert torch.equal(y, x)
    below = torch.tensor([-1.0], dtype=dtype)
    slopes = [value_and_slopes(module, torch.cat([x, below]))[1], vmap(grad(module))(torch.cat([x, below]))]
    for slope in slopes:
        assert slope[1:3].tolist() == [1, 1]
        assert not slope.isnan().any()


@folded("temperature", [1e-37, 1e-40, 1e-46, 1e-300])
@folded("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_coldest_softmax_picks_the_largest(temperature: float, dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 3.0, 1.0], dtype=dtype)
    y, slope = value_and_slopes(Softmax(0, temperature), x)
    assert y.tolist() == [0, 1, 0]
    assert slope.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["leaky_relu", "prelu", "elu"])
def test_a_slope_beyond_the_dtype_is_infinite(name: str) -> None:
    module, x = ActivationModule(ACTIVATIONS[name], 1e200), torch.tensor([-1.0, 2.0])
    expected = value_and_slopes(ActivationModule(ACTIVATIONS[name], INF), x)
    assert_alike(value_and_slopes(module, x), expected)
    assert_alike([vmap(module)(x), vmap(grad(module))(x)], expected)


@folded("make", [RReLU, lambda *bounds: ActivationModule(ACTIVATIONS["rrelu"], *bounds)])
def test_bounds_whose_difference_overflows_are_refused(make: Callable[..., nn.Module]) -> None:
    with pytest.raises(ValueError, match="RReLU needs a finite upper - lower"):
        make(-1e308, 1.7e308)


@pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_at_nan_all_forms_agree_and_what_is_computed_from_it_is_nan(record: Activation) -> None:
    module, x = ActivationModule(record), torch.tensor([NAN, 1.0])
    fast, textbook = value_and_slopes(module, x)[1], vmap(grad(module))(x)
    torch.testing.assert_close(fast, textbook, equal_nan=True)
    # The second derivative of Squared ReLU is 0 or 2, and no more computed from x than ReLU's slope.
    computed = record.smoothness(*record.default_values) > 0 and record.name != "squared_relu"
    if fast[0].isnan() and computed:
        assert second_derivative(module, x)[0].isnan()


@folded("beta", [1.0, 2.0, -1.0])
@folded("threshold", [-1.0, 0.0, 0.3, 20.0])
def test_softplus_bends_no_more_at_its_threshold(beta: float, threshold: float) -> None:
    x = torch.tensor([threshold / beta], dtype=torch.float64)
    ours, theirs = ActivationModule(ACTIVATIONS["softplus"], beta, threshold), nn.Softplus(beta, threshold)
    assert second_derivative(ours, x) == second_derivative(theirs, x)


# Derivatives


def test_rrelu_in_place_is_differentiated_twice_and_forward() -> None:
    module, x = RReLU(0.2, 0.2, inplace=True), torch.tensor([-1.0, 2.0])
    assert second_derivative(module, x).tolist() == [0, 0]
    with forward_ad.dual_level():
        leaf = forward_ad.make_dual(x, torch.ones(2)).requires_grad_()
        slope = torch.autograd.grad(module(1 * leaf).sum(), leaf, create_graph=True)[0]
        assert forward_ad.unpack_dual(slope).tangent.tolist() == [0, 0]
    leaf = x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable"):
        module(leaf)
    assert leaf.tolist() == [-1, 2]


@pytest.mark.parametrize(
    "function",
    [
        lambda a: apply(ACTIVATIONS["leaky_relu"], torch.ones(2), negative_slope=a),
        lambda a: ActivationModule(ACTIVATIONS["elu"], a)(torch.ones(2)),
        lambda a: softmax(torch.ones(2), 0, a),
        lambda a: PReLU(init=a)(torch.ones(2)),
    ],
)
def test_a_tangent_in_a_fixed_number_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    a = torch.tensor(0.5)
    with pytest.raises(TypeError, match="as a fixed number"):
        jvp(function, (a,), (a,))
    with forward_ad.dual_level(), pytest.raises(TypeError, match="as a fixed number"):
        function(forward_ad.make_dual(a, a))


@folded("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", ["elu", "gelu"])
def test_a_second_derivative_of_a_compiled_loss_is_refused_and_never_wrong(name: str, backend: str) -> None:
    module = ActivationModule(ACTIVATIONS[name])
    torch._dynamo.reset()
    loss = torch.compile(lambda x: module(1 * x) + x**3, backend=backend)
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"second derivative|double backward"):
        torch.autograd.grad(torch.autograd.grad(loss(x).sum(), x, create_graph=True)[0].sum(), x)


@pytest.mark.parametrize("fullgraph", [False, True])
@pytest.mark.parametrize(
    ("name", "transformed"),
    [
        ("silu", lambda f: grad(lambda x: grad(lambda x: f(x).sum())(x).sum())),
        ("gelu", lambda f: vmap(grad(f))),
        ("hardtanh", lambda f: lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]),
    ],
    ids=["grad of grad", "vmap of grad", "jvp"],
)
def test_transforms_inside_a_compiled_function_are_right_or_refused(name, transformed, fullgraph) -> None:
    function, x = transformed(ActivationModule(ACTIVATIONS[name])), torch.tensor([-1.0, 0.0, 2.0])
    torch._dynamo.reset()
    # Not "eager", which fails after any break of a graph inside a transform, with torch's functions, too.
    compiled = torch.compile(function, backend="aot_eager", fullgraph=fullgraph)
    if fullgraph:
        with pytest.raises(torch._dynamo.exc.Unsupported, match="leave out fullgraph=True"):
            compiled(x)
    else:
        torch.testing.assert_close(compiled(x), function(x))


@pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_writing_over_the_output_is_right_or_refused(record: Activation) -> None:
    module, x = ActivationModule(record), torch.tensor([-1.0, 2.0], requires_grad=True)
    right = torch.autograd.grad(module(x).sum(), x)[0]
    y = module(x)
    y += 1
    if record.keeps_output():
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    else:
        torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], right)


# Types


def bent(x: Tensor, inplace: float = 0.5) -> Tensor:
    return x * inplace


RELU, X, COMPLEX = ACTIVATIONS["relu"], torch.ones(2), torch.ones(2, dtype=torch.complex64)
PARAMETER = Parameter("a", 0.5, REAL, "a slope")
WRONG: dict[str, Callable[[], Any]] = {
    "a name": lambda: ActivationModule("relu"),
    "a module": lambda: ActivationModule(nn.ReLU),
    "a name applied": lambda: apply("relu", X),
    "a name applied in place": lambda: apply_(nn.ReLU(), X),
    "a list": lambda: apply(RELU, [1.0]),
    "a list in place": lambda: apply_(RELU, [1.0]),
    "a list to a layer": lambda: ActivationModule(RELU)([1.0]),
    "a list to PReLU": lambda: PReLU()([1.0]),
    "a list to Swish": lambda: Swish()([1.0]),
    "a list to RReLU": lambda: RReLU()([1.0]),
    "a list to Softmax": lambda: Softmax(0)([1.0]),
    "complex": lambda: apply(RELU, COMPLEX),
    "complex to Swish": lambda: Swish()(COMPLEX),
    "complex to PReLU": lambda: PReLU()(COMPLEX),
    "complex β": lambda: Swish(dtype=torch.complex64),
    "complex β, later": lambda: Swish().to(torch.complex64)(X),
    "complex slope": lambda: PReLU(dtype=torch.complex64),
    "complex slope, later": lambda: PReLU().to(torch.complex64)(X),
    "whole slope": lambda: PReLU(dtype=torch.int64),
    "slopes in words": lambda: PReLU("two"),
    "in place thrice": lambda: RReLU(inplace=3),
    "a seed for a generator": lambda: RReLU(generator=3),
    "a kink nowhere": lambda: Kink(at="0", slope=0.0),
    "an interval in words": lambda: Interval(low="0", high=1, low_closed=True, high_closed=True),
    "an interval of numbers": lambda: Interval(low=0, high=1, low_closed=1, high_closed=True),
    "a domain in words": lambda: Parameter("a", 0.5, "(0, 1)", "a slope"),
    "a parameter called inplace": lambda: dataclasses.replace(
        ACTIVATIONS["leaky_relu"],
        function=bent,
        derivative=bent,
        derivative_from_output=None,
        takes={"inplace": PARAMETER},
    ),
}
FIELDS: dict[str, Any] = {field.name: 3 for field in dataclasses.fields(Activation)} | {
    "derivative": None,
    "integers": "yes",
    "torch_module": "ReLU",
    "kinks": (),
    "takes": None,
    "output_suffices_in_half": "no",
}


def assert_one_sentence(error: Exception) -> None:
    message = str(error)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 200


@folded("name", WRONG)
def test_what_is_of_a_wrong_type_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(TypeError) as caught:
        WRONG[name]()
    assert_one_sentence(caught.value)


@folded("name", FIELDS)
def test_a_field_of_a_wrong_type_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=f"Activation takes {name} as ") as caught:
        dataclasses.replace(RELU, **{name: FIELDS[name]})
    assert_one_sentence(caught.value)


@folded(("low", "high"), [(1, 0), (NAN, 1), (0.0, NAN)])
def test_an_interval_runs_upward(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="An interval runs from low to high") as caught:
        Interval(low=low, high=high, low_closed=True, high_closed=True)
    assert_one_sentence(caught.value)
