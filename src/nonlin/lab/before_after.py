"""A whole test set sent through an activation: image grids before and after in TensorBoard, and exact statistics.

Two forms of the same photographs go in. *Plain*: values in [0, 1], shown as they are, which is what is usually printed;
there ReLU and its kin change nothing. *Normalised*: per channel with mean 0 and standard deviation 1, as a network sees
them, before and after drawn on one shared scale, so that equal grey means equal value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from nonlin.activations import Activation, ActivationModule
from nonlin.images import pictures
from nonlin.images.dataset import Dataset
from nonlin.lab import tracking
from nonlin.lab.measurement import Form, Measurement, Scale, outputs_and_slopes
from nonlin.lab.networks import threads
from nonlin.typography import true_minus

Images = Tensor  # uint8 (n, 3, 32, 32)

EVERY = 20  # batches from one logged grid to the next
SAMPLE = 12  # images in a grid, unless all are logged
PLAIN_SCALE = (0.0, 1.0)
FORMS = {"plain": "values in [0, 1]", "normalised": "normalised per channel"}  # as captions call them
TEXT = 26  # height of captions in pixels: TensorBoard shows pictures at half to two thirds of their size


@dataclass(frozen=True, kw_only=True)
class BeforeAfter:
    """What came of one activation.

    Args:
        name: the activation's.
        data: title of the data set.
        images, batches: how many went through.
        plain, normalised: the measurements.
        log_dir: the TensorBoard run, or None.
        compute_seconds: wall-clock time of the computation, without drawing and writing.
    """

    name: str
    data: str
    images: int
    batches: int
    plain: Form
    normalised: Form
    log_dir: Path | None
    compute_seconds: float


def before_after(
    activation: Activation | Callable[[Tensor], Tensor],
    dataset: Dataset,
    *,
    name: str | None = None,
    batch_size: int = 64,
    all_batches: bool = False,
    log_dir: Path | None = None,
) -> BeforeAfter:
    """Send the whole test set through an activation, in batches.

    TensorBoard gets a run named after the activation, with pictures "plain/before", "plain/after", "normalised/before"
    and "normalised/after". Steps are batch numbers from 0.

    Args:
        activation: a record, or any function that works element by element, an ``nn.Module`` for instance. It may work
            in place: it only ever sees copies.
        dataset: its test images are used, in their order.
        name: shown in captions; by default the record's title or the function's own name.
        batch_size: images per batch.
        all_batches: log every image of every batch, instead of 12 images of every 20th batch.
        log_dir: folder in which the run's folder is made; None logs nothing.

    Raises:
        ValueError: if the batch size is below 1, the test set empty, or the result not of the input's shape.
        TrackingError: if the run cannot be written.
    """
    name, function = name or name_of(activation), as_function(activation)
    _check(function, name, dataset, batch_size)
    passage = _Passage(function, name, dataset, batch_size)
    if log_dir is None:
        return passage.run()
    folder = tracking.fresh_folder(log_dir, name)
    with tracking.open_run(folder) as writer:
        return passage.run(writer, folder, all_batches)


def compare(
    activations: Mapping[str, Activation | Callable[[Tensor], Tensor]],
    dataset: Dataset,
    *,
    batch_size: int = 64,
    columns: int = 6,
    log_dir: Path,
) -> Path:
    """Log the same images through several activations below each other: pictures "compare/plain", "compare/normalised".

    Every 20th batch gives a step, as in `before_after`.

    Args:
        activations: by the name that the picture shows.
        dataset: its test images are used.
        batch_size: images per batch, which fixes what step means.
        columns: images per row.
        log_dir: folder in which the run's folder, "compare", is made.

    Returns:
        The run's folder.
    """
    functions = {name: as_function(activation) for name, activation in activations.items()}
    for name, function in functions.items():
        _check(function, name, dataset, batch_size)
    forms = _forms(dataset)
    folder = tracking.fresh_folder(log_dir, "compare")
    with tracking.open_run(folder) as writer:
        for step, images in islice(enumerate(dataset.test.images.split(batch_size)), 0, None, EVERY):
            for form, measurement in forms.items():
                picture = comparison(functions, measurement.prepare(images[:columns]), measurement.scale)
                lines = (f"{dataset.title}, {FORMS[form]}, batch {step}", _scale_text(measurement.scale))
                tracking.log_picture(writer, f"compare/{form}", pictures.caption(picture, lines, size=TEXT), step)
    return folder


def comparison(functions: Mapping[str, Callable[[Tensor], Tensor]], x: Tensor, scale: Scale) -> pictures.Picture:
    """One row of images per activation, below a row of inputs, all drawn on one scale.

    Args:
        functions: by the name at the left of the row.
        x: inputs of shape (n, 3, h, w).
        scale: the values drawn as black and as white.

    Returns:
        uint8 of shape (height, width, 3).
    """
    rows = {"before": x} | {name: outputs_and_slopes(function, x)[0] for name, function in functions.items()}
    return pictures.labelled_rows(
        [(name, pictures.grid(to_shared_scale(y, *scale), columns=len(x), zoom=3)) for name, y in rows.items()],
        size=TEXT,
    )


def as_function(activation: Activation | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A record as a layer; anything else as it is."""
    return ActivationModule(activation) if isinstance(activation, Activation) else activation


def name_of(activation: Activation | Callable[[Tensor], Tensor]) -> str:
    """The record's title, the function's name, or the class's."""
    if isinstance(activation, Activation):
        return activation.title
    return getattr(activation, "__name__", type(activation).__name__)


def plain(images: Images) -> Tensor:
    """x / 255: uint8 becomes float32 between 0 and 1, of the same shape (n, 3, h, w)."""
    return images.float() / 255


def normalise(images: Images, mean: Tensor, std: Tensor) -> Tensor:
    """(x / 255 - mean) / std per channel.

    Args:
        images: uint8 of shape (n, 3, h, w).
        mean, std: of the channels, for images between 0 and 1, each of shape (3,).

    Returns:
        float32 of shape (n, 3, h, w).
    """
    return (plain(images) - mean[:, None, None]) / std[:, None, None]


def shared_scale(mean: Tensor, std: Tensor) -> Scale:
    """The scale of all normalised pictures of a data set: the same for every batch and activation.

    It reaches as far as any normalised input can, to both sides alike, rounded up to a tenth: 0 is always mid-grey.
    """
    reach = torch.maximum(mean, 1 - mean).div(std).max().item()
    limit = math.ceil(reach * 10) / 10
    return -limit, limit


def to_shared_scale(x: Tensor, low: float, high: float) -> Images:
    """Values as pixels: ``low`` and what is below becomes 0, ``high`` and what is above 255, NaN 0.

    Args:
        x: floating point, any shape.
        low, high: the values drawn as black and as white.

    Returns:
        uint8 of the same shape.
    """
    return ((x - low) * (255 / (high - low))).nan_to_num(0).clamp(0, 255).round().to(torch.uint8)


def _check(function: Callable[[Tensor], Tensor], name: str, dataset: Dataset, batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, not {batch_size}.")
    if not len(dataset.test.images):
        raise ValueError(f"{dataset.title} has no test images.")
    x = plain(dataset.test.images[:2])
    y = function(x.clone())
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"{name} must return a tensor of its input's shape, {tuple(x.shape)}, not {got}.")


def _forms(dataset: Dataset) -> dict[str, Measurement]:
    mean, std = dataset.mean, dataset.std
    return {
        "plain": Measurement(plain, PLAIN_SCALE),
        "normalised": Measurement(lambda images: normalise(images, mean, std), shared_scale(mean, std)),
    }


class _Passage:
    """A test set on its way through one activation."""

    def __init__(self, function: Callable[[Tensor], Tensor], name: str, dataset: Dataset, batch_size: int) -> None:
        self.function, self.name, self.dataset, self.batch_size = function, name, dataset, batch_size
        self.forms = _forms(dataset)
        self.compute_seconds = 0.0

    def run(
        self, writer: SummaryWriter | None = None, folder: Path | None = None, all_batches: bool = False
    ) -> BeforeAfter:
        # A batch is too small to share out: on a busy machine, two threads have taken ten times as long as one.
        with threads(1):
            for step, images in enumerate(self.dataset.test.images.split(self.batch_size)):
                started = perf_counter()
                passed = {form: measurement.send(self.function, images) for form, measurement in self.forms.items()}
                self.compute_seconds += perf_counter() - started
                if writer and (all_batches or step % EVERY == 0):
                    self._log(writer, step, passed, self.batch_size if all_batches else SAMPLE)
        result = self._result(folder)
        if writer:
            writer.add_text("statistics", table([result]), 0)
        return result

    def _log(self, writer: SummaryWriter, step: int, passed: Mapping[str, tuple[Tensor, Tensor]], most: int) -> None:
        """Draw the first ``most`` images of a batch, inputs and outputs by form."""
        for form, (x, y) in passed.items():
            scale = self.forms[form].scale
            shape = "x".join(str(length) for length in x.shape)
            unchanged = [f"{self.name}: output equals input exactly"] if torch.equal(x, y) else []
            for side, values, remarks in (("before", x, []), ("after", y, unchanged)):
                lines = [
                    f"{self.name}, {side}: {shape}",
                    f"{self.dataset.title}, {FORMS[form]}, batch {step}",
                    _scale_text(scale) + _clipped_text(values, scale),
                    *remarks,
                ]
                picture = _sheet(to_shared_scale(values[:most], *scale))
                tracking.log_picture(writer, f"{form}/{side}", pictures.caption(picture, lines, size=TEXT), step)

    def _result(self, log_dir: Path | None) -> BeforeAfter:
        images = len(self.dataset.test.images)
        return BeforeAfter(
            name=self.name,
            data=self.dataset.title,
            images=images,
            batches=math.ceil(images / self.batch_size),
            plain=self.forms["plain"].form(),
            normalised=self.forms["normalised"].form(),
            log_dir=log_dir,
            compute_seconds=self.compute_seconds,
        )


def _sheet(images: Images) -> pictures.Picture:
    if len(images) <= SAMPLE:
        return pictures.grid(images, columns=SAMPLE // 2, zoom=3)
    return pictures.grid(images, columns=math.ceil(math.sqrt(len(images))), zoom=2)


def _scale_text(scale: Scale) -> str:
    return f"{scale[0]:g} ... {scale[1]:g} shown as black ... white"


def _clipped_text(x: Tensor, scale: Scale) -> str:
    share = ((x < scale[0]) | (x > scale[1])).double().mean().item()
    return f", {percent(share)} of the values clipped" if share else ""


def percent(share: float) -> str:
    """A share between 0 and 1 as a percentage that never rounds to 0 or 100 unless it is."""
    if 0 < share < 0.0005:
        return "under 0.1 %"
    if 0.9995 < share < 1:
        return "over 99.9 %"
    return f"{share:.1%}".replace("%", " %")


def table(results: Sequence[BeforeAfter]) -> str:
    """The statistics of several activations as a Markdown table."""
    head = ("activation", "images", "side", "mean", "std", "smallest", "largest", "exactly 0", "unchanged", "saturated")
    rows = [head, ("---",) * len(head)]
    for result in results:
        for name, form in (("plain", result.plain), ("normalised", result.normalised)):
            for side, s in (("before", form.before), ("after", form.after)):
                own = (percent(form.unchanged), percent(form.saturated)) if side == "after" else ("", "")
                numbers = (true_minus(f"{value:.3f}") for value in (s.mean, s.std, s.low, s.high))
                rows.append((result.name, name, side, *numbers, percent(s.zeros), *own))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
