"""Figures: every record can be drawn, the words under a figure state what it shows, kinks are drawn as jumps."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_data import bright
from torch import Tensor

from nonlin import plots
from nonlin.activations import ACTIVATIONS, Activation
from nonlin.activations.layers import zero_slope_float32
from nonlin.bench.cost import Spread
from nonlin.images import sources
from nonlin.lab.report import Row
from nonlin.lab.runs import Configuration
from nonlin.lab.training import Recipe
from nonlin.plots.tables import card, comparison
from nonlin.toys.stacks import Propagation
from nonlin.typography import LONGEST_ALT, alt_text, true_minus

every_record = pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=ACTIVATIONS)
WITH_COUNTERPART = {name: record for name, record in ACTIVATIONS.items() if record.torch_module}
against_torch = pytest.mark.parametrize("record", WITH_COUNTERPART.values(), ids=WITH_COUNTERPART)


@every_record
def test_curve_and_slope(record: Activation, tmp_path: Path) -> None:
    picture = plots.curve_and_slope(record)
    picture.save(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000
    left, right = picture.figure.axes
    x, y = left.lines[0].get_data()
    np.testing.assert_allclose(y, record.function(torch.as_tensor(x)), rtol=1e-12)
    dots = [line for line in right.lines if line.get_marker() == "o"]
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [(k.at, k.slope) for k in record.default_kinks]


def test_a_description_in_full() -> None:
    assert plots.describe(ACTIVATIONS["hardswish"]) == (
        "Hardswish: f(-6) = -0, f(-1) = -0.3333, f(0) = 0, f(1) = 0.6667, f(6) = 6; values in [-0.375, ∞). "
        "The slope is at most 1.5 in size. The slope goes to 0 on the left only. "
        "The slope jumps at x = -3; torch returns 0 there. The slope jumps at x = 3; torch returns 1 there."
    )
    assert plots.describe(ACTIVATIONS["tanh"]).endswith("goes to 0 on both sides. There is no kink.")
    assert " The slope grows without bound. The slope goes to 0 on the left" in plots.describe(
        ACTIVATIONS["squared_relu"]
    )


@against_torch
def test_a_description_says_what_torch_computes(record: Activation) -> None:
    text = plots.describe(record)
    module = record.torch_module(**record.parameters).double().eval()
    x, y = stated(r"f\((\S+)\) = (\S+)[,;]", text)
    torch.testing.assert_close(y, module(x).detach(), rtol=1e-3, atol=1e-15)
    kinks, slopes = stated(r"jumps at x = (\S+); torch returns (\S+) there", text)
    leaf = torch.cat([kinks, torch.linspace(-20, 20, 40_001, dtype=torch.float64)]).requires_grad_()
    slope = torch.autograd.grad(module(leaf).sum(), leaf)[0]
    torch.testing.assert_close(slopes, slope[: len(kinks)], rtol=1e-3, atol=0)
    [largest] = re.findall(r"at most (\S+) in size", text)
    assert float(largest) == pytest.approx(slope.abs().max().item(), rel=1e-3)


def stated(pattern: str, text: str) -> Tensor:
    """The pairs of numbers that a text states, as two rows."""
    pairs = [[float(number) for number in pair] for pair in re.findall(pattern, text)]
    return torch.tensor(pairs, dtype=torch.float64).reshape(-1, 2).T


@every_record
def test_card(record: Activation) -> None:
    text = card(record)._repr_markdown_()
    assert all(line.count("|") == 3 for line in text.splitlines())  # a stray | in a formula would open a new column
    for part in (record.formula, record.derivative_formula, record.paper.url):
        assert part in text
    for part in (str(record.default_range), record.use):
        assert true_minus(part) in text
    for parameter in record.takes.values():  # without them the numbers would seem to hold for all
        assert true_minus(f"{parameter.symbol} = {parameter.default:.4g}") in text


def test_comparison_has_a_row_for_each_and_lines_up() -> None:
    lines = repr(comparison(*ACTIVATIONS.values())).splitlines()
    assert [line.split()[1] for line in lines[2:]] == list(ACTIVATIONS)
    assert len({len(line) for line in lines}) == 1
    relu = next(line for line in lines if line.split()[1] == "relu")
    cells = [cell.strip() for cell in relu.split("|")[1:-1]]
    assert cells[:7] == ["relu", "rectified", "[0, ∞)", "0.399", "1", "left", "up to 0"]
    assert cells[7:] == ["kinks", "yes", "1.414", "1 + 2", "output", "", "2010"]


def test_every_curve_of_a_panel_has_its_own_look_however_many_there_are(tmp_path: Path) -> None:
    picture = plots.curve_and_slope(*ACTIVATIONS.values(), *3 * [ACTIVATIONS["relu"], ACTIVATIONS["elu"]])
    panels = picture.figure.axes
    for axes in panels:
        looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines if line.get_label()[0] != "_"]
        assert len(set(looks)) == len(looks) <= 7
    titles = [line.get_label() for axes in panels[::2] for line in axes.lines]
    assert sorted(set(titles)) == sorted(record.title for record in ACTIVATIONS.values())
    picture.save(tmp_path / "all.png")  # without a warning that there is no room


def test_a_class_may_be_called_as_if_it_were_a_formula(tmp_path: Path) -> None:
    dataset = dataclasses.replace(bright(), classes=(r"$\frac$", "$"))
    plots.classes(dataset).save(tmp_path / "classes.png")


def test_many_photographs_stand_in_rows() -> None:
    picture = plots.on_a_photograph(*ACTIVATIONS.values())
    assert len(picture.figure.axes) == 2 * (1 + len(ACTIVATIONS))
    width, height = picture.figure.get_size_inches()
    assert 0.5 < width / height < 2


def test_curves_differ_without_colour() -> None:
    lines = plots.curve_and_slope(*list(ACTIVATIONS.values())[:4]).figure.axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == len(lines)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one activation"):
        plots.curve_and_slope()
    with pytest.raises(ValueError, match="low < high"):
        plots.curve_and_slope(ACTIVATIONS["relu"], low=1, high=1)


def test_a_picture_shows_itself_and_its_words(capsys: pytest.CaptureFixture) -> None:
    plots.curve_and_slope(ACTIVATIONS["tanh"])._ipython_display_()
    shown = capsys.readouterr().out
    assert "a figure" in shown
    assert "Tanh: f(−6)" in shown


def test_a_picture_carries_its_alt_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *_, metadata=None, **__: shown.append(metadata))
    plots.curve_and_slope(ACTIVATIONS["tanh"])._ipython_display_()
    assert shown[0]["image/png"]["alt"].startswith("Tanh: f(−6) = −1,")


def test_an_alt_text_is_short_and_ends_with_a_sentence() -> None:
    assert alt_text("One.\nTwo.") == "One. Two."
    long = alt_text("One thing is said here. " * 30)
    assert len(long) < LONGEST_ALT + 40
    assert long.endswith("here. … All of it in words below.")


def test_slope_tails_breaks_off_where_float32_does() -> None:
    record = ACTIVATIONS["sigmoid"]
    exact, computed = plots.slope_tails(record).figure.axes[0].lines
    x, y = (np.asarray(values) for values in computed.get_data())
    drawn = x[np.isfinite(y)]
    assert zero_slope_float32(record).high - 0.1 < drawn.max() <= zero_slope_float32(record).high
    assert (np.asarray(exact.get_ydata()) > 0).all()


def test_norms_by_layer_states_both_ends() -> None:
    norms = torch.tensor([[1e-3, 1e-1], [1e-5, 1e-1]])
    assert plots.norms_by_layer({"steep": norms}).text == "steep: 0.1 at layer 2, 0.0001 at layer 1."


def test_norms_can_be_counted_in_steps() -> None:
    picture = plots.norms_by_layer({"flat": torch.ones(2, 3)}, place="step")
    assert picture.text == "flat: 1 at step 3, 1 at step 1."
    assert picture.figure.axes[0].get_xlabel().startswith("step")


def test_propagation_draws_roots_of_signal_and_gradient() -> None:
    signal, gradient = torch.tensor([[1.0, 4.0], [1.0, 4.0]]), torch.tensor([[1e-4, 1.0], [1e-8, 1.0]])
    picture = plots.propagation({"a": Propagation(signal=signal, distinct=signal, gradient=gradient)})
    left, right = picture.figure.axes
    assert list(left.lines[0].get_ydata()) == pytest.approx([1, 2])
    assert list(right.lines[0].get_ydata()) == pytest.approx([1e-3, 1])
    assert picture.text == "a: signal 2 at layer 2, gradient 0.001 at layer 1."


def test_propagation_can_have_fixed_axes_and_a_band() -> None:
    squares = torch.tensor([[1.0, 4.0], [1.0, 4.0]])
    result = {"a": Propagation(signal=squares, distinct=squares, gradient=squares)}
    picture = plots.propagation(result, within=10, reach=(50, 1e6))
    for axes in picture.figure.axes:
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 51), (1e-6, 1e6))
        assert [patch.get_bbox().intervaly.tolist() for patch in axes.patches] == [[0.1, 10]]
    assert picture.text.endswith("Grey: within a factor of 10 of 1.")
    assert not plots.propagation(result).figure.axes[0].patches


def test_saturation_counts_lost_slopes() -> None:
    text = plots.saturation(ACTIVATIONS["tanh"], 0.5, 8).text
    assert "gain 0.5: 0 %" in text
    assert "gain 8: 71 %" in text
    with pytest.raises(ValueError, match="the slopes of Squared ReLU have no largest one"):
        plots.saturation(ACTIVATIONS["squared_relu"], 1)


def test_finishes_states_mean_and_interval() -> None:
    steps = torch.tensor([10.0, 12.0, 14.0])
    picture = plots.finishes({"Adam": {"tanh": steps, "relu": steps + 5}}, "steps")
    assert "Adam, tanh: mean 12 [7.03, 17] over 3 seeds." in picture.text
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()] == ["tanh", "relu"]


def test_costs_are_sorted_by_the_last_time_and_stated() -> None:
    slow, fast = ({"forward": Spread(1, 1, 1), "both": Spread(low, low + 1, low + 2)} for low in (8.0, 1.0))
    picture = plots.costs({"slow": slow, "fast": fast})
    assert picture.text.splitlines()[1:] == ["fast: forward 1.0, both 2.0.", "slow: forward 1.0, both 9.0."]
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fast", "slow"]
    medians = {(line.get_xdata()[0], line.get_ydata()[0]): line.get_marker() for line in axes.lines[1:]}
    assert medians[2.0, 0] == medians[9.0, 1] == "s"  # marks, not only colours, tell the two apart
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one copy", "forward", "both"]


def test_image_rows_draw_pixels_as_they_are() -> None:
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    figure = plots.image_rows({"above": images, "below": 255 - images}, "noise").figure
    assert len(figure.axes) == 6
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), images[1].permute(1, 2, 0))


def test_a_photograph_is_seen_through_every_activation() -> None:
    records = [ACTIVATIONS[name] for name in ("sigmoid", "tanh", "relu")]
    picture = plots.on_a_photograph(*records)
    shown = picture.figure.axes[: 1 + len(records)]
    assert [axes.get_title() for axes in shown] == ["before", *(record.title for record in records)]
    before, *after = (np.asarray(axes.images[0].get_array()) for axes in shown)
    assert all((image != before).any() for image in after)
    assert "After ReLU: values from 0.00 to" in picture.text


def test_classes_shows_each_class_with_its_own_images() -> None:
    dataset = sources.load("shapes10")
    picture = plots.classes(dataset, columns=3)
    assert len(picture.figure.axes) == 3 * len(dataset.classes)
    assert all(name in picture.text for name in dataset.classes)
    first = dataset.test.images[(dataset.test.labels == 4).nonzero()[0].item()]
    np.testing.assert_array_equal(picture.figure.axes[12].images[0].get_array(), first.permute(1, 2, 0))


def run_of(activation: str, seed: int, *accuracies: float, diverged: bool = False, **changes) -> Row:
    recipe = Recipe(epochs=2, seed=seed)
    return Row(
        configuration=Configuration(activation=activation, data="squares", fingerprint="f", recipe=recipe, **changes),
        test_accuracies=accuracies,
        diverged=diverged,
        parameters=7,
        device="cpu, 1 thread",
    )


RUNS = [run_of(name, seed, 50.0, 70.0 + seed + 3 * (name == "tanh")) for name in ("relu", "tanh") for seed in (0, 1)]


def test_learning_curves_show_mean_and_range() -> None:
    picture = plots.learning_curves(RUNS)
    (axes,) = picture.figure.axes
    assert axes.lines[0].get_label() == "tanh"
    assert (axes.lines[0].get_xdata()[-1], axes.lines[0].get_ydata()[-1]) == (2, 73.5)
    assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()
    assert "relu: 70.5 % after 2 epochs (mean of 2 seeds, 70.0 to 71.0)." in picture.text


def test_of_many_curves_the_best_and_the_reference_are_named() -> None:
    rows = [run_of(f"a{place}", 0, 50.0, 80.0 + place) for place in range(9)] + RUNS[:1]
    picture = plots.learning_curves(rows)
    assert [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()] == (
        ["a8", "a7", "a6", "a5", "a4", "a3", "relu", "the other 3"]
    )
    assert "a0, in grey: 80.0 %." in picture.text


def test_a_diverged_run_keeps_its_last_accuracy_in_the_curve() -> None:
    picture = plots.learning_curves([RUNS[0], run_of("relu", 1, 10.0, diverged=True)])
    assert "relu: 40.0 % after 2 epochs (mean of 2 seeds, 10.0 to 70.0)." in picture.text


def test_paired_differences_show_both_intervals() -> None:
    rows = [*RUNS, *(run_of("elu", seed, 50.0, 60.0 + 2 * seed) for seed in (0, 1))]
    picture = plots.paired_differences(rows)
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tanh", "elu"]
    thin, thick = (line.get_xdata() for line in axes.lines[-3:-1])  # of elu, before its mark
    assert thin[0] < thick[0] < -9.5 < thick[1] < thin[1]
    assert re.search(r"elu: −9.50 points over 2 pairs, alone \[.*\], together \[.*\]\.", picture.text)


def test_a_diverged_run_does_not_set_the_scale_of_differences() -> None:
    rows = [*RUNS, run_of("elu", 0, 10.0, diverged=True), run_of("elu", 1, 11.0, diverged=True)]
    picture = plots.paired_differences(rows)
    (axes,) = picture.figure.axes
    assert axes.get_xlim()[0] > -10
    assert axes.lines[-1].get_marker() == "<"
    assert "elu: −60.00 points over 2 pairs" in picture.text
    assert "2 of 2 runs diverged (X)" in picture.text


def test_one_far_off_can_be_kept_from_squeezing_the_others() -> None:
    rows = [*RUNS, *(run_of("elu", seed, 50.0, 40.0 + 2 * seed) for seed in (0, 1))]
    (axes,) = plots.paired_differences(rows, reach=5).figure.axes
    assert axes.get_xlim() == (-5, 5)
    assert axes.lines[-1].get_marker() == "<"
    assert [text.get_text() for text in axes.texts] == ["−29.5"]
    assert not plots.paired_differences(rows).figure.axes[0].texts


def test_one_seed_has_no_interval() -> None:
    picture = plots.paired_differences([RUNS[0], RUNS[2]])
    assert picture.text.endswith("One seed tells nothing about spread: there are no intervals.")


def test_runs_are_drawn_over_the_band_of_the_reference() -> None:
    mine = [run_of("tanh", 7, 51.0, 73.2, precision="bfloat16"), run_of("elu", 7, 51.0, 73.2)]
    picture = plots.against_reference(mine, RUNS)
    (axes,) = picture.figure.axes
    assert axes.get_title().startswith("tanh, cnn")
    assert list(axes.lines[-1].get_ydata()) == [51.0, 73.2]
    assert "yours 73.2 % (seed 7) on squares in bfloat16" in picture.text
    assert "reference 73.5 % on squares in float32, cpu, 1 thread, 73.0 to 74.0 over 2 runs" in picture.text
    assert "1 of yours is within" in picture.text


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: plots.learning_curves([*RUNS, run_of("relu", 0, 1.0, 2.0, depth=3)]), "one group, not of 2"),
        (lambda: plots.paired_differences(RUNS[:2]), "nothing can be compared"),
        (lambda: plots.against_reference(RUNS[:1], RUNS[2:]), "none of the reference runs"),
    ],
)
def test_runs_that_cannot_be_drawn_are_refused(draw: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        draw()
