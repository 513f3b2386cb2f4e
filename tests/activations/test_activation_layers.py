"""Functions and modules made of records: torch's arguments, integers, in-place work, batched gradients."""

import inspect
import math

import pytest
import torch
from compared import RECORDS, WITH_COUNTERPART, against_torch, every_record
from folded import folded
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS, Activation, ActivationModule, apply, apply_
from nonlin.activations.layers import values

IN_PLACE = [record for record in RECORDS if record.takes_inplace]

in_place = pytest.mark.parametrize("record", IN_PLACE, ids=[record.name for record in IN_PLACE])


def numbers(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_inplace_exists_just_where_torch_has_it() -> None:
    classes = [c for c in vars(nn).values() if inspect.isclass(c) and c.__module__ == "torch.nn.modules.activation"]
    theirs = {c.__name__ for c in classes if "inplace" in inspect.signature(c).parameters}
    assert {record.title for record in IN_PLACE} == theirs
    assert len(theirs) == 13
    with pytest.raises(TypeError, match=r"PReLU takes init: got an unexpected keyword argument 'inplace'"):
        ActivationModule(ACTIVATIONS["prelu"], inplace=True)


# torch prints these otherwise: a single number without its name, the form of GELU.
PRINTED_OTHERWISE = {"hardshrink", "softshrink", "gelu", "gelu_tanh"}
SILENT_ABOUT_INPLACE = {"hardsigmoid", "hardswish"}


@pytest.mark.parametrize(
    "record",  # not that of PReLU, which holds one slope fixed; learned.PReLU has torch's arguments
    [record for record in WITH_COUNTERPART if record.name != "prelu"],
    ids=lambda record: record.name,
)
def test_arguments_and_printed_form_are_torchs(record: Activation) -> None:
    arguments = list(record.parameters.values())
    theirs = record.torch_module(*arguments)
    for module in (ActivationModule(record, *arguments), ActivationModule(record, **record.parameters)):
        x = numbers(50)
        torch.testing.assert_close(module(x), theirs.double()(x))
        if record.name not in PRINTED_OTHERWISE:
            assert repr(module) == repr(theirs)
    if record.takes_inplace:
        assert ActivationModule(record, *arguments, True).inplace
        printed = repr(record.torch_module(*arguments, inplace=True))
        shown = record.name not in SILENT_ABOUT_INPLACE
        assert (repr(ActivationModule(record, inplace=True)) == printed) == shown
    with pytest.raises(TypeError, match=f"{record.title.split()[0]}.* takes .*: too many positional arguments"):
        ActivationModule(record, *arguments, True, 1.0)


@in_place
def test_an_in_place_module_overwrites_its_input_and_differentiates_like_torchs(record: Activation) -> None:
    ours = ActivationModule(record, inplace=True)
    theirs = record.torch_module(**record.parameters, inplace=True).double()
    results = []
    for module in (ours, theirs):
        x = numbers(4, 5).requires_grad_()
        hidden = 1.5 * x
        version = hidden._version
        y = module(hidden)
        assert y is hidden
        assert hidden._version > version
        results += [(y.detach(), *torch.autograd.grad(y.square().sum(), x))]
    for ours_, theirs_ in zip(*results, strict=True):
        torch.testing.assert_close(ours_, theirs_)


@every_record
def test_in_place_gradients_are_those_of_the_other_way(record: Activation) -> None:
    x = numbers(6, 7).requires_grad_()
    wanted = torch.autograd.grad((apply(record, 0.7 * x) * numbers(6, 7)).sum(), x)
    found = torch.autograd.grad((apply_(record, 0.7 * x) * numbers(6, 7)).sum(), x)
    torch.testing.assert_close(found, wanted)


@every_record
def test_second_derivatives_in_place(record: Activation) -> None:
    corners = [0.0] * (record.smoothness(*record.default_values) == 1) + [kink.at for kink in record.default_kinks]
    x = torch.tensor([x for x in (0.0, 0.5, -1.0, -2.0, 1.7, 3.1, -4.03, 6.9) if x not in corners])
    x = x.double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: apply_(record, 1 * x), x)


@in_place
@folded("view", [False, True])
def test_a_leaf_is_refused_in_torchs_words_and_stays_as_it_was(record: Activation, view: bool) -> None:
    leaf = numbers(3).requires_grad_()
    x = leaf[:2] if view else leaf
    sentences = []
    for module in (ActivationModule(record, inplace=True), record.torch_module(**record.parameters, inplace=True)):
        with pytest.raises(RuntimeError) as caught:
            module(x)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    assert torch.equal(leaf.detach(), numbers(3))
    with torch.no_grad():
        module(x)  # without gradients, a leaf may be overwritten


@in_place
def test_what_an_earlier_step_needs_must_not_be_overwritten(record: Activation) -> None:
    for module in (ActivationModule(record, inplace=True), record.torch_module(**record.parameters, inplace=True)):
        y = module(numbers(3).requires_grad_().exp())  # backward of exp needs its own output
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


@every_record
def test_in_place_without_gradients_and_on_part_of_a_tensor(record: Activation) -> None:
    x = numbers(4, 6)
    wanted = x.clone()
    wanted[:, 1::2] = values(record, x[:, 1::2])
    assert apply_(record, x[:, 1::2]).data_ptr() == x[:, 1:].data_ptr()
    torch.testing.assert_close(x, wanted)


@in_place
def test_gradients_through_a_view_that_is_overwritten_are_torchs(record: Activation) -> None:
    results = []
    for module in (ActivationModule(record, inplace=True), record.torch_module(**record.parameters, inplace=True)):
        x = numbers(4, 6).requires_grad_()
        hidden = 1 * x
        module.double()(hidden[:, 1::2])
        results.append((hidden.detach(), *torch.autograd.grad(hidden.square().sum(), x)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_in_place_function_keeps_no_copy_where_the_output_suffices() -> None:
    kept: dict[str, int] = {}
    for name in ("elu", "silu"):
        hidden = 1 * numbers(50).requires_grad_()
        tensors: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, seen=tensors: seen.append(t) or t, lambda t: t):
            apply_(ACTIVATIONS[name], hidden)
        kept[name] = sum(tensor.data_ptr() != hidden.data_ptr() for tensor in tensors)
    assert kept == {"elu": 0, "silu": 1}


@against_torch
@folded("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integers_are_taken_or_refused_as_in_torch(record: Activation, dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1, 2, 7] if dtype == torch.uint8 else [-4, -1, 0, 1, 2, 7]).to(dtype)
    theirs = record.torch_module(**record.parameters)
    # torch's formulas for these two stumble over bool, by abs and by a subtraction; ours promote it first.
    stumbles = dtype == torch.bool and record.name in ("softsign", "tanhshrink")
    try:
        wanted = theirs(x.float() if stumbles else x)
    except RuntimeError:
        with pytest.raises(TypeError, match=r"needs a floating-point tensor, not torch\.\w+: use x.float\(\)"):
            ActivationModule(record)(x)
        return
    found = ActivationModule(record)(x)
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted)
    if found.dtype == dtype:
        assert torch.equal(apply_(record, x.clone()), wanted)
    else:
        with pytest.raises(TypeError, match="has no place in it"):
            apply_(record, x)


@every_record
def test_complex_numbers_are_refused(record: Activation) -> None:
    with pytest.raises(TypeError, match="needs a floating-point tensor"):
        apply(record, torch.zeros(2, dtype=torch.complex64))


# Where torch gives NaN for minus infinity, plus infinity: NaN or a limit in ours.
LIMITS = {
    "gelu": ["nan", "inf", "nan", "nan"],
    "gelu_tanh": ["nan", "inf", "0", "1"],
    "mish": ["nan", "inf", "0", "1"],
}


@folded("name", LIMITS)
def test_what_infinities_give(name: str) -> None:
    x = torch.tensor([-math.inf, math.inf]).requires_grad_()
    y = apply(ACTIVATIONS[name], x)
    found = [*y.tolist(), *torch.autograd.grad(y.sum(), x)[0].tolist()]
    assert [f"{abs(number):g}" for number in found] == LIMITS[name]


@every_record
def test_under_transforms_and_batched_gradients(record: Activation) -> None:
    x = numbers(4, 3).requires_grad_()
    module = ActivationModule(record)
    y = module(x)
    slope = torch.autograd.grad(y.sum(), x, retain_graph=True)[0]
    gradients = torch.stack([torch.ones_like(y), 2 * torch.ones_like(y)])
    batched = torch.autograd.grad(y, x, gradients, is_grads_batched=True)
    torch.testing.assert_close(batched[0], torch.stack([slope, 2 * slope]))
    jacobian = torch.func.jacrev(module)(x.detach()).reshape(12, 12)
    torch.testing.assert_close(jacobian.diagonal(), slope.flatten(), rtol=1e-6, atol=1e-9)
    rows = torch.func.vmap(torch.func.grad(lambda row: apply_(record, row.clone()).sum()))(x.detach())
    torch.testing.assert_close(rows, slope, rtol=1e-6, atol=1e-9)
