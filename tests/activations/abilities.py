"""What torch.nn's layers can, and whether ours can: a table of abilities and layers, measured.

``PYTHONPATH=src python tests/activations/abilities.py`` measures all of it in a minute and writes ``docs/abilities.md``.
"""

import copy
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from nonlin.activations import ACTIVATIONS, ActivationModule, gated, learned, softmax
from nonlin.lab.networks import Residual

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "abilities.md"

SHAPE = (2, 4, 2, 2)
Make = Callable[[], nn.Module]
Probe = Callable[[Make], Any]


@dataclass(frozen=True)
class Layer:
    """A layer of ours and its counterpart, both without arguments; None where torch.nn has none."""

    ours: Make
    theirs: Make | None
    takes_inplace: bool = False


def _layers() -> Mapping[str, Layer]:
    layers = {
        record.title: Layer(
            partial(ActivationModule, record),
            record.torch_module and partial(record.torch_module, **record.parameters),
            record.takes_inplace,
        )
        for record in ACTIVATIONS.values()
        if record.name not in ("swish", "prelu", "rrelu")  # below, with what is learned and drawn
    }
    ours_drawn, theirs_drawn = (partial(module, 0.2, 0.2) for module in (learned.RReLU, nn.RReLU))
    dim = {"dim": 1}
    return layers | {
        "PReLU": Layer(learned.PReLU, nn.PReLU),
        "PReLU(4)": Layer(partial(learned.PReLU, 4), partial(nn.PReLU, 4)),
        "Swish(0.5)": Layer(partial(ActivationModule, ACTIVATIONS["swish"], 0.5), None),
        "Swish, learned": Layer(learned.Swish, None),
        "RReLU, training": Layer(ours_drawn, theirs_drawn, True),  # both bounds alike, so that the draws are alike
        "RReLU, evaluation": Layer(
            lambda **inplace: learned.RReLU(**inplace).eval(), lambda **inplace: nn.RReLU(**inplace).eval(), True
        ),
        "Softmax": Layer(partial(softmax.Softmax, **dim), partial(nn.Softmax, **dim)),
        "LogSoftmax": Layer(partial(softmax.LogSoftmax, **dim), partial(nn.LogSoftmax, **dim)),
        "Softmin": Layer(partial(softmax.Softmin, **dim), partial(nn.Softmin, **dim)),
        "Softmax2d": Layer(softmax.Softmax2d, nn.Softmax2d),
        "GLU": Layer(partial(gated.GLU, **dim), partial(nn.GLU, **dim)),
        "GatedFeedForward": Layer(partial(_seeded, gated.GatedFeedForward, 2, 3, gated.GATES["SwiGLU"]), None),
        "FeedForward": Layer(partial(_seeded, gated.FeedForward, 2, 3, gated.GATES["GEGLU"]), None),
        "Residual": Layer(lambda: Residual(nn.Identity(), ActivationModule(ACTIVATIONS["relu"])), None),
    }


def _seeded(make: Make, *arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments)


# What is tried: each takes what makes a layer, and returns tensors, which must equal those of torch's layer.


def _x(dtype: torch.dtype = torch.float64) -> Tensor:
    return 3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=dtype)


def _loss(layer: nn.Module, x: Tensor) -> Tensor:
    y = layer(x)
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype, device=y.device)
    return (y * weights.reshape(y.shape)).sum()


def _slopes(function: Callable[[Tensor], Tensor], x: Tensor, layer: nn.Module) -> tuple[Tensor, ...]:
    return torch.autograd.grad(function(x), [x, *layer.parameters()])


def first_derivative(make: Make) -> Any:
    layer = make().double()
    return _slopes(partial(_loss, layer), _x().requires_grad_(), layer)


def second_derivative(make: Make) -> Any:
    layer, x = make().double(), _x().requires_grad_()
    inputs = [x, *layer.parameters()]
    slopes = torch.autograd.grad(_loss(layer, x), inputs, create_graph=True)
    return torch.autograd.grad(
        sum((slope**2).sum() for slope in slopes), inputs, allow_unused=True, materialize_grads=True
    )


def with_parameters(transform: Callable[..., Any]) -> Probe:
    """A transform of torch.func, for the input and for the learned parameters."""

    def probe(make: Make) -> Any:
        layer = make().double()
        learned = {name: parameter.detach() for name, parameter in layer.named_parameters()}

        def loss(x: Tensor, learned: dict[str, Tensor]) -> Tensor:
            return functional_call(_Loss(layer), {f"layer.{name}": value for name, value in learned.items()}, x)

        return transform(loss, argnums=(0, 1) if learned else 0)(_x(), learned)

    return probe


class _Loss(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return _loss(self.layer, x)


def over_a_batch(make: Make) -> Any:
    layer = make().double()
    x = torch.stack([_x(), _x() / 2])
    slope = vmap(grad(partial(_loss, layer)), randomness="different")(x)
    y = vmap(layer, in_dims=-1, out_dims=1, randomness="different")(x.movedim(0, -1).contiguous())
    return y, slope


def along_a_direction(make: Make) -> Any:
    layer, x = make().double(), _x()
    return jvp(layer, (x,), (x.flip(0),))


def jacobian(transform: Callable[..., Any]) -> Probe:
    return lambda make: transform(make().double())(_x())


def dual_numbers(make: Make) -> Any:
    layer, x = make().double(), _x()
    with forward_ad.dual_level():
        return tuple(forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x.flip(0)))))


def symbolic_trace(make: Make) -> Any:
    alone = torch.fx.symbolic_trace(make().double())
    within = torch.fx.symbolic_trace(nn.Sequential(nn.Identity(), make().double()))
    twin = copy.deepcopy(pickle.loads(pickle.dumps(within)))
    within.graph.lint()
    x = _x().requires_grad_()
    return alone(1 * x), twin(1 * x), *_slopes(lambda x: _loss(within, 1 * x), x, within)


def symbolic_trace_in_place(make: Make) -> Any:
    return symbolic_trace(partial(make, inplace=True))


def compiled(backend: str, in_place: bool = False) -> Probe:
    def probe(make: Make) -> Any:
        torch._dynamo.reset()
        layer = (make(inplace=True) if in_place else make()).double()
        run = torch.compile(lambda x: layer(1 * x), backend=backend, fullgraph=True)
        x = _x().requires_grad_()
        with torch.no_grad():
            y = torch.compile(lambda x: layer(1 * x), backend=backend, fullgraph=True)(x)
        return y, *_slopes(partial(_loss, run), x, layer)

    return probe


def exported(make: Make) -> Any:
    program = torch.export.export(make().double(), (_x(),))
    saved = io.BytesIO()
    torch.export.save(program, saved)
    saved.seek(0)
    return program.module()(_x()), torch.export.load(saved).module()(_x())


def fake_tensors(make: Make) -> Any:
    with FakeTensorMode():
        x = torch.randn(SHAPE, requires_grad=True)
        layer = make()
        y = layer(x)
        slope = torch.autograd.grad(y.sum(), x)[0]
    with FakeTensorMode(allow_non_fake_inputs=True):
        mixed = make()(_x(torch.float32))
    assert make()(_x(torch.float32)).isfinite().all(), "a fake tensor was kept for real ones"
    return [(type(t).__name__, t.shape, t.stride(), t.dtype) for t in (y, slope, mixed)]


def meta_tensors(make: Make) -> Any:
    x = torch.empty(SHAPE, device="meta", requires_grad=True)
    layer = make().to("meta")
    y = layer(x)
    slopes = torch.autograd.grad(y.sum(), [x, *layer.parameters()])
    return [(t.device, t.shape, t.stride(), t.dtype) for t in (y, *slopes)]


def traced_to_operators(make: Make) -> Any:
    layer = _Loss(make().double())
    parameters = {name: parameter.detach() for name, parameter in layer.named_parameters()}

    def step(x: Tensor, parameters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        loss = partial(functional_call, layer, parameters)
        return loss(x), grad(loss)(x)

    modes = ("real", "fake", "symbolic")
    return [make_fx(step, tracing_mode=mode)(_x(), parameters)(_x() / 2, parameters) for mode in modes]


def autocast(make: Make) -> Any:
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        layer, x = make(), _x(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        results += [y, *torch.autograd.grad(y.float().square().sum(), [x, *layer.parameters()])]
    return results


def layouts(make: Make) -> Any:
    x = _x(torch.float64)
    kinds = [x.to(memory_format=torch.channels_last), x.transpose(2, 3), x[:, :, ::2], x[:0], x[:1].expand(3, 4, 2, 2)]
    results = []
    for x in kinds:
        layer = make().double()
        y = layer(x.requires_grad_())
        results += [y, *torch.autograd.grad(y.sum(), [x, *layer.parameters()])]
    return results


def single_numbers(make: Make) -> Any:
    layer, x = make().double(), torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    return layer(x), *_slopes(lambda x: layer(x), x, layer), jvp(layer, (x,), (x,)), vmap(layer, randomness="different")(x.reshape(1))


def copies(make: Make) -> Any:
    layer = make().double()
    saved = io.BytesIO()
    torch.save(layer.state_dict(), saved)
    saved.seek(0)
    other = make().double()
    other.load_state_dict(torch.load(saved, weights_only=True))
    return [twin(_x()) for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other)]


class RefuseFloat64(TorchDispatchMode):
    """A device that has no float64, such as a Mac's graphics processor."""

    def __torch_dispatch__(
        self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves((args, result)):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64:
                raise TypeError(f"{function} makes a float64 tensor of float32 numbers")
        return result


def without_float64(make: Make) -> Any:
    layer, x = make(), _x().float().requires_grad_()
    with RefuseFloat64():
        y = layer(x)
        return y, *torch.autograd.grad(y.sum(), [x, *layer.parameters()])


ABILITIES: Mapping[str, Probe] = {
    "first derivative": first_derivative,
    "second derivative": second_derivative,
    "torch.func.grad": with_parameters(grad),
    "vmap": over_a_batch,
    "jvp": along_a_direction,
    "jacfwd": jacobian(jacfwd),
    "jacrev": jacobian(jacrev),
    "hessian": with_parameters(hessian),
    "jacrev of jacfwd": lambda make: jacrev(jacfwd(partial(_loss, make().double())))(_x()),
    "torch.autograd.forward_ad": dual_numbers,
    "torch.fx.symbolic_trace": symbolic_trace,
    "torch.compile, eager": compiled("eager"),
    "torch.compile, aot_eager": compiled("aot_eager"),
    "torch.export": exported,
    "fake tensors": fake_tensors,
    "meta tensors": meta_tensors,
    "make_fx": traced_to_operators,
    "autocast": autocast,
    "layouts": layouts,
    "single numbers": single_numbers,
    "copies": copies,
    "without float64": without_float64,
}
IN_PLACE: Mapping[str, Probe] = {
    "in place: torch.fx.symbolic_trace": symbolic_trace_in_place,
    "in place: torch.compile, eager": compiled("eager", in_place=True),
    "in place: torch.compile, aot_eager": compiled("aot_eager", in_place=True),
}
LAYERS = _layers()
