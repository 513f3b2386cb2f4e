"""Initial weights: the gain of any callable, the statistics of each scheme, and signals that reach the last layer."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.lab.initialisation import SCHEMES, gain, gradient_gain, initialise
from nonlin.lab.networks import small_cnn, small_resnet

GAINS = {  # E[f(z)^2] and E[f'(z)^2] in closed form
    "relu": (F.relu, 1 / 2, 1 / 2),
    "identity": (lambda z: z, 1.0, 1.0),
    "square": (lambda z: z * z, 3.0, 4.0),
    "exp": (torch.exp, math.exp(2), math.exp(2)),
    "learned slope": (nn.PReLU(init=0.5), (1 + 0.25) / 2, (1 + 0.25) / 2),
    "in place": (nn.ReLU(inplace=True), 1 / 2, 1 / 2),
    "random in training": (nn.RReLU(lower=0.2, upper=0.6), (1 + 0.16) / 2, (1 + 0.16) / 2),
}


@pytest.mark.parametrize("name", GAINS)
def test_gains_agree_with_the_integral(name):
    function, outputs, slopes = GAINS[name]
    assert gain(function) == pytest.approx(1 / math.sqrt(outputs), rel=1e-5)
    assert gradient_gain(function) == pytest.approx(1 / math.sqrt(slopes), rel=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gains_agree_with_those_of_the_records(name):
    record = ACTIVATIONS[name]
    assert gain(record.function) == pytest.approx(record.gain, rel=1e-4)
    assert gradient_gain(record.function) == pytest.approx(record.gradient_gain, rel=1e-3)


def test_measuring_leaves_a_module_in_its_mode():
    for training in (True, False):
        module = nn.RReLU().train(training)
        gain(module)
        assert module.training == training


@pytest.mark.parametrize(
    "function", [nn.Softmax(dim=0), nn.GLU(dim=0), torch.rand_like, torch.zeros_like, lambda z: z / 0]
)
def test_what_cannot_be_measured_gives_one_sentence(function):
    with pytest.raises(ValueError, match=r"the gain of this activation cannot be measured, since .*: choose another"):
        gain(function)


def test_a_step_has_no_gradient_gain():
    with pytest.raises(ValueError, match="the mean square of its slopes is 0"):
        gradient_gain(torch.sign)


def stack(layers: int, width: int, activation: type[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*(m for _ in range(layers) for m in (nn.Linear(width, width), activation())))


def last_pre_activation(network: nn.Sequential, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network[:-1](x)


@pytest.mark.parametrize("scheme", ["he", "orthogonal"])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU, nn.ELU, nn.SELU])
def test_the_mean_square_stays_near_1_through_20_layers(scheme, activation):
    logs = []
    for seed in range(6):
        torch.manual_seed(seed)
        network = stack(20, 256, activation)
        initialise(network, scheme, activation)
        logs.append(last_pre_activation(network, torch.randn(128, 256)).square().mean().log().item())
    assert 1 / 2 < math.exp(sum(logs) / len(logs)) < 2


def test_the_default_of_torch_loses_the_signal_that_he_keeps():
    torch.manual_seed(0)
    network = stack(20, 256, nn.ReLU)
    default = last_pre_activation(network, torch.randn(128, 256)).std(dim=0).mean()
    initialise(network, "he", nn.ReLU)
    kept = last_pre_activation(network, torch.randn(128, 256)).std(dim=0).mean()
    assert kept > 100 * default


def test_centred_biases_keep_images_apart_where_the_mean_square_alone_does_not():
    """After ten layers of sigmoid, the share of the mean square that differs between images."""
    shares = {}
    for scheme in ("he", "he_centred"):
        torch.manual_seed(0)
        network = stack(10, 256, nn.Sigmoid)
        initialise(network, scheme, nn.Sigmoid)
        z = last_pre_activation(network, torch.randn(512, 256))
        assert z.square().mean().item() == pytest.approx(1, abs=0.3)
        shares[scheme] = (z.var(dim=0).mean() / z.square().mean()).item()
    assert shares["he"] < 0.01
    assert shares["he_centred"] > 0.8


# Of a layer that is not the first: the standard deviation of its weights, times the root of its fan-in
EXPECTED = {
    "he": math.sqrt(2),
    "he_centred": 1 / math.sqrt(1 / 2 - 1 / (2 * math.pi)),
    "xavier": math.sqrt(2 / (1 + 2)),  # twice as many outputs as inputs
    "lecun_normal": 1.0,
    "orthogonal": math.sqrt(2),
    "torch": 1 / math.sqrt(3),
    "siren": math.sqrt(2) / 30,
}
EXPECTED_OF_THE_FIRST = {name: EXPECTED[name] for name in ("torch", "xavier")} | {"siren": 1 / math.sqrt(3 * 288)}


def sine(frequency: float) -> Callable[[], nn.Module]:
    return partial(ActivationModule, ACTIVATIONS["sine"], frequency)


def test_every_scheme_is_tested():
    assert set(EXPECTED) == set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(288, 576), lambda: nn.Conv2d(32, 64, 3)], ids=["linear", "convolution"]
)
def test_the_weights_of_each_scheme(scheme, make):
    torch.manual_seed(0)
    first, second = make(), make()
    activation = sine(30) if scheme == "siren" else nn.ReLU
    initialise(nn.Sequential(first, activation(), second), scheme, activation)
    measured = [layer.weight.std().item() * math.sqrt(288) for layer in (first, second)]
    assert measured[1] == pytest.approx(EXPECTED[scheme], rel=0.02)
    assert measured[0] == pytest.approx(EXPECTED_OF_THE_FIRST.get(scheme, 1.0), rel=0.02)
    assert second.weight.mean().item() == pytest.approx(0, abs=0.002)
    assert (second.bias.count_nonzero() == 0) == (scheme not in ("torch", "siren", "he_centred"))
    if scheme == "he_centred":
        mean = 1 / math.sqrt(2 * math.pi)
        assert torch.allclose(second.bias, -mean * second.weight.flatten(1).sum(dim=1), atol=1e-5)
    if scheme == "siren":  # uniform
        assert second.weight.abs().max().item() == pytest.approx(math.sqrt(6 / 288) / 30, rel=1e-3)


WIDTH = 256


def angles(frequency: float, *, biases: bool) -> list[float]:
    """Mean square of ωx in 8 layers of sines on a grid of coordinates in the square from -1 to 1."""
    torch.manual_seed(0)
    activation = sine(frequency)
    linear = [nn.Linear(inputs, WIDTH, biases) for inputs in (2, *7 * [WIDTH])]
    initialise(nn.Sequential(*linear), "siren", activation)
    z = torch.cartesian_prod(*2 * [torch.linspace(-1, 1, 32)])
    found = []
    with torch.no_grad():
        for layer in linear:
            z = layer(z if not found else activation()(z))
            found.append((frequency * z).square().mean().item())
    return found


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("frequency", [10, 30])
def test_siren_keeps_the_variance_of_the_angles_through_8_layers(frequency, biases):
    """For angles from N(0, v) a sine has the mean square (1 - e^-2v) / 2: v' = 1 - e^-2v, and what the biases add."""
    found = angles(frequency, biases=biases)
    added = frequency**2 / (3 * WIDTH) if biases else 0.0  # torch draws them from U(-1 / √n, 1 / √n)
    kept = 1.0
    for _ in range(100):
        kept = 1 - math.exp(-2 * kept) + added
    assert found[2:] == pytest.approx(6 * [kept], rel=0.15)
    assert found[-1] == pytest.approx(1 - math.exp(-2 * found[-2]) + added, rel=0.1)


@pytest.mark.parametrize("frequency", [1, 2.5, 30])
def test_siren_finds_the_frequency_of_whatever_sine_it_is_given(frequency):
    for activation in (lambda: lambda x: torch.sin(frequency * x), sine(frequency)):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 600), nn.Linear(600, 100))
        initialise(network, "siren", activation)
        assert network[1].weight.abs().max().item() == pytest.approx(0.1 / frequency, rel=1e-3)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Hardtanh, lambda: torch.sign, lambda: torch.cos])
def test_siren_is_for_sines(activation):
    network = nn.Linear(3, 3)
    before = network.weight.clone()
    with pytest.raises(ValueError, match="the initialisation siren is made for a sine: choose another"):
        initialise(network, "siren", activation)
    assert torch.equal(network.weight, before)


def test_orthogonal_weights_are_orthogonal():
    layers = nn.Linear(8, 8), nn.Linear(8, 4)
    initialise(nn.Sequential(*layers), "orthogonal", nn.Tanh)
    narrow = layers[1].weight / gain(torch.tanh)
    assert torch.allclose(layers[0].weight @ layers[0].weight.T, torch.eye(8), atol=1e-5)
    assert torch.allclose(narrow @ narrow.T, torch.eye(4), atol=1e-5)


def test_the_default_is_left_alone_and_an_unknown_scheme_named():
    network = small_cnn(nn.ReLU)
    before = [parameter.clone() for parameter in network.parameters()]
    initialise(network, "torch", nn.ReLU)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    with pytest.raises(ValueError, match="no initialisation 'kaiming': choose one of torch, he"):
        initialise(network, "kaiming", nn.ReLU)


@pytest.mark.parametrize("network", [small_cnn, small_resnet])
def test_convolutional_networks_start_with_logits_of_moderate_size(network):
    torch.manual_seed(0)
    model = network(nn.Tanh, batch_norm=False)
    initialise(model, "he", nn.Tanh)
    assert 0.1 < model(torch.randn(64, 3, 32, 32)).std() < 3
