"""PReLU, Swish with a learned β and RReLU: values and all gradients against torch, and what is drawn."""

import copy
import math
import pickle
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from compared import precise, random_numbers, value_and_gradients
from folded import folded
from torch import Tensor, nn

from nonlin.activations.learned import PReLU, RReLU, Swish

INF, NAN = math.inf, math.nan
SHAPES = [(2, 3), (2, 3, 4), (2, 3, 4, 5), (0, 3), (2, 3, 0), (1, 3)]
WITHOUT_CHANNELS = [(), (7,), (0,), (2, 5)]


def assert_same(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    eps = torch.finfo(x.dtype).eps
    for got, wanted in zip(value_and_gradients(ours, x), value_and_gradients(theirs, x), strict=True):
        # Sums over elements differ by the order of adding.
        torch.testing.assert_close(got, wanted, rtol=16 * eps, atol=64 * eps * max(1, x.numel() / 10), equal_nan=True)


def prelus(slopes: list[float], dtype: torch.dtype = torch.float64) -> tuple[PReLU, nn.PReLU]:
    """Ours and torch's, with these slopes."""
    pair = (PReLU(len(slopes), dtype=dtype), nn.PReLU(len(slopes), dtype=dtype))
    for module in pair:
        module.load_state_dict({"weight": torch.tensor(slopes, dtype=dtype)})
    return pair


@precise
@folded("slopes", [[0.25], [0.1, -0.5, 2.0], [0.0, 1.0, -1.0]])
@folded("shape", SHAPES)
def test_prelu_equals_torchs(dtype: torch.dtype, slopes: list[float], shape: tuple[int, ...]) -> None:
    assert_same(*prelus(slopes, dtype), random_numbers(*shape, dtype=dtype))


@precise
@folded("shape", WITHOUT_CHANNELS)
def test_prelu_with_one_slope_takes_any_shape(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    for sign in (1, -1):  # a single number is once above zero, once below
        assert_same(*prelus([0.3], dtype), sign * random_numbers(*shape, dtype=dtype))


@precise
@folded("number", [0.0, -0.0, 1e30, -1e30, INF, -INF, NAN, 1e-40, -1e-40])
def test_prelu_at_extremes_equals_torchs(dtype: torch.dtype, number: float) -> None:
    assert_same(*prelus([0.25], dtype), torch.tensor([number, 1.0, -1.0], dtype=dtype))
    assert_same(*prelus([0.25, -2.0], dtype), torch.tensor([[number, 1.0], [-1.0, number]], dtype=dtype))


@folded("dtype", [torch.bfloat16, torch.float16, torch.float32])
@folded("slope", [0.3, -0.002, -1.99, 1e4])
def test_the_slope_above_zero_is_exactly_one(slope: float, dtype: torch.dtype) -> None:
    module, x = PReLU(init=slope, dtype=dtype), torch.tensor([1.0, -1.0], dtype=dtype, requires_grad=True)
    module(x).sum().backward()
    assert x.grad.tolist() == [1.0, module.weight.item()]


@folded("make", [lambda init: PReLU(init=init), Swish])
def test_what_learning_starts_from_is_a_finite_number(make: Callable[[object], nn.Module]) -> None:
    sentences = {
        "0.2": "as a number, not '0.2'",
        None: "as a number, not None",
        NAN: ".*not NaN",
        INF: "in .*, not inf",
    }
    for init, sentence in sentences.items():
        with pytest.raises((TypeError, ValueError), match=f" takes init {sentence}"):
            make(init)
    with pytest.raises(TypeError, match=r"init as a fixed number, which gets no gradient: .* give a plain number"):
        make(nn.Parameter(torch.tensor(0.2)))


def test_a_second_derivative_that_is_zero_is_not_missing() -> None:
    for module in prelus([0.3]):
        x = torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True)
        for of in (x, module.weight):
            (first,) = torch.autograd.grad(module(x).sum(), of, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), of)
            assert not second.any()


def test_gradient_of_each_slope_is_the_sum_over_its_channel() -> None:
    module, _ = prelus([0.1, -0.5, 2.0])
    x = random_numbers(2, 3, 4)
    _, _, gradient = value_and_gradients(module, x)
    g = random_numbers(2, 3, 4, seed=1)
    for channel in range(3):
        pairs = zip(g[:, channel].flatten().tolist(), x[:, channel].flatten().tolist(), strict=True)
        assert gradient[channel].item() == pytest.approx(sum(g * x for g, x in pairs if x <= 0))


def test_prelu_layouts() -> None:
    x = random_numbers(4, 3, 6, 5, dtype=torch.float32)
    ours, theirs = prelus([0.1, -0.5, 2.0], torch.float32)
    channels_last = x.to(memory_format=torch.channels_last)
    for view in (x[:, :, ::2, 1:], x.transpose(2, 3), channels_last, x[:1].expand(4, 3, 6, 5)):
        assert_same(ours, theirs, view)
    assert ours(channels_last).is_contiguous(memory_format=torch.channels_last)


@folded("slopes", [[0.3], [0.1, -0.5, 2.0]])
def test_prelu_first_and_second_derivatives(slopes: list[float]) -> None:
    def function(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(PReLU(len(slopes)), {"weight": weight}, (x,))

    inputs = (random_numbers(2, 3, 2).requires_grad_(), torch.tensor(slopes, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@folded("slopes", [[0.3], [0.1, -0.5, 2.0]])
def test_prelu_transforms(slopes: list[float]) -> None:
    modules = prelus(slopes)
    x, weights = random_numbers(5, 2, 3), random_numbers(5, len(slopes), seed=2)

    def loss(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda weight, x: torch.func.functional_call(module, {"weight": weight}, (x,)).square().sum()

    # An ensemble with its own slopes for each sample; then one module for all samples.
    for of in (
        lambda f: torch.func.vmap(torch.func.grad(f, argnums=(0, 1)))(weights, x),
        lambda f: torch.func.vmap(torch.func.grad(f, argnums=(0, 1)), in_dims=(None, 0))(weights[0], x),
    ):
        torch.testing.assert_close(of(loss(modules[0])), of(loss(modules[1])))
    # Many slopes for one sample, at which torch's own warns of an output of the wrong shape.
    losses = torch.func.vmap(loss(modules[0]), in_dims=(0, None))(weights, x[0])
    torch.testing.assert_close(losses, torch.stack([loss(modules[1])(weight, x[0]) for weight in weights]))


@folded("number", [0.0, -2.0, 3.0])
def test_the_hessian_of_prelu_is_symmetric_at_zero_too(number: float) -> None:
    def function(both: Tensor) -> Tensor:
        return torch.func.functional_call(PReLU(), {"weight": both[1:]}, (both[:1],)).sum()

    mixed = float(number <= 0)
    hessian = torch.autograd.functional.hessian(function, torch.tensor([number, 0.25]))
    assert hessian.tolist() == [[0, mixed], [mixed, 0]]


def test_prelu_state_dicts_are_interchangeable() -> None:
    x = random_numbers(2, 3, dtype=torch.float32)
    for maker, other in ((PReLU, nn.PReLU), (nn.PReLU, PReLU)):
        source, target = maker(3, init=-0.7), other(3)
        assert not torch.equal(target(x), source(x))
        target.load_state_dict(source.state_dict())
        assert torch.equal(target(x), source(x))
        target.reset_parameters()
        assert target.weight.tolist() == [0.25] * 3


def test_prelu_constructor_is_torchs() -> None:
    for maker in (PReLU, nn.PReLU):
        module = maker(4, 0.1, None, torch.float64)
        assert (module.num_parameters, module.init, module.weight.dtype) == (4, 0.1, torch.float64)
        assert module.weight.tolist() == [0.1] * 4
        assert maker(device="meta").weight.is_meta
        assert maker().weight.tolist() == [0.25]
    assert repr(PReLU(4)) == repr(nn.PReLU(4))
    assert repr(PReLU()) == repr(nn.PReLU())


@folded("shape", [(2, 4), (2, 1), (3,), (3, 4, 3), (2, 0)])
def test_prelu_refuses_other_numbers_of_channels_as_torch_does(shape: tuple[int, ...]) -> None:
    for module in prelus([1.0, 2.0, 3.0], torch.float32):
        with pytest.raises(RuntimeError, match=r"PReLU has 3 slopes, but .* channel|Mismatch of parameter numbers"):
            module(torch.zeros(shape))


def test_prelu_refuses_what_else_torch_refuses() -> None:
    for module in prelus([1.0, 2.0, 3.0], torch.float32):
        with pytest.raises(RuntimeError):
            module(torch.tensor(1.0))
    for maker in (PReLU, nn.PReLU):
        with pytest.raises(RuntimeError, match="negative dimension"):
            maker(-1)
    with pytest.raises(RuntimeError, match=r"of shape \(2, 1\) has 1 channel: dimension 1 must have size 3"):
        PReLU(3)(torch.zeros(2, 1))


@precise
@folded("beta", [1.0, 0.5, -2.0, 0.0, 10.0])
def test_swish_equals_autograd_of_its_formula(dtype: torch.dtype, beta: float) -> None:
    class Formula(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.beta = nn.Parameter(torch.tensor(beta, dtype=dtype))

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(self.beta * x)

    for shape in ((), (0,), (2, 3, 4)):
        assert_same(Swish(beta, dtype=dtype), Formula(), random_numbers(*shape, dtype=dtype))


def test_swish_starts_as_silu() -> None:
    x = random_numbers(50)
    _, gradient, _ = value_and_gradients(Swish(dtype=torch.float64), x)
    (wanted,) = value_and_gradients(nn.SiLU(), x)[1:]
    torch.testing.assert_close(gradient, wanted)
    torch.testing.assert_close(Swish()(x), F.silu(x))


def test_gradient_of_beta_is_the_stated_sum() -> None:
    x = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    module = Swish(init=0.5, dtype=torch.float64)
    sigmoids = [1 / (1 + math.exp(-0.5 * number)) for number in x.tolist()]
    (gradient,) = torch.autograd.grad(module(x).sum(), module.parameters())
    assert gradient.shape == ()
    wanted = sum(n**2 * s * (1 - s) for n, s in zip(x.tolist(), sigmoids, strict=True))
    assert gradient.item() == pytest.approx(wanted, rel=1e-14)


@precise
@folded("number", [100.0, -100.0, 1e4, -1e4, 1e30, -1e30])
def test_swish_at_extremes_has_its_limits(dtype: torch.dtype, number: float) -> None:
    module = Swish(dtype=dtype)
    x = torch.tensor([number], dtype=dtype, requires_grad=True)
    y = module(x)
    slope, for_beta = torch.autograd.grad(y.sum(), [x, module.beta])
    assert y.item() == pytest.approx(x.item() if number > 0 else 0, abs=1e-40)
    assert slope.item() == pytest.approx(float(number > 0), abs=1e-40)
    assert for_beta.item() == pytest.approx(0, abs=1e-38)


def test_swish_at_infinities_is_as_silu_in_torch_but_has_slopes() -> None:
    x = torch.tensor([INF, -INF], requires_grad=True)
    y = Swish()(x)
    torch.testing.assert_close(y, F.silu(x), equal_nan=True)
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [1, 0]


def test_swish_nan_stays_nan() -> None:
    assert all(part.isnan().all() for part in value_and_gradients(Swish(), torch.tensor([NAN])))


def test_swish_first_and_second_derivatives_and_transforms() -> None:
    def function(x: Tensor, beta: Tensor) -> Tensor:
        return torch.func.functional_call(Swish(), {"beta": beta}, (x,))

    def formula(x: Tensor, beta: Tensor) -> Tensor:
        return x * torch.sigmoid(beta * x)

    inputs = (random_numbers(2, 3).requires_grad_(), torch.tensor(0.7, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)
    x, betas = random_numbers(5, 4), random_numbers(5, seed=1)
    got, wanted = (
        torch.func.vmap(torch.func.grad(lambda x, beta, f=f: f(x, beta).square().sum(), argnums=(0, 1)))(x, betas)
        for f in (function, formula)
    )
    torch.testing.assert_close(got, wanted)


@folded(("x", "beta"), [(0.0, 0.0), (2.0, 0.0), (-3.0, 0.0), (0.0, 1.5), (2.0, -1.5), (-1.0, 40.0)])
def test_the_hessian_of_swish_is_exact_at_zero_too(x: float, beta: float) -> None:
    def function(both: Tensor) -> Tensor:
        return torch.func.functional_call(Swish(), {"beta": both[1]}, (both[0],))

    both = torch.tensor([x, beta], dtype=torch.float64)
    # With z = βx: f = x s(z), s' = s (1 - s), s'' = s' (1 - 2s).
    s = 1 / (1 + math.exp(-beta * x))
    first, second = s * (1 - s), s * (1 - s) * (1 - 2 * s)
    mixed = 2 * x * first + beta * x**2 * second
    wanted = [[2 * beta * first + beta**2 * x * second, mixed], [mixed, x**3 * second]]
    twice = torch.func.jacrev(torch.func.jacrev(function))(both)
    for hessian in (torch.autograd.functional.hessian(function, both), twice):
        torch.testing.assert_close(hessian, torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_swish_layouts_state_and_printing() -> None:
    x = random_numbers(2, 3, 4, 5, dtype=torch.float32)
    module = Swish(init=0.5)
    channels_last = x.to(memory_format=torch.channels_last)
    for view in (x[:, 1:, ::2], x.transpose(1, 3), channels_last):
        assert torch.equal(module(view), module(view.contiguous()))
    assert module(channels_last).is_contiguous(memory_format=torch.channels_last)
    assert repr(module) == "Swish(init=0.5)"
    assert {name: value.item() for name, value in module.state_dict().items()} == {"beta": 0.5}
    assert Swish(device="meta").beta.is_meta
    module.beta.data.fill_(3.0)
    module.reset_parameters()
    assert module.beta.item() == 0.5


def test_what_is_learned_moves_towards_the_target() -> None:
    x = random_numbers(200)
    for module, right in ((PReLU(dtype=torch.float64), 0.6), (Swish(dtype=torch.float64), 2.5)):
        target = type(module)(init=right, dtype=torch.float64)(x).detach()
        (learned,) = module.parameters()
        optimizer = torch.optim.Adam([learned], lr=0.05)
        for _ in range(200):
            optimizer.zero_grad()
            (module(x) - target).square().mean().backward()
            optimizer.step()
        assert learned.item() == pytest.approx(right, abs=0.05)


@folded("make", [PReLU, lambda: PReLU(3), Swish, RReLU])
def test_sixteen_bits_and_autocast(make: Callable[[], nn.Module]) -> None:
    x = random_numbers(4, 3, dtype=torch.float32)
    for dtype in (torch.float16, torch.bfloat16):
        module = make().eval()
        y = module(x.to(dtype))
        assert y.dtype == dtype
        torch.testing.assert_close(y.float(), module(x.to(dtype).float()), rtol=8 * torch.finfo(dtype).eps, atol=1e-6)
    network = nn.Sequential(nn.Linear(3, 3), make())
    with torch.autocast("cpu", torch.bfloat16):
        y = network(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in network.parameters())


@folded("make", [PReLU, Swish, RReLU])
def test_integers_are_refused_and_copies_are_alike(make: Callable[[], nn.Module]) -> None:
    module = make().eval()
    with pytest.raises(TypeError, match=rf"^{make.__name__} needs a floating-point tensor, not torch.int64"):
        module(torch.arange(3))
    for parameter in module.parameters():
        parameter.data.fill_(0.77)
    x = random_numbers(2, 3, dtype=torch.float32)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))


LOWER, UPPER = 0.1, 0.4


def seeded(seed: int = 0, **options: object) -> RReLU:
    return RReLU(LOWER, UPPER, generator=torch.Generator().manual_seed(seed), **options)


@precise
@folded("number", [0.0, -0.0, 1e30, -1e30, INF, -INF, NAN])
def test_rrelu_in_evaluation_equals_torchs(dtype: torch.dtype, number: float) -> None:
    x = torch.cat([random_numbers(20, dtype=dtype), torch.tensor([number], dtype=dtype)])
    assert_same(RReLU(LOWER, UPPER).eval(), nn.RReLU(LOWER, UPPER).eval(), x)
    assert_same(RReLU().eval(), nn.RReLU().eval(), x)


@precise
def test_rrelu_draws_uniform_slopes_one_for_each_negative_input(dtype: torch.dtype) -> None:
    n = 400 * 500
    slopes = -seeded()(-torch.ones(400, 500, dtype=dtype))
    assert slopes.min() >= LOWER - 1e-7
    assert slopes.max() <= UPPER + 1e-7
    assert slopes.min() < LOWER + 1e-4
    assert slopes.max() > UPPER - 1e-4
    deviation = (UPPER - LOWER) / math.sqrt(12)
    assert slopes.mean().item() == pytest.approx((LOWER + UPPER) / 2, abs=5 * deviation / math.sqrt(n))
    assert slopes.std().item() == pytest.approx(deviation, rel=0.01)
    # Neighbours are drawn independently, along each dimension.
    for a, b in ((slopes[1:], slopes[:-1]), (slopes[:, 1:], slopes[:, :-1])):
        assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs() < 5 / math.sqrt(n)


@precise
def test_rrelu_gradient_uses_the_slopes_that_were_drawn(dtype: torch.dtype) -> None:
    x = random_numbers(50, dtype=dtype).requires_grad_()
    y = seeded()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, (y / x).detach())
    assert (slope[x > 0] == 1).all()
    assert len(set(slope[x < 0].tolist())) == (x < 0).sum()


def test_rrelu_counts_zero_to_the_left_as_torch_does() -> None:
    for module in (seeded(), nn.RReLU(LOWER, UPPER)):
        x = torch.zeros(20, requires_grad=True)
        (slope,) = torch.autograd.grad(module(x).sum(), x)
        assert ((slope >= LOWER) & (slope <= UPPER)).all()


def test_rrelu_is_reproducible_and_draws_anew_at_each_call() -> None:
    x = random_numbers(50)
    module = seeded()
    before = torch.get_rng_state()
    first, second = module(x), module(x)
    assert torch.equal(torch.get_rng_state(), before)  # the global generator is left alone
    assert not torch.equal(first, second)
    assert torch.equal(seeded()(x), first)
    assert not torch.equal(seeded(1)(x), first)
    with torch.random.fork_rng():
        drawn = []
        for _ in range(2):
            torch.manual_seed(5)
            drawn.append(RReLU()(x))
    assert torch.equal(*drawn)


def test_rrelu_draws_nothing_in_evaluation() -> None:
    module = seeded().eval()
    state = module.generator.get_state()
    assert torch.equal(module(-torch.ones(3)), torch.full((3,), -0.25))
    assert torch.equal(module.generator.get_state(), state)


def test_rrelu_copies_continue_from_the_generators_state() -> None:
    module, x = seeded(), random_numbers(50)
    module(x)
    twins = (copy.deepcopy(module), pickle.loads(pickle.dumps(module)))
    wanted = module(x)
    for twin in twins:
        assert torch.equal(twin(x), wanted)


def test_rrelu_in_place() -> None:
    for training in (True, False):
        x = random_numbers(4, 5)
        overwritten = x.clone()
        y = seeded(inplace=True).train(training)(overwritten)
        assert y is overwritten
        assert torch.equal(y, seeded().train(training)(x))
        leaf = x.clone().requires_grad_()
        slopes = [
            torch.autograd.grad(seeded(inplace=i).train(training)(leaf.clone()).sum(), leaf)[0] for i in (False, True)
        ]
        assert torch.equal(*slopes)
    for module in (RReLU(inplace=True), nn.RReLU(inplace=True)):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            module(torch.ones(2, requires_grad=True))


def test_rrelu_first_and_second_derivatives_and_transforms() -> None:
    x = random_numbers(3, 4).requires_grad_()
    for training in (True, False):
        assert torch.autograd.gradcheck(lambda x, on=training: seeded().train(on)(x), x)
        assert torch.autograd.gradgradcheck(lambda x, on=training: seeded().train(on)(x), x)
    slopes = torch.func.vmap(torch.func.grad(lambda x: seeded().eval()(x).sum()))(x.detach())
    torch.testing.assert_close(slopes, torch.where(x > 0, 1.0, (LOWER + UPPER) / 2).to(x.dtype))
    module = seeded()
    drawn = -torch.func.vmap(module, randomness="different")(-torch.ones(30, 4))
    assert ((drawn >= LOWER) & (drawn <= UPPER)).all()
    assert len(set(drawn.flatten().tolist())) > 100


def test_rrelu_shapes_and_layouts() -> None:
    x = random_numbers(2, 3, 4, 5)
    for view in (x[:, 1:, ::2], x.transpose(1, 3), x.to(memory_format=torch.channels_last), x[:0], x[0, 0, 0, 0]):
        y = seeded()(view)
        assert y.shape == view.shape
        assert torch.equal(y, seeded()(view.contiguous()))
        assert_same(RReLU().eval(), nn.RReLU().eval(), view)


def test_rrelu_constructor_is_torchs() -> None:
    for arguments in ((), (0.2,), (0.2, 0.3), (0.2, 0.3, True)):
        assert repr(RReLU(*arguments)) == repr(nn.RReLU(*arguments))
        assert list(RReLU(*arguments).state_dict()) == list(nn.RReLU(*arguments).state_dict())
    assert torch.equal(RReLU(0.5, 0.5)(-torch.ones(9)), torch.full((9,), -0.5))
    for lower, upper in ((0.5, 0.1), (NAN, 1.0), (0.0, INF), (-INF, 0.0), (0.0, NAN)):
        with pytest.raises(ValueError, match=r"RReLU (needs lower <= upper|takes (lower|upper) (in|as a number))"):
            RReLU(lower, upper)
