"""bfloat16 or float32: what is converted, and how it is decided."""

import pytest
import torch
from torch import nn

from nonlin.lab import precision
from nonlin.lab.networks import small_cnn


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(8)


def test_autocast_converts_for_bfloat16_only():
    x, layer = torch.ones(1, 2), nn.Linear(2, 2)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with precision.autocast(name, x.device):
            assert layer(x).dtype == dtype


@pytest.mark.parametrize(("ratio", "expected"), [(0.3, "float32"), (1.05, "float32"), (1.5, "bfloat16")])
def test_auto_takes_bfloat16_only_where_it_is_clearly_faster(monkeypatch, batch, ratio, expected):
    seconds = {"float32": ratio, "bfloat16": 1.0}
    monkeypatch.setattr(precision, "_seconds", lambda name, *rest: seconds[name])
    decision = precision.decide("auto", nn.Identity(), *batch)
    assert decision.name == expected
    assert f"{ratio:.2f} times as fast" in decision.reason


def test_the_timing_changes_nothing_and_stops_in_time(monkeypatch, batch):
    model = small_cnn(nn.RReLU, stem=4, widths=(4, 8))
    model(batch[0]).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradients, state = [p.grad.clone() for p in model.parameters()], torch.get_rng_state()
    monkeypatch.setattr(precision, "LIMIT", 0.0)
    assert precision.speed_of_bfloat16(model, *batch) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_asked_for_is_taken_without_a_timing(monkeypatch, batch):
    monkeypatch.setattr(precision, "speed_of_bfloat16", lambda *rest: pytest.fail("timed"))
    assert precision.decide("bfloat16", nn.Identity(), *batch).name == "bfloat16"
    assert precision.decide("float32", nn.Identity(), *batch).name == "float32"
