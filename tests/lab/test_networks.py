"""The networks: sizes, shapes, what batch normalisation changes, and an activation of its own in every place."""

import pytest
import torch
from torch import nn

from nonlin.lab import networks
from nonlin.lab.networks import NETWORKS, Residual, count_parameters, mlp, small_cnn, small_resnet, threads


def count(model: nn.Module, kind: type) -> int:
    return sum(isinstance(module, kind) for module in model.modules())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("depth", [1, 3])
def test_all_networks_are_called_alike_and_use_an_activation_of_its_own_everywhere(name, batch_norm, depth):
    model = NETWORKS[name](nn.PReLU, classes=3, depth=depth, batch_norm=batch_norm)
    slopes = {id(module) for module in model.modules() if isinstance(module, nn.PReLU)}
    places = {"mlp": depth, "resnet": 1 + 3 * (1 + 2 * depth)}.get(name, 1 + 3 * (1 + depth))
    assert len(slopes) == places
    assert count(model, nn.BatchNorm1d | nn.BatchNorm2d) == (places - (name != "mlp") if batch_norm else 0)
    logits = model(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("network", "parameters"), [(small_cnn, 295_000), (small_resnet, 277_000)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_convolutional_networks_have_the_size_that_they_state(network, parameters, batch_norm):
    assert count_parameters(network(nn.ReLU, batch_norm=batch_norm)) == pytest.approx(parameters, rel=0.01)


@pytest.mark.parametrize("network", [small_cnn, small_resnet])
def test_biases_stand_where_no_batch_norm_follows(network):
    def biases(batch_norm: bool) -> list[bool]:
        return [c.bias is not None for c in network(nn.ReLU, batch_norm=batch_norm).modules() if type(c) is nn.Conv2d]

    with_norm, without = biases(True), biases(False)
    assert with_norm == [True] + [False] * (len(with_norm) - 1)
    assert all(without)


def test_the_full_resolution_has_the_same_weights_and_more_places():
    quick, full = NETWORKS["cnn"](nn.ReLU), NETWORKS["cnn_full_resolution"](nn.ReLU)
    full.load_state_dict(quick.state_dict())
    x = torch.zeros(1, 3, 32, 32)
    assert (quick[0](x).shape[2:], full[0](x).shape[2:]) == ((16, 16), (32, 32))


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_a_perceptron_of_any_depth(depth):
    model = mlp(nn.Tanh, classes=4, depth=depth, width=5)
    sizes = [(layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert sizes == list(zip([3072, *[5] * depth], [*[5] * depth, 4], strict=True))


def test_a_residual_block_adds_its_input():
    x = torch.tensor([-2.0, 1.0])
    double = nn.Linear(2, 2, bias=False)
    nn.init.eye_(double.weight)
    assert torch.equal(Residual(double, nn.ReLU())(x), torch.tensor([0.0, 2.0]))


def test_threads_are_restored_after_an_error():
    before, inside = torch.get_num_threads(), []

    def fail() -> None:
        with threads(before + 2):
            inside.append(torch.get_num_threads())
            raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        fail()
    assert [*inside, torch.get_num_threads()] == [before + 2, before]


@pytest.mark.parametrize(
    ("found", "expected"), [(None, "cpu"), ("cuda", "cuda"), ("xpu", "xpu"), ("mps", "cpu")], ids=str
)
def test_the_accelerator_that_torch_finds_is_used_but_a_macs_on_request_only(monkeypatch, found, expected):
    accelerator = found and torch.device(found)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: accelerator)
    assert networks.device() == torch.device(expected)


@pytest.mark.parametrize(("kind", "expected"), [("cpu", "cpu"), ("mps", "mps"), ("cuda", "NVIDIA"), ("xpu", "Intel")])
def test_a_device_is_called_by_its_name_where_it_has_one(monkeypatch, kind, expected):
    for name, title in {"cuda": "NVIDIA", "xpu": "Intel"}.items():
        monkeypatch.setattr(getattr(torch, name), "get_device_name", lambda title=title: title)
    assert networks.device_name(torch.device(kind)) == expected


def test_the_small_network_pools_normalises_and_scales_where_it_says() -> None:
    group = ["Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU"]
    layers = [layer for layer in small_cnn(nn.ReLU).modules() if not list(layer.children())]
    expected = ["Conv2d", "ReLU", *3 * group, "AdaptiveMaxPool2d", "Flatten", "Linear", "Scale"]
    assert [type(layer).__name__ for layer in layers] == expected
    assert layers[-1](torch.ones(1)).item() == pytest.approx(1 / 9)
