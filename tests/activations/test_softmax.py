"""Softmax and its relatives: values and gradients against torch, and the product against the explicit Jacobian."""

import copy
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from compared import precise, random_numbers, value_and_gradients
from folded import folded
from torch import Tensor, nn

from nonlin.activations.softmax import (
    LogSoftmax,
    Softmax,
    Softmax2d,
    Softmin,
    jacobian,
    log_softmax,
    softmax,
    softmax2d,
    softmin,
)

PAIRS = {
    "softmax": (softmax, Softmax, nn.Softmax),
    "log_softmax": (log_softmax, LogSoftmax, nn.LogSoftmax),
    "softmin": (softmin, Softmin, nn.Softmin),
}
INF, NAN = math.inf, math.nan
ROWS = [
    [1e4, -1e4, 0.0],
    [3e38, -3e38, 2e38],
    [100.0, 99.0, -100.0],
    [-INF, 1.0, 2.0],
    [INF, 1.0, 2.0],
    [-INF, 1.0, -INF],
    [-INF, -INF, -INF],
    [INF, INF, INF],
    [NAN, 1.0, 2.0],
    [0.0, -0.0, 1e-40],
]

every_pair = folded(("function", "module", "counterpart"), PAIRS.values())


def assert_same(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], x: Tensor) -> None:
    eps = torch.finfo(x.dtype).eps
    for got, wanted in zip(value_and_gradients(ours, x), value_and_gradients(theirs, x), strict=True):
        torch.testing.assert_close(got, wanted, rtol=16 * eps, atol=32 * eps, equal_nan=True)


@every_pair
@precise
@folded("dim", [0, 1, 2, -1, -2])
def test_values_and_gradients_equal_torchs(
    function: Callable, module: Callable, counterpart: Callable, dtype: torch.dtype, dim: int
) -> None:
    x = random_numbers(4, 5, 6, dtype=dtype)
    assert_same(module(dim), counterpart(dim), x)
    assert torch.equal(function(x, dim), module(dim)(x))


@every_pair
@precise
@folded("row", ROWS)
def test_extremes_equal_torchs(
    function: Callable, module: Callable, counterpart: Callable, dtype: torch.dtype, row: list[float]
) -> None:
    assert_same(module(-1), counterpart(-1), torch.tensor([row, [1.0, 2.0, 3.0]], dtype=dtype))


def test_a_class_that_is_ruled_out_has_probability_0_and_gradient_0() -> None:
    y, gradient = value_and_gradients(Softmax(0), torch.tensor([-INF, 0.0, math.log(3.0)]))
    torch.testing.assert_close(y, torch.tensor([0.0, 0.25, 0.75]))
    assert gradient[0] == 0
    assert log_softmax(torch.tensor([-INF, 0.0]), 0).tolist() == [-INF, 0.0]


@every_pair
def test_where_no_class_is_left_the_whole_vector_is_nan(
    function: Callable, module: Callable, counterpart: Callable
) -> None:
    x = torch.full((2, 3), INF if function is softmin else -INF)
    x[1] = 0.0
    assert function(x, 1)[0].isnan().all()
    assert function(x, 1)[1].isfinite().all()


def test_log_softmax_is_finite_where_softmax_is_rounded_to_0() -> None:
    x = torch.tensor([0.0, -1000.0])
    assert softmax(x, 0).tolist() == [1, 0]
    assert log_softmax(x, 0).tolist() == [0, -1000]


@precise
@folded("temperature", [0.1, 0.5, 1.0, 7.0])
def test_temperature_divides_the_inputs(dtype: torch.dtype, temperature: float) -> None:
    x = random_numbers(4, 5, dtype=dtype)
    eps = torch.finfo(dtype).eps
    pairs = zip(
        value_and_gradients(Softmax(1, temperature), x),
        value_and_gradients(lambda x: torch.softmax(x / temperature, 1), x),
        strict=True,
    )
    for got, wanted in pairs:
        # x / T is rounded before the exponential in one of the two, after the shift in the other.
        torch.testing.assert_close(got, wanted, rtol=0, atol=32 * eps * max(1, 20 / temperature) / temperature)


def test_temperature_from_one_winner_to_equal_weights() -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    assert softmax(x, 0, 1e-3).tolist() == [0, 0, 1]
    torch.testing.assert_close(softmax(x, 0, 1e6), torch.full((3,), 1 / 3), rtol=1e-5, atol=0)
    # Divided before the shift, this would be infinity minus infinity.
    assert softmax(torch.tensor([3e38, 2e38]), 0, 1e-3).tolist() == [1, 0]


NO_TEMPERATURES = [
    (0.0, ValueError, r"Softmax takes temperature in \(0, ∞\), not 0"),
    (-1.0, ValueError, r"Softmax takes temperature in \(0, ∞\), not -1"),
    (INF, ValueError, r"Softmax takes temperature in \(0, ∞\), not inf"),
    (NAN, ValueError, "Softmax takes temperature as a number, not NaN"),
    ("1", TypeError, "Softmax takes temperature as a number, not '1'"),
    (torch.ones(2), TypeError, "Softmax takes temperature as one number, not a tensor of shape"),
    (
        nn.Parameter(torch.ones(())),
        TypeError,
        r"gets no gradient: to learn one, divide by it: softmax\(x / temperature",
    ),
]


@folded(("temperature", "error", "sentence"), NO_TEMPERATURES)
def test_what_is_no_temperature_is_refused(temperature: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        Softmax(0, temperature)
    with pytest.raises(error, match=sentence):
        softmax(torch.zeros(2), 0, temperature)


@every_pair
def test_first_and_second_derivatives(function: Callable, module: Callable, counterpart: Callable) -> None:
    x = random_numbers(3, 4).requires_grad_()
    for dim in (0, 1):
        assert torch.autograd.gradcheck(module(dim), x)
        assert torch.autograd.gradgradcheck(module(dim), x)


def test_derivatives_with_a_temperature_and_over_channels() -> None:
    x = random_numbers(2, 3, 2, 2).requires_grad_()
    for function in (Softmax(1, 0.7), softmax2d):
        assert torch.autograd.gradcheck(function, x)
        assert torch.autograd.gradgradcheck(function, x)


@folded("temperature", [1.0, 0.5])
def test_backward_is_the_gradient_times_the_jacobian(temperature: float) -> None:
    x, g = random_numbers(4, 5).requires_grad_(), random_numbers(4, 5, seed=1)
    y = softmax(x, -1, temperature)
    (gradient,) = torch.autograd.grad(y, x, g)
    product = torch.einsum("ni,nij->nj", g, jacobian(y.detach())) / temperature
    torch.testing.assert_close(gradient, product, rtol=1e-12, atol=1e-14)


def test_jacobian() -> None:
    torch.testing.assert_close(jacobian(torch.tensor([0.25, 0.75])), torch.tensor([[3.0, -3.0], [-3.0, 3.0]]) / 16)
    x = random_numbers(5)
    wanted = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, 0), x)
    torch.testing.assert_close(jacobian(softmax(x, 0)), wanted, rtol=1e-12, atol=1e-15)
    matrices = jacobian(softmax(random_numbers(2, 3, 4), -1))
    assert matrices.shape == (2, 3, 4, 4)
    assert torch.equal(matrices, matrices.mT)
    torch.testing.assert_close(matrices.sum(-1), torch.zeros(2, 3, 4, dtype=torch.float64), rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match="needs a vector"):
        jacobian(torch.tensor(1.0))


@every_pair
def test_transforms(function: Callable, module: Callable, counterpart: Callable) -> None:
    x, g = random_numbers(6, 4), random_numbers(4, seed=1)
    wanted = counterpart(0)
    for of in (lambda f: torch.func.vmap(f), lambda f: torch.func.vmap(torch.func.grad(lambda x: f(x) @ g))):
        torch.testing.assert_close(of(module(0))(x), of(wanted)(x))
    # Batched along the last dimension, 0 and -1 count within one sample.
    for dim in (0, -1):
        torch.testing.assert_close(torch.func.vmap(module(dim), in_dims=1)(x), counterpart(1)(x.T))
    torch.testing.assert_close(torch.func.jacrev(module(0))(x[0]), torch.func.jacrev(wanted)(x[0]))
    got, right = (torch.func.jacrev(torch.func.grad(lambda x, f=f: f(x) @ g))(x[0]) for f in (module(0), wanted))
    torch.testing.assert_close(got, right)


@every_pair
def test_backward_keeps_the_output_alone(function: Callable, module: Callable, counterpart: Callable) -> None:
    kept: list[Tensor] = []
    x = random_numbers(3, 4).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        y = module(1)(x)
    assert len(kept) == 1
    assert torch.equal(kept[0], y)


@every_pair
def test_shapes_and_layouts(function: Callable, module: Callable, counterpart: Callable) -> None:
    x = random_numbers(2, 6, 4, 5, dtype=torch.float32)
    for view in (x[:, 1:, ::2], x.transpose(1, 3), x.to(memory_format=torch.channels_last), x[:1].expand(3, 6, 4, 5)):
        assert_same(module(1), counterpart(1), view)
    for empty in (torch.zeros(0, 3), torch.zeros(3, 0), torch.zeros(0)):
        for dim in range(empty.dim()):
            assert_same(module(dim), counterpart(dim), empty)
    for dim in (0, -1):
        assert_same(module(dim), counterpart(dim), torch.tensor(2.5))


@every_pair
def test_a_missing_dimension_is_refused_as_torch_refuses_it(
    function: Callable, module: Callable, counterpart: Callable
) -> None:
    for x, dim in ((torch.zeros(2, 3), 2), (torch.zeros(2, 3), -3), (torch.tensor(1.0), 1), (torch.zeros(0, 3), 2)):
        for layer in (module(dim), counterpart(dim)):
            with pytest.raises(IndexError, match="Dimension out of range"):
                layer(x)


@every_pair
def test_dim_is_required_and_integers_are_refused_in_one_sentence(
    function: Callable, module: Callable, counterpart: Callable
) -> None:
    name = module.__name__
    with pytest.raises(TypeError, match=f"^{name} needs dim, the dimension along which the vectors lie"):
        module()
    for dim in (None, True, 1.0):
        with pytest.raises(TypeError, match=f"^{name} needs dim, .*, not {dim}"):
            module(dim)
        with pytest.raises(TypeError, match=f"^{name} needs dim, .*, not {dim}"):
            function(torch.zeros(2, 2), dim)
    with pytest.raises(TypeError, match=rf"^{name} needs a floating-point tensor, not torch.int64: use x.float\(\)"):
        module(0)(torch.arange(3))


@every_pair
@folded("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_do_not_overflow_over_a_large_vocabulary(
    function: Callable, module: Callable, counterpart: Callable, dtype: torch.dtype
) -> None:
    x = (random_numbers(1, 70_000) / 30).to(dtype)
    y, gradient = value_and_gradients(module(1), x)
    wanted, wanted_gradient = value_and_gradients(counterpart(1), x.double())
    eps = torch.finfo(dtype).eps
    assert y.dtype == gradient.dtype == dtype
    torch.testing.assert_close(y.double(), wanted, rtol=eps, atol=1e-7)  # 1e-7: numbers near 1e-5 are denormal
    # The gradient of the output is rounded to 16 bits, too, and so is the output that backward starts from.
    torch.testing.assert_close(gradient.double(), wanted_gradient, rtol=8 * eps, atol=1e-6 + 0.01 * wanted.abs().max())


def test_sixteen_bits_backward_sums_in_thirty_two() -> None:
    # One output is 1/2, the others are 2^-14: a gradient of 2^-12 times these is a number that float16 rounds to 0, but
    # they are so many that they add up to half of the sum. Equal gradients change no softmax.
    x = torch.zeros(8193, dtype=torch.float16)
    x[0] = math.log(8192)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(softmax(x, 0), x, torch.full_like(x, 2.0**-12))
    assert gradient.abs().max() < 2**-18
    # The sum of these gradients, 81,930, is more than float16 holds.
    (gradient,) = torch.autograd.grad(log_softmax(x, 0), x, torch.full_like(x, 10.0))
    assert gradient.isfinite().all()


@precise
def test_softmax2d_equals_torchs(dtype: torch.dtype) -> None:
    x = random_numbers(2, 3, 4, 5, dtype=dtype)
    for images in (x, x[0], x.to(memory_format=torch.channels_last), x[:, :, ::2, 1:], x[:0]):
        assert_same(Softmax2d(), nn.Softmax2d(), images)
    for wrong in (x[0, 0], x[0, 0, 0], x[None]):
        for layer in (Softmax2d(), nn.Softmax2d()):
            with pytest.raises(ValueError, match=f"Softmax2d: expected input to be 3D or 4D, got {wrong.dim()}D"):
                layer(wrong)


def test_layouts_are_kept() -> None:
    x = random_numbers(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert softmax2d(x).is_contiguous(memory_format=torch.channels_last)


@every_pair
def test_modules_print_and_copy_as_torchs(function: Callable, module: Callable, counterpart: Callable) -> None:
    layer = module(dim=1)
    x = random_numbers(2, 3)
    assert repr(layer) == repr(counterpart(dim=1))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))


def test_a_temperature_is_printed_and_copied() -> None:
    layer = Softmax(0, temperature=2.0)
    assert repr(layer) == "Softmax(dim=0, temperature=2.0)"
    assert copy.deepcopy(layer).temperature == 2
    assert repr(Softmax2d()) == repr(nn.Softmax2d())
