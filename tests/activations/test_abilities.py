"""Our layers go where torch's go: every ability on every layer, against the table that the documentation shows."""

from functools import partial

import pytest
import torch
from abilities import ABILITIES, DOCUMENT, END, LAYERS, OURS, THEIRS, RefuseFloat64, cell, stored
from folded import folded
from torch import Tensor, nn
from torch.func import jvp

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, apply, apply_
from nonlin.activations.fast import kernel, kernel_of
from nonlin.activations.gated import glu
from nonlin.activations.layers import chain, overwrite, values
from nonlin.activations.learned import RReLU
from nonlin.activations.softmax import log_softmax, softmax, softmax2d, softmin

pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated",  # which torch itself calls for its first tangent
    "ignore:There is a performance drop",  # torch's own layers, under vmap
    "ignore:We ran into an error when deserializing",
)

# One of each kind: from the output, from the input, learned, drawn, a vector. The rest is long.
QUICK = {
    "compile": ["SELU", "GELU", "PReLU(4)", "Softmax"],
    "export": ["SiLU", "PReLU"],
    "make_fx": ["Hardswish", "GLU"],
    "compile, in place": ["ReLU", "Mish", "RReLU, training"],
}
CASES = [
    pytest.param(ability, layers, marks=[pytest.mark.long] * (layers is rest), id=ability)
    for ability in ABILITIES
    for quick in [QUICK.get(ability, list(LAYERS))]
    for rest in [[layer for layer in LAYERS if layer not in quick]]
    for layers in (quick, rest)
    if layers
]


@pytest.mark.parametrize(("ability", "layers"), CASES)
def test_an_ability(ability: str, layers: list[str]) -> None:
    @folded("layer", layers)
    def test(layer: str) -> None:
        assert cell(LAYERS[layer], ABILITIES[ability]) == stored()[layer, ability]

    test()


def test_the_table_is_whole_and_torch_has_nothing_that_ours_lack() -> None:
    table = stored()
    assert list(table) == [(layer, ability) for layer in LAYERS for ability in ABILITIES]
    assert THEIRS not in table.values()
    assert OURS in table.values()
    assert DOCUMENT.read_text(encoding="utf-8").endswith(END)


@folded("record", ACTIVATIONS.values())
def test_tangents_at_kinks_are_those_of_backward(record: Activation) -> None:
    x = torch.tensor([0.0, *(kink.at for kink in record.default_kinks)], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(apply(record, x).sum(), x)[0]
    tangent = jvp(ActivationModule(record), (x.detach(),), (torch.ones_like(x),))[1]
    torch.testing.assert_close(tangent, slope, rtol=1e-14, atol=1e-14)


@folded("record", filter(kernel_of, ACTIVATIONS.values()))
def test_no_fast_form_makes_a_constant_wider_than_its_input(record: Activation) -> None:
    kernel._made_once.cache_clear()
    x = torch.linspace(-2, 2, 9)
    with RefuseFloat64():
        chain(record, x, values(record, x) if record.keeps_output() else x)
        overwrite(record, x)


def of_functions(x: Tensor) -> Tensor:
    y = softmax(x, 1) + log_softmax(x, 1) + softmin(x, 1) + softmax2d(x)
    return apply_(ACTIVATIONS["elu"], glu(apply(ACTIVATIONS["leaky_relu"], y, negative_slope=0.2)))


def test_functions_are_steps_of_a_graph_of_fx() -> None:
    x = torch.randn(3, 4, 2)
    graph = torch.fx.symbolic_trace(of_functions)
    torch.testing.assert_close(graph(x), of_functions(x))


def test_two_records_of_one_name_stay_two_in_a_graph_of_fx() -> None:
    layers = [ActivationModule(ACTIVATIONS[name]) for name in ("relu", "tanh", "relu")]
    graph = torch.fx.symbolic_trace(nn.Sequential(*layers))
    x = torch.randn(5)
    torch.testing.assert_close(graph(x), torch.tanh(x.relu()))
    assert len({node.target for node in graph.graph.nodes if node.op == "get_attr"}) == 2


def test_a_graph_of_fx_follows_train_and_eval() -> None:
    network = torch.fx.symbolic_trace(nn.Sequential(RReLU(generator=torch.Generator())))
    x = -torch.ones(8)
    assert len(network(x).unique()) > 1
    assert network.eval()(x).unique().tolist() == pytest.approx([-11 / 48])


class NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> None:
        return None


@folded("layer", LAYERS)
def test_where_no_gradient_comes_none_goes_on(layer: str) -> None:
    """Not one of zeros, at which an optimizer's momentum and weight decay would move what is learned."""
    makes = [LAYERS[layer].ours, LAYERS[layer].theirs]
    if LAYERS[layer].takes_inplace:
        makes += [partial(make, inplace=True) for make in makes if make]
    for make in filter(None, makes):
        module, x = make(), torch.randn(2, 4, 2, 2, requires_grad=True)
        NoGradient.apply(module(1 * x)).sum().backward()
        assert all(t.grad is None for t in (x, *module.parameters())), make


def test_a_gradient_may_be_a_dual_number() -> None:
    x, gradient = torch.randn(5, requires_grad=True), torch.randn(5)
    y = apply(ACTIVATIONS["gelu"], x)
    with torch.autograd.forward_ad.dual_level():
        along = torch.autograd.forward_ad.make_dual(torch.ones(5), gradient)
        tangent = torch.autograd.forward_ad.unpack_dual(torch.autograd.grad(y, x, along)[0]).tangent
    torch.testing.assert_close(tangent, gradient * ACTIVATIONS["gelu"].derivative(x.detach()))
