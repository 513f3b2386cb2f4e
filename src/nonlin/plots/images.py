"""Images, before and after."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from torch import Tensor

from nonlin.activations import Activation
from nonlin.images import pictures
from nonlin.images.dataset import Dataset
from nonlin.images.sources import sample_photograph
from nonlin.lab.before_after import normalise, to_shared_scale
from nonlin.lab.feature_maps import FeatureMaps, chosen, scale_of, tiles
from nonlin.plots.picture import COLOURS, Picture, subplots

_WIDE = 7  # photographs side by side


def image_rows(rows: Mapping[str, Tensor], text: str, *, title: str = "") -> Picture:
    """Rows of images, each with its label on the left; pixels are drawn as they are, without smoothing.

    Args:
        rows: a label, and uint8 images of shape (n, 3, h, w), for each row; all rows hold the same number.
        text: what is to be seen, in words.
        title: what to see, above the picture.
    """
    n, _, height, width = next(iter(rows.values())).shape
    side = min(0.8, 8.0 / n)
    figure, axes = subplots(
        len(rows), n, width=1.6 + side * n, height=(side * height / width + 0.06) * len(rows), squeeze=False
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)  # "$" is a letter of a name
        for place, image in zip(line, images, strict=True):
            place.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
    if title:
        figure.suptitle(title)
    return Picture(figure, text)


def feature_maps(layers: Sequence[FeatureMaps], *, channels: int = 8) -> Picture:
    """What each activation layer gets (left) and returns (right) for the first image, one row a layer.

    Both sides of a row are drawn on one scale, symmetric, 0 middle grey.

    Args:
        layers: from `lab.feature_maps.feature_maps`.
        channels: maps shown of each layer, spread evenly over its channels.
    """
    figure, axes = subplots(len(layers), 2, width=9.6, height=0.66 * len(layers) + 0.4, squeeze=False)
    text = ["Feature maps of one image: left what an activation layer gets, right what it returns; one scale a row."]
    for (left, right), layer in zip(axes, layers, strict=True):
        before, after = layer.before[0], layer.after[0]
        high = scale_of(before, after)
        for place, values in ((left, before), (right, after)):
            shown = tiles(values[chosen(len(values), channels)], high)
            place.imshow(pictures.grid(shown, columns=channels, zoom=max(1, 32 // shown.shape[-1])))
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        left.set_ylabel(layer.name, rotation=0, ha="right", va="center")
        right.set_ylabel(f"±{high:.2g}", rotation=0, ha="right", va="center")
        zeros = [100 * (values == 0).double().mean().item() for values in (before, after)]
        text.append(f"{layer.name}: {len(after)} maps, exactly 0: {zeros[0]:.0f} % before, {zeros[1]:.0f} % after.")
    axes[0, 0].set_title("before the activation")
    axes[0, 1].set_title("after it")
    return Picture(figure, "\n".join(text))


def classes(dataset: Dataset, *, columns: int = 5) -> Picture:
    """The first test images of each class, one row a class.

    Args:
        dataset: any data set.
        columns: images in a row; classes with fewer repeat theirs.
    """
    rows = {}
    for number, name in enumerate(dataset.classes):
        places = (dataset.test.labels == number).nonzero().flatten()
        rows[name] = dataset.test.images[places[torch.arange(columns) % len(places)]]
    counts = f"{len(dataset.train.images):,} training and {len(dataset.test.images):,} test images"
    text = f"{dataset.title}: {counts} of 32 by 32 pixels in {len(rows)} classes: {', '.join(rows)}."
    return image_rows(rows, text)


def on_a_photograph(*records: Activation) -> Picture:
    """What each activation makes of a standardised photograph, above its curve; -2 is drawn black and 2 white.

    Args:
        records: one or more activations.
    """
    photograph = sample_photograph()[None, :, ::2, ::2]
    x = normalise(photograph, *(f(photograph / 255, dim=(0, 2, 3)) for f in (torch.mean, torch.std)))
    columns = [("before", lambda x: x), *((record.title, record.function) for record in records)]
    wide = min(len(columns), _WIDE)
    rows = -(-len(columns) // wide)
    figure, axes = subplots(2 * rows, wide, height=5 * rows, width=2.3 * wide, sharey="row")
    places = [place for row in range(0, 2 * rows, 2) for place in axes[row : row + 2].T]
    line = torch.linspace(-2, 2, 401)
    for (above, below), (title, function), colour in zip(places, columns, cycle(COLOURS[-1:] + COLOURS), strict=False):
        above.imshow(to_shared_scale(function(x)[0], -2, 2).permute(1, 2, 0).numpy())
        above.set(title=title, xticks=[], yticks=[])
        above.spines[:].set_visible(False)
        below.plot(line, function(line), color=colour)
        below.set(xlabel="value before", xlim=(-2, 2), ylim=(-2.1, 2.1), aspect="equal")
    for below in axes[1::2, 0]:
        below.set_ylabel("value after")
    for unused in places[len(columns) :]:
        for place in unused:
            place.remove()
    text = "A portrait, standardised to mean 0 and standard deviation 1, and what comes of it."
    return Picture(figure, "\n".join([text, *(_change(record, x) for record in records)]))


def _change(record: Activation, x: Tensor) -> str:
    y = record.function(x)
    zeros = (y == 0).double().mean().item()
    return (
        f"After {record.title}: values from {y.min():.2f} to {y.max():.2f}, standard deviation {y.std():.2f}, "
        f"{100 * zeros:.0f} % exactly 0."
    )
