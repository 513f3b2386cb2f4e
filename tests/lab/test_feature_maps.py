"""What goes into an activation layer and what comes out of it, as numbers and as pictures."""

import math

import pytest
import torch
from torch import nn

from nonlin.lab.feature_maps import chosen, feature_maps, picture, scale_of, tiles
from nonlin.lab.internals import activation_layers
from nonlin.lab.networks import NETWORKS


@pytest.mark.parametrize("in_place", [False, True])
def test_each_layer_gives_what_it_got_and_what_it_returned(in_place: bool) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=in_place), nn.Flatten(), nn.Linear(256, 5), nn.Tanh()
    )
    x = torch.randn(2, 3, 8, 8)
    first, second = feature_maps(model, x, activation_layers(model))
    assert (first.name, second.name) == ("01 ReLU", "04 Tanh")
    torch.testing.assert_close(first.before, model[0](x).detach())
    torch.testing.assert_close(first.after, first.before.clamp(min=0))
    assert first.before.min() < 0
    assert second.before.shape == (2, 5, 1, 1)
    torch.testing.assert_close(second.after, second.before.tanh())


def test_every_activation_of_a_network_is_there() -> None:
    for name, network in NETWORKS.items():
        model = network(nn.ELU, classes=10, depth=2, batch_norm=True).eval()
        layers = activation_layers(model)
        seen = feature_maps(model, torch.randn(2, 3, 32, 32), layers)
        assert [maps.name for maps in seen] == list(layers), name


def test_nothing_is_left_behind() -> None:
    model = nn.Sequential(nn.ReLU())
    feature_maps(model, torch.randn(2, 3), activation_layers(model))
    assert not model[0]._forward_hooks
    assert not model[0]._forward_pre_hooks


def test_before_and_after_share_a_scale_in_which_0_is_grey() -> None:
    before, after = torch.linspace(-2, 2, 401)[:, None, None], torch.zeros(401, 1, 1)
    high = scale_of(before, after)
    assert high == pytest.approx(1.98, abs=0.01)
    values = torch.tensor([-high, 0.0, high, math.nan])[:, None, None]
    black, grey, white, missing = tiles(values, high)[:, 0].flatten().tolist()
    assert (black, white, missing) == (0, 255, 0)
    assert grey in (127, 128)
    assert scale_of(after, after) > 0


def test_channels_are_spread_evenly() -> None:
    assert chosen(64).tolist() == list(range(0, 64, 4))
    assert chosen(3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("channels", "side"), [(24, 16), (128, 2), (256, 1), (3, 4)])
def test_a_picture_can_be_drawn_for_any_layer(channels: int, side: int) -> None:
    x = torch.randn(channels, side, side)
    drawn = picture(x, x.relu(), ["05 ReLU"])
    assert drawn.ndim == 3
    assert drawn.shape[1] > 200
    assert picture(torch.full_like(x, math.nan), torch.full_like(x, math.inf), ["NaN"]).shape == drawn.shape


def test_a_gate_returns_fewer_channels_than_it_gets() -> None:
    x = torch.randn(8, 4, 4)
    assert picture(x, nn.functional.glu(x, dim=0), ["GLU"]).ndim == 3
