"""Networks that take any activation: a callable that makes a module, called once for every place it stands in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from nonlin.signatures import MakeActivation


class Scale(nn.Module):
    """Multiplication by a constant. Shape: any, kept."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x

    def extra_repr(self) -> str:
        return f"{self.factor:g}"


class Residual(nn.Module):
    """``activation(x + branch(x))``: the identity carries signal and gradient past the branch.

    Shape: any that the branch keeps.
    """

    def __init__(self, branch: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.branch, self.activation = branch, activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.branch(x))


def mlp(
    activation: MakeActivation, *, classes: int = 10, depth: int = 1, batch_norm: bool = False, width: int = 256
) -> nn.Sequential:
    """A multilayer perceptron on the flattened pixels: ``depth`` hidden layers, then a linear one.

    Args:
        activation: makes one activation module; called anew for every layer, so that a learned slope is not shared.
        classes: number of outputs.
        depth: hidden layers; 0 leaves a linear classifier.
        batch_norm: whether each hidden layer is normalised over the batch before its activation.
        width: units in each hidden layer.

    Shape: input (n, 3, 32, 32), output (n, classes), logits.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = 3 * 32 * 32
    for _ in range(depth):
        layers.append(nn.Linear(inputs, width, bias=not batch_norm))
        layers += [nn.BatchNorm1d(width)] if batch_norm else []
        layers.append(activation())
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def small_cnn(
    activation: MakeActivation,
    *,
    classes: int = 10,
    depth: int = 1,
    batch_norm: bool = True,
    stem: int = 24,
    widths: Sequence[int] = (32, 64, 128),
    stride: int = 2,
) -> nn.Sequential:
    """A convolutional network for 32x32 colour images that trains in minutes on two cores.

    3x3 stem; for each width [3x3 convolution, 2x2 max-pool, batch norm, activation, then ``depth`` times (3x3
    convolution, batch norm, activation)]; global max-pool; linear layer without bias. About 295,000 parameters.

    Args:
        activation: makes one activation module, ``nn.ReLU`` for instance; called anew for every place, so that a
            learned slope is not shared.
        classes: number of outputs.
        depth: further convolutions in a group.
        batch_norm: whether each convolution but the first is followed by batch normalisation. Without it, convolutions
            have biases, the outputs are not scaled down, and a peak learning rate of about 0.1 suits better than 0.3.
        stem: channels of the first layer.
        widths: channels of each group.
        stride: of the first layer: 2 is quick, 1 takes 3.5 times as long for about 5 points of accuracy.

    Shape: input (n, 3, 32, 32), output (n, classes), logits.

    Source: the group of Keller Jordan's airbench networks, https://github.com/KellerJordan/cifar10-airbench, narrower.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, stride=stride, padding=1), activation()]
    channels = stem
    for width in widths:
        layers += [*_convolution(channels, width, batch_norm, pool=True), activation()]
        for _ in range(depth):
            layers += [*_convolution(width, width, batch_norm), activation()]
        channels = width
    return nn.Sequential(*layers, *_head(channels, classes, batch_norm))


def small_resnet(
    activation: MakeActivation,
    *,
    classes: int = 10,
    depth: int = 1,
    batch_norm: bool = True,
    stem: int = 24,
    widths: Sequence[int] = (24, 48, 96),
    stride: int = 2,
) -> nn.Sequential:
    """A residual network with the frame and the budget of `small_cnn`: about 277,000 parameters.

    As `small_cnn`, but each group goes on with ``depth`` residual blocks: activation(x + [3x3 convolution, batch norm,
    activation, 3x3 convolution, batch norm](x)).

    Args:
        activation, classes, batch_norm, stem, widths, stride: as for `small_cnn`.
        depth: residual blocks in a group.

    Shape: input (n, 3, 32, 32), output (n, classes), logits.

    Source: the basic block of He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition,
    https://arxiv.org/abs/1512.03385.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, stride=stride, padding=1), activation()]
    channels = stem
    for width in widths:
        layers += [*_convolution(channels, width, batch_norm, pool=True), activation()]
        for _ in range(depth):
            first, second = (_convolution(width, width, batch_norm) for _ in range(2))
            layers.append(Residual(nn.Sequential(*first, activation(), *second), activation()))
        channels = width
    return nn.Sequential(*layers, *_head(channels, classes, batch_norm))


def _convolution(inputs: int, outputs: int, batch_norm: bool, *, pool: bool = False) -> list[nn.Module]:
    # A batch norm that follows subtracts any constant, so a bias would have no effect.
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not batch_norm)
    return [convolution, *([nn.MaxPool2d(2)] if pool else []), *([nn.BatchNorm2d(outputs)] if batch_norm else [])]


def _head(channels: int, classes: int, batch_norm: bool) -> list[nn.Module]:
    # The maximum of normalised maps is large; scaled down, the first steps of a high learning rate are stable.
    scale = [Scale(1 / 9)] if batch_norm else []
    return [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, classes, bias=False), *scale]


# By name, for configurations and the command line. All are called as
# network(activation, classes=..., depth=..., batch_norm=...).
NETWORKS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "cnn": small_cnn,
        "cnn_full_resolution": partial(small_cnn, stride=1),
        "resnet": small_resnet,
        "mlp": mlp,
    }
)


def count_parameters(model: nn.Module) -> int:
    """The number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def device() -> torch.device:
    """The accelerator that torch finds, a graphics processor of CUDA or XPU, else the processor.

    A Mac's graphics processor (MPS) is used on request only: its losses are known to differ from a processor's
    (github.com/rasbt/LLMs-from-scratch/issues/791), and nobody has yet shown that those of this course agree.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if found is None or found.type == "mps" else found


def device_name(where: torch.device) -> str:
    """How a device is called: ``"cpu"``, ``"NVIDIA H100"``."""
    name = getattr(torch.get_device_module(where), "get_device_name", None)  # MPS has none
    return name() if where.type != "cpu" and name else where.type


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Use this many processor threads inside the block, and as many as before after it; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
