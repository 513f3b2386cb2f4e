"""Networks that take any activation: a callable that makes a module, called once for every place it stands in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

MakeActivation = Callable[[], nn.Module]


class Scale(nn.Module):
    """Multiplication by a constant. Shape: any, kept."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x

    def extra_repr(self) -> str:
        return f"{self.factor:g}"


def small_cnn(
    activation: MakeActivation,
    *,
    classes: int = 10,
    stem: int = 24,
    widths: Sequence[int] = (32, 64, 128),
    depth: int = 1,
    stride: int = 2,
    logit_scale: float = 1 / 9,
) -> nn.Sequential:
    """A convolutional network for 32x32 colour images that trains in minutes on two cores.

    3x3 stem; for each width [3x3 convolution, 2x2 max-pool, batch norm, activation, then ``depth`` times (3x3
    convolution, batch norm, activation)]; global max-pool; linear layer without bias. About 295,000 parameters.

    Args:
        activation: makes one activation module, ``nn.ReLU`` for instance; called anew for every place, so that a
            learned slope is not shared.
        classes: number of outputs.
        stem: channels of the first layer.
        widths: channels of each group.
        depth: further convolutions in a group.
        stride: of the first layer: 2 is quick, 1 takes 3.5 times as long for about 5 points of accuracy.
        logit_scale: factor on the outputs; it keeps the first steps of a high learning rate stable.

    Shape: input (n, 3, 32, 32), output (n, classes), logits.

    Source: the group of Keller Jordan's airbench networks, https://github.com/KellerJordan/cifar10-airbench, narrower.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, stride=stride, padding=1), activation()]
    channels = stem
    for width in widths:
        layers += [_convolution(channels, width), nn.MaxPool2d(2), nn.BatchNorm2d(width), activation()]
        for _ in range(depth):
            layers += [_convolution(width, width), nn.BatchNorm2d(width), activation()]
        channels = width
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, classes, bias=False), Scale(logit_scale)]
    return nn.Sequential(*layers, *head)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    # The batch norm that follows subtracts any constant, so a bias would have no effect.
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def device() -> torch.device:
    """The graphics processor if CUDA finds one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Use this many processor threads inside the block, and as many as before after it; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
