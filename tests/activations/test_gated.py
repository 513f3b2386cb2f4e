"""GLU against torch, the gated blocks against their formulas, and the widths of equal parameter count."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from compared import precise, random_numbers, value_and_gradients
from folded import folded
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.activations.gated import GATES, GLU, FeedForward, GatedFeedForward, gated, gated_width, glu

# The paper's gates in torch's words.
FORMULAS = {"GLU": torch.sigmoid, "Bilinear": lambda x: x, "ReGLU": F.relu, "GEGLU": F.gelu, "SwiGLU": F.silu}

every_gate = pytest.mark.parametrize("name", FORMULAS)


def assert_glu_like_torchs(x: Tensor, dim: int) -> None:
    eps = torch.finfo(x.dtype).eps
    for got, wanted in zip(value_and_gradients(GLU(dim), x), value_and_gradients(nn.GLU(dim), x), strict=True):
        torch.testing.assert_close(got, wanted, rtol=16 * eps, atol=32 * eps, equal_nan=True)
    assert torch.equal(glu(x, dim), GLU(dim)(x).detach())


@precise
@folded("dim", [0, 1, 2, -1, -3])
def test_glu_equals_torchs(dtype: torch.dtype, dim: int) -> None:
    assert_glu_like_torchs(random_numbers(4, 2, 6, dtype=dtype), dim)


@precise
@folded("b", [100.0, -100.0, 1e4, -1e4, math.inf, -math.inf, math.nan])
def test_glu_at_extremes_equals_torchs(dtype: torch.dtype, b: float) -> None:
    eps = torch.finfo(dtype).eps
    for a in (2.0, -1e30, 0.0, math.inf, math.nan):
        x = torch.tensor([a, 1.0, b, 0.5], dtype=dtype)
        tolerance = 32 * eps * (abs(a) if 1 < abs(a) < math.inf else 1)
        for got, wanted in zip(value_and_gradients(GLU(), x), value_and_gradients(nn.GLU(), x), strict=True):
            # torch rounds σ(-100) to 0 in float32 and σ'(100) in both: infinity times that is NaN, but infinite here.
            known = ~wanted.isnan()
            torch.testing.assert_close(got[known], wanted[known], rtol=16 * eps, atol=tolerance)


def test_glu_keeps_the_tail_of_its_gate() -> None:
    x = torch.tensor([1.0, 50.0], dtype=torch.float64)
    _, gradient = value_and_gradients(GLU(), x)
    ratio = gradient[1] / gradient[0]  # σ'(50), which y (1 - y) would round to 0
    assert ratio.item() == pytest.approx(math.exp(-50), rel=1e-12, abs=0)


def test_glu_shapes_layouts_and_dtypes() -> None:
    x = random_numbers(2, 6, 4, 5, dtype=torch.float32)
    for view in (x[:, 2:, ::2], x.transpose(1, 3).transpose(1, 2), x.to(memory_format=torch.channels_last), x[:0]):
        assert_glu_like_torchs(view, 2 if view.size(1) % 2 else 1)
    for empty in (torch.zeros(0, 4), torch.zeros(4, 0), torch.zeros(0)):
        assert_glu_like_torchs(empty, -1)
        assert_glu_like_torchs(empty, 0)
    for dtype in (torch.float16, torch.bfloat16):
        y, gradient = value_and_gradients(GLU(1), x.to(dtype))
        assert y.dtype == gradient.dtype == dtype
        torch.testing.assert_close(y.float(), F.glu(x.to(dtype).float(), 1), rtol=4 * torch.finfo(dtype).eps, atol=1e-6)


def test_glu_refuses_what_torch_refuses() -> None:
    for layer in (GLU(0), nn.GLU(0)):
        with pytest.raises(RuntimeError, match="must be even"):
            layer(torch.zeros(3, 2))
        with pytest.raises(RuntimeError):
            layer(torch.tensor(1.0))
    for layer in (GLU(2), nn.GLU(2)):
        with pytest.raises(IndexError, match="Dimension out of range"):
            layer(torch.zeros(2, 2))
    with pytest.raises(TypeError, match=r"GLU needs a floating-point tensor, not torch.int64: use x.float\(\)"):
        glu(torch.arange(4))


def test_glu_derivatives_and_transforms() -> None:
    x = random_numbers(3, 4)
    for dim in (0, 1):
        leaf = random_numbers(4, 4).requires_grad_()
        assert torch.autograd.gradcheck(GLU(dim), leaf)
        assert torch.autograd.gradgradcheck(GLU(dim), leaf)
    for of in (lambda f: torch.func.vmap(f), lambda f: torch.func.vmap(torch.func.grad(lambda x: f(x).square().sum()))):
        torch.testing.assert_close(of(GLU(0))(x), of(nn.GLU(0))(x))
    torch.testing.assert_close(torch.func.jacrev(GLU())(x[0]), torch.func.jacrev(nn.GLU())(x[0]))


@folded("b", [0.0, 1.5, -40.0])
def test_the_hessian_of_glu_is_exact_at_zero_too(b: float) -> None:
    x, s = torch.tensor([2.0, b], dtype=torch.float64), 1 / (1 + math.exp(-b))
    first, second = s * (1 - s), s * (1 - s) * (1 - 2 * s)
    wanted = torch.tensor([[0, first], [first, 2 * second]], dtype=torch.float64)
    twice = torch.func.jacrev(torch.func.jacrev(lambda x: glu(x).sum()))(x)
    for hessian in (torch.autograd.functional.hessian(lambda x: glu(x).sum(), x), twice):
        torch.testing.assert_close(hessian, wanted, rtol=1e-12, atol=0)


def test_glu_keeps_its_input_alone() -> None:
    kept: list[Tensor] = []
    x = random_numbers(3, 4).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        glu(x)
    assert len(kept) == 1
    assert torch.equal(kept[0], x)


def test_glu_prints_and_copies_as_torchs() -> None:
    layer = GLU(1)
    assert repr(layer) == repr(nn.GLU(1))
    assert repr(GLU()) == repr(nn.GLU())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.dim == 1


def test_the_gates_are_those_of_the_paper() -> None:
    assert set(GATES) == set(FORMULAS)
    with pytest.raises(TypeError):
        GATES["GLU"] = nn.ReLU


@every_gate
def test_a_gated_block_is_its_formula(name: str) -> None:
    torch.manual_seed(0)
    block = GatedFeedForward(6, 5, GATES[name]).double()
    x = random_numbers(2, 3, 6)

    def formula(x: Tensor, gate: Tensor, value: Tensor, out: Tensor) -> Tensor:
        return (FORMULAS[name](x @ gate.T) * (x @ value.T)) @ out.T

    weights = [block.gate.weight, block.value.weight, block.out.weight]
    y, wanted = block(x), formula(x, *weights)
    torch.testing.assert_close(y, wanted, rtol=1e-10, atol=1e-12)
    assert y.shape == x.shape
    for got, right in zip(
        torch.autograd.grad(y.square().sum(), weights), torch.autograd.grad(wanted.square().sum(), weights), strict=True
    ):
        torch.testing.assert_close(got, right, rtol=1e-9, atol=1e-10)


@every_gate
def test_gradients_of_a_gated_block(name: str) -> None:
    torch.manual_seed(0)
    block = GatedFeedForward(3, 2, GATES[name]).double()
    x = random_numbers(2, 3).requires_grad_()
    assert torch.autograd.gradcheck(block, x)
    assert torch.autograd.gradgradcheck(block, x)
    slopes = torch.func.vmap(torch.func.grad(lambda x: block(x).sum()))(x.detach())
    torch.testing.assert_close(slopes, torch.autograd.grad(block(x).sum(), x)[0])


def test_the_plain_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block = FeedForward(6, 5, nn.ReLU, bias=True).double()
    x = random_numbers(2, 3, 6)
    inner = F.relu(x @ block.inner.weight.T + block.inner.bias)
    torch.testing.assert_close(block(x), inner @ block.out.weight.T + block.out.bias)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@folded("multiple_of", [1, 2, 8, 64])
def test_gated_width_is_the_nearest_multiple_and_keeps_the_stated_bound(multiple_of: int) -> None:
    for hidden in range(multiple_of, 1000):
        width = gated_width(hidden, multiple_of)
        assert width > 0
        assert width % multiple_of == 0
        error = abs(3 * width - 2 * hidden)
        assert error <= (1 if multiple_of == 1 else 1.5 * multiple_of)
        assert error <= min(abs(3 * other - 2 * hidden) for other in (width - multiple_of, width + multiple_of))


@folded("hidden", [30, 31, 32])
@every_gate
def test_parameter_counts_are_equal_within_the_stated_rounding(name: str, hidden: int) -> None:
    plain = count(FeedForward(8, hidden, nn.ReLU))
    assert plain == 2 * 8 * hidden
    gated = count(GatedFeedForward(8, gated_width(hidden), GATES[name]))
    assert abs(gated - plain) <= 8
    assert (gated == plain) == (hidden % 3 == 0)
    assert abs(count(GatedFeedForward(8, gated_width(hidden, 4), GATES[name])) - plain) <= 6 * 8


def test_gated_width_of_the_paper_and_what_it_refuses() -> None:
    assert gated_width(3072) == 2048
    assert gated_width(4 * 4096, 256) == 11008  # the width of LLaMA's 7B model
    for hidden, multiple_of in ((0, 1), (-3, 1), (3, 0), (3, -1)):
        with pytest.raises(ValueError, match="Widths must be positive"):
            gated_width(hidden, multiple_of)
    with pytest.raises(ValueError, match="The multiple of 64 nearest to 2/3 of hidden=10 is 0"):
        gated_width(10, 64)


def test_a_block_takes_any_activation_and_shares_it_with_no_other() -> None:
    blocks = [make(4, 3, nn.PReLU) for make in (FeedForward, GatedFeedForward) for _ in range(2)]
    assert len({id(block.activation) for block in blocks}) == 4
    assert count(blocks[0]) == 2 * 12 + 1
    assert count(blocks[2]) == 3 * 12 + 1
    assert count(GatedFeedForward(4, 3, nn.ReLU, bias=True)) == 3 * 12 + 3 + 3 + 4
    with_record = GatedFeedForward(4, 3, lambda: ActivationModule(ACTIVATIONS["mish"]))
    assert "Mish" in repr(with_record)


@every_gate
def test_blocks_copy_and_their_weights_load(name: str) -> None:
    block = GatedFeedForward(4, 3, GATES[name])
    other = GatedFeedForward(4, 3, GATES[name])
    x = random_numbers(2, 4, dtype=torch.float32)
    assert not torch.equal(other(x), block(x))
    other.load_state_dict(block.state_dict())
    for twin in (other, copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(twin(x), block(x))


@pytest.mark.parametrize("name", ["relu", "gelu", "silu"])
def test_the_relatives_derivatives_are_those_of_the_product(name: str) -> None:
    record = ACTIVATIONS[name]
    x = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    a, b = x.chunk(2, -1)
    product = a * record.function(b)
    torch.testing.assert_close(gated(record, x), product)
    weights = torch.randn(3, 4, dtype=torch.float64)
    wanted, found = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (product, gated(record, x)))
    torch.testing.assert_close(found, wanted)
