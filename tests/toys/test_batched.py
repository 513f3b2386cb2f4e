"""Networks side by side: each is what it would be alone, and what nn.Linear would make of it."""

import pytest
import torch
from torch import Tensor, nn

from nonlin.toys.batched import affine, as_linear, fused, outputs, passed, train_by, with_gain, xavier

SIZES = [3, 8, 2]


def alone(parameters: list[Tensor], seed: int) -> nn.Sequential:
    """One of the networks, as torch would write it."""
    layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    for layer, weight, bias in zip((layers[0], layers[2]), parameters[::2], parameters[1::2], strict=True):
        layer.weight.data, layer.bias.data = weight[seed].T, bias[seed, 0]
    return layers


@pytest.mark.parametrize("layer", [affine, fused])
def test_each_network_equals_linear_layers(layer: object) -> None:
    parameters = as_linear(2, SIZES)
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    found = passed(parameters, x, torch.tanh, layer=layer)
    for seed in range(2):
        network = alone(parameters, seed)
        torch.testing.assert_close(network(x[seed]), found.outputs[seed])
        torch.testing.assert_close(network[0](x[seed]), found.inputs[0][seed])
        torch.testing.assert_close(network[:2](x[seed]), found.hidden[0][seed])


def test_common_inputs_go_to_every_network() -> None:
    parameters, x = as_linear(2, SIZES), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(outputs(parameters, x, torch.tanh), outputs(parameters, torch.stack([x, x]), torch.tanh))


@pytest.mark.parametrize("draw", [lambda n: as_linear(n, SIZES), lambda n: with_gain(range(n), SIZES, 2.0)])
def test_a_network_does_not_depend_on_those_beside_it(draw: object) -> None:
    few, many = draw(1), draw(4)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(few, many, strict=True))
    assert not torch.equal(many[0][0], many[0][1])


def test_first_weights_have_the_size_that_they_should() -> None:
    wide = [400, 400, 400]
    [first, _, second, bias] = with_gain([0], wide, 2.0)
    assert (first.std().item(), second.std().item()) == pytest.approx((0.05, 0.1), rel=0.02)
    assert xavier(1, wide)[0].std().item() == pytest.approx(0.05, rel=0.02)
    uniform = as_linear(1, wide)[0]
    assert 0.0499 < uniform.abs().max().item() <= 0.05
    assert bias.abs().max() == 0


def test_each_network_follows_its_own_loss() -> None:
    def trained(seeds: int) -> tuple[list[Tensor], Tensor]:
        parameters, x = as_linear(seeds, SIZES), torch.ones(4, 3)
        sgd = torch.optim.SGD(parameters, lr=0.1)
        return parameters, train_by(sgd, lambda: outputs(parameters, x, torch.tanh).square().mean(dim=(1, 2)), 20)

    (one, losses), (several, _) = trained(1), trained(3)
    assert losses.shape == (20, 1)
    assert losses[-1] < 0.1 * losses[0]
    for mine, theirs in zip(one, several, strict=True):
        torch.testing.assert_close(mine[0], theirs[0])
