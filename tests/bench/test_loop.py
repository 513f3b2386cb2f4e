"""The comparison of training loops: what it measures, that each loop learns, and what it prints."""

import itertools
from functools import partial

import pytest
import torch
from small_data import bright
from torch import nn

from nonlin.bench import loop as loops
from nonlin.images.dataset import Dataset
from nonlin.lab.networks import count_parameters
from nonlin.lab.training import evaluate


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return bright()


def throughput(*speeds: list[float]) -> loops.Throughput:
    measured = {variant: torch.tensor(values) for variant, values in zip(loops.VARIANTS, speeds, strict=True)}
    return loops.Throughput(images_per_second=measured, convolutions=1, threads=1, device="cpu")


def test_every_variant_is_measured_in_every_round_and_no_one_always_first(dataset, monkeypatch):
    calls = []

    def counting(loop, seconds: float) -> float:
        calls.append(loop)
        return 100.0 + len(calls)

    monkeypatch.setattr(loops, "_images_per_second", counting)
    measured = loops.throughput(dataset, rounds=4, seconds=0.0, batch_size=16)
    speeds = torch.stack([measured.images_per_second[variant] for variant in loops.VARIANTS])  # (variants, rounds)
    assert sorted(speeds.flatten().tolist()) == [100.0 + call for call in range(1, 17)]
    places = speeds.argsort(dim=0)
    assert sorted(places[0].tolist()) == [0, 1, 2, 3]  # a Latin square: each is first once


def test_a_speed_is_the_images_of_real_updates_over_the_seconds_on_the_clock(dataset, monkeypatch):
    monkeypatch.setattr(loops, "perf_counter", partial(next, itertools.count()))  # each look at it takes a second
    measured = loops.throughput(dataset, rounds=2, seconds=0.0, batch_size=32)
    # Looked at when the round begins, when the loop does, after its one update, and at the end.
    assert {variant: speeds.tolist() for variant, speeds in measured.images_per_second.items()} == {
        variant: pytest.approx([32 / 3] * 2) for variant in loops.VARIANTS
    }


def test_ratios_compare_with_the_baseline():
    measured = throughput([100.0, 200.0], [300.0, 600.0], [1.0, 1.0], [1.0, 1.0])
    assert measured.ratio(loops.USUAL, loops.USUAL).mean == pytest.approx(1)
    assert measured.ratio(loops.OUR_LOOP, loops.USUAL).mean == pytest.approx(3)


@pytest.mark.parametrize("variant", loops.VARIANTS)
def test_each_loop_trains_on_where_it_stopped_and_counts_its_images(dataset, variant):
    loop = loops._loops(dataset, 24, 1)[variant]
    assert [loop(0.0) for _ in range(4)] == [24, 24, 16, 24]


def test_the_usual_loop_learns(dataset):
    torch.manual_seed(0)
    loop = loops._UsualLoop(dataset, 16, 2)
    for _ in range(12):
        loop.train(0.0)
    assert evaluate(loop.model, dataset)[1] > 90


def test_accuracies_give_ours_the_epochs_that_fit(dataset):
    measured = throughput([100.0], [1000.0], [900.0], [10.0])
    reached = loops.accuracies(dataset, measured, seconds=0.2, batch_size=16)
    epochs = {variant: accuracy and accuracy.epochs for variant, accuracy in reached.items()}
    # 200 or 180 images at 64 + 64 / 3 an epoch
    assert (epochs[loops.OUR_LOOP], epochs[loops.OUR_NETWORK], epochs[loops.BFLOAT16]) == (2, 2, None)
    assert reached[loops.USUAL].computing_seconds >= 0.2
    assert reached[loops.USUAL].epochs > 0


def test_the_report_says_how_much_comes_from_what():
    measured = throughput([100.0, 100.0], [200.0, 200.0], [600.0, 600.0], [900.0, 900.0])
    accuracy = loops.Accuracy(test_accuracy=70.0, epochs=3, computing_seconds=59.6, seconds=61.0)
    text = loops.report(measured, {loops.USUAL: accuracy, loops.BFLOAT16: None})
    assert "our loop, our network                 600 images/s  6 [6, 6] times the usual" in text
    assert "The loop brings a factor of 2 [2, 2], the network 3 [3, 3], bfloat16 1.5 [1.5, 1.5]." in text
    assert "70.0 %   3.0 epochs, 60 s of computing, 61 s on the clock" in text
    assert "not one epoch in this time" in text


@pytest.mark.parametrize(("convolutions", "parameters"), [(1, 357_000), (2, 551_000)])
def test_the_usual_network_has_the_size_that_it_states(convolutions, parameters):
    network = loops.usual_network(nn.ReLU, convolutions=convolutions)
    assert count_parameters(network) == pytest.approx(parameters, rel=0.01)
