"""What several rooms call functions by: types of what is passed, each named once."""

from collections.abc import Callable

from torch import Tensor, nn

Elementwise = Callable[[Tensor], Tensor]  # works on each element by itself and keeps the shape
MakeActivation = Callable[[], nn.Module]  # makes one activation module, nn.ReLU for instance
