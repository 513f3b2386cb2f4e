"""What torch.nn's layers can, and whether ours can: a table of abilities and layers, measured.

``PYTHONPATH=src python tests/activations/abilities.py`` measures all of it in minutes and writes ``docs/abilities.md``.
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
from torch.utils._pytree import tree_leaves

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


def backward_over_forward(make: Make) -> Any:
    return jacrev(jacfwd(partial(_loss, make().double())))(_x())


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


def in_place(probe: Probe) -> Probe:
    return lambda make: probe(partial(make, inplace=True))


def compiled(make: Make) -> Any:
    torch._dynamo.reset()
    layer, x = make().double(), _x().requires_grad_()
    # aot_eager traces forward and backward as inductor does, and needs no C++ compiler.
    run = torch.compile(lambda x: layer(1 * x), backend="aot_eager", fullgraph=True)
    slopes = _slopes(lambda x: _loss(run, x), x, layer)
    with torch.no_grad():
        return run(x), *slopes


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
    return [result.bfloat16() for result in results]  # where torch's PReLU narrows, ours does not


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
    layer = make().double()
    if hasattr(layer, "dim"):
        layer.dim = -1  # the only one that there may be
    x = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    return (
        layer(x),
        *_slopes(lambda x: layer(x), x, layer),
        jvp(layer, (x,), (x,)),
        vmap(layer, randomness="different")(x.reshape(1)),
    )


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

    def __torch_dispatch__(self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, result)):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64:
                raise TypeError(f"{function} makes a float64 tensor of float32 numbers")
        return result


def without_float64(make: Make) -> Any:
    layer, x = make(), _x().float().requires_grad_()
    with RefuseFloat64():
        y = layer(x)
        return y, *torch.autograd.grad(y.sum(), [x, *layer.parameters()])


@dataclass(frozen=True)
class Ability:
    """What is tried.

    Args:
        probe: tries it.
        what: in words.
        in_place: whether it concerns those layers alone that have ``inplace``.
        slow: whether it takes a second or more for each layer.
    """

    probe: Probe
    what: str
    in_place: bool = False
    slow: bool = False


ABILITIES: Mapping[str, Ability] = {
    "backward": Ability(first_derivative, "`backward`, for the input and what is learned"),
    "twice": Ability(second_derivative, "`backward` through `create_graph=True`"),
    "grad": Ability(with_parameters(grad), "`torch.func.grad`"),
    "vmap": Ability(over_a_batch, "`torch.func.vmap`, of the layer and of `grad`"),
    "jvp": Ability(along_a_direction, "`torch.func.jvp`"),
    "jacfwd": Ability(jacobian(jacfwd), "`torch.func.jacfwd`"),
    "jacrev": Ability(jacobian(jacrev), "`torch.func.jacrev`"),
    "hessian": Ability(with_parameters(hessian), "`torch.func.hessian`, forward over backward"),
    "rev∘fwd": Ability(backward_over_forward, "`jacrev` of `jacfwd`, backward over forward"),
    "forward_ad": Ability(dual_numbers, "`torch.autograd.forward_ad`"),
    "fx": Ability(symbolic_trace, "`torch.fx.symbolic_trace`, alone and in a network; copied and pickled"),
    "compile": Ability(compiled, "`torch.compile(fullgraph=True)`, forward and backward", slow=True),
    "export": Ability(exported, "`torch.export`, saved and loaded", slow=True),
    "fake": Ability(fake_tensors, "fake tensors, forward and backward"),
    "meta": Ability(meta_tensors, "the device `meta`, forward and backward"),
    "make_fx": Ability(
        traced_to_operators, "`make_fx`, of the layer and its gradient; real, fake, symbolic", slow=True
    ),
    "autocast": Ability(autocast, "`torch.autocast` to bfloat16, of float32 and bfloat16"),
    "layouts": Ability(layouts, "channels last, transposed, strided, empty, expanded"),
    "0-d": Ability(single_numbers, "a tensor without dimensions, with `vmap` and `jvp`"),
    "copies": Ability(copies, "`deepcopy`, `pickle`, `state_dict`"),
    "no float64": Ability(without_float64, "float32 where float64 does not exist, as on a Mac's graphics processor"),
    "fx, in place": Ability(in_place(symbolic_trace), "`fx` with `inplace=True`", in_place=True),
    "compile, in place": Ability(in_place(compiled), "`compile` with `inplace=True`", in_place=True, slow=True),
}
LAYERS = _layers()


# The table


def cell(layer: Layer, ability: Ability) -> str:
    """Who can: ``BOTH``, with equal results, ``OURS``, ``THEIRS``, ``NEITHER``; nothing where the question is none.

    Raises:
        AssertionError: if the results differ.
    """
    if ability.in_place and not layer.takes_inplace:
        return ""
    ours, theirs = _tried(ability.probe, layer.ours), _tried(ability.probe, layer.theirs)
    if ours is None or theirs is None:
        return {(True, False): OURS, (False, True): THEIRS, (False, False): NEITHER}[
            ours is not None, theirs is not None
        ]
    for one, other in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
        _assert_equal(one, other)
    return BOTH


BOTH, OURS, THEIRS, NEITHER = "●", "○", "✗", "–"


def _tried(probe: Probe, make: Make | None) -> Any:
    if make is None:
        return None
    try:
        return probe(make)
    except Exception as error:  # torch says in many ways that it cannot
        print(f"{make}: {error!r}")  # seen where a test fails
        return None


# Roundings of a few steps; in 16 bits torch's Tanhshrink errs by some hundredths.
TOLERANCES = {torch.float64: (1e-6, 1e-9), torch.float32: (2e-5, 2e-6), torch.bfloat16: (2e-2, 5e-2)}


def _assert_equal(one: Any, other: Any) -> None:
    if not isinstance(one, Tensor):
        assert one == other
        return
    rtol, atol = TOLERANCES[one.dtype]
    torch.testing.assert_close(one, other, rtol=rtol, atol=atol)


def stored() -> dict[tuple[str, str], str]:
    """The cells of the document, by layer and ability."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = ([part.strip() for part in line.strip("|").split("|")] for line in lines)
    return {(layer, ability): mark for layer, *marks in rows for ability, mark in zip(head[1:], marks, strict=True)}


def document() -> str:
    """Everything measured, as Markdown."""
    rows = [[name, *(cell(layer, ability) for ability in ABILITIES.values())] for name, layer in LAYERS.items()]
    table = [["", *ABILITIES], ["---"] * (1 + len(ABILITIES)), *rows]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return (
        INTRODUCTION + "\n".join(lines) + "\n\n" + "\n".join(f"- **{n}**: {a.what}" for n, a in ABILITIES.items()) + END
    )


INTRODUCTION = f"""# Where our layers go

What the layers of torch.nn can, ours can, with equal results. {BOTH} both, {OURS} ours alone (torch's refuses, or \
there is no such layer), {NEITHER} neither, {THEIRS} torch's alone. Measured with torch \
{torch.__version__.partition("+")[0]}; `test_abilities.py` holds each mark.

"""
END = """

What stays impossible, or other than in torch:

- `torch.compile` takes transforms in one another, as `grad(grad(f))` or `vmap(grad(f))`, and forward mode (`jvp`, \
`hessian`) inside the function that it compiles, without `fullgraph=True`: that part runs uncompiled, with the right \
numbers. With it, they are refused.
- `torch.jit.script` and `torch.jit.trace`, which torch has given up, are no way for our functions: the first cannot \
read them; what the second returns runs in the same process and cannot be saved. Take `torch.export`.
- In float32 and less, torch refuses a number that is beyond it, as a slope of 1e200; ours takes it as infinity.
- The second derivative of softmax at a temperature T grows as 1/T², and its rounding with it: below 1e-18 it is \
infinite or NaN in float32.
- `torch.func.functionalize` has no rule for functions with a derivative of their own.
- A second derivative through a compiled function is refused.
- Where backward keeps the output, as for ELU, whoever writes over the output cannot go backward. Torch keeps the input.
- RReLU in training draws numbers: `vmap` needs `randomness="different"` or `"same"`, which `jacfwd` and `hessian` do \
not pass on by themselves; and a generator of one's own can be traced by `torch.fx` only as part of a network.
- Under `autocast`, our layers return the type that they are given. torch's PReLU makes bfloat16 of float32, and on \
CUDA its softmax, log-softmax, softmin and softplus make float32 of float16; ours compute in float32 inside.
- PReLU with one slope for each channel takes no single number, Softmax2d none, and GLU has nothing to halve in it.
"""


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
