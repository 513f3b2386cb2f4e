"""What a data set is, wherever its images come from."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nonlin.errors import ReaderError

SIDE = 32  # pixels


class DataError(ReaderError):
    """Data cannot be had."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images with their labels, in an order in which classes are mixed.

    Shapes: `images` (N, 3, 32, 32), uint8; `labels` (N,), int64, indices into the dataset's classes.
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images to train on and to test on.

    `name` is "cifar10", "shapes10" or the folder's name; `title` is how a caption must call the data.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    @property
    def mean(self) -> Tensor:
        """Mean of each channel over the training images scaled to [0, 1]: (3,), float32."""
        return self._moments[0]

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel, as `mean`; at least 1/255, so that it can be divided by."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        levels = torch.arange(256, dtype=torch.float64) / 255
        counts = torch.stack([_histogram(self.train.images[:, channel]) for channel in range(3)])  # (3, 256)
        shares = counts / counts.sum(dim=1, keepdim=True)
        mean = (shares * levels).sum(dim=1)
        variance = (shares * (levels - mean[:, None]).square()).sum(dim=1)
        return mean.float(), variance.sqrt().clamp(min=1 / 255).float()


def hold_out(dataset: Dataset, *, per_class: int, seed: int) -> Dataset:
    """A data set whose test images are training images of another one, and whose training images are the rest.

    With it, learning rates and the like are chosen without a look at the test set.

    Args:
        dataset: its test images are left out.
        per_class: how many training images of each class become test images; some must remain.
        seed: draws them. Both parts keep the order that the images have.

    Raises:
        DataError: if a class has too few images.
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(dataset.train.labels), dtype=torch.bool)
    for label, name in enumerate(dataset.classes):
        members = (dataset.train.labels == label).nonzero()[:, 0]
        if len(members) <= per_class:
            raise DataError(
                f"{dataset.title} has {len(members)} training images of {name}, too few to hold {per_class} out: "
                "add some, or use other images"
            )
        held_out[members[torch.randperm(len(members), generator=generator)[:per_class]]] = True
    train, test = (
        Split(images=dataset.train.images[chosen], labels=dataset.train.labels[chosen])
        for chosen in (~held_out, held_out)
    )
    count = f"{len(test.labels):,} training images held out"
    return Dataset(
        name=f"{dataset.name}-held-out",
        title=f"{dataset.title}, {count}",
        classes=dataset.classes,
        train=train,
        test=test,
    )


def _histogram(channel: Tensor) -> Tensor:
    """How often each of the 256 values occurs in a uint8 tensor, (256,); by parts, since bincount copies to int64."""
    return torch.stack([torch.bincount(part.flatten(), minlength=256) for part in channel.split(4096)]).sum(dim=0)
