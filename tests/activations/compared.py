"""What several tests compare our functions and torch's by: numbers, and outputs with their gradients."""

from collections.abc import Callable

import pytest
import torch
from folded import folded
from torch import Tensor, nn

from nonlin.activations import ACTIVATIONS

RECORDS = list(ACTIVATIONS.values())
WITH_COUNTERPART = [record for record in RECORDS if record.torch_module]

every_record = pytest.mark.parametrize("record", RECORDS, ids=ACTIVATIONS)
against_torch = pytest.mark.parametrize("record", WITH_COUNTERPART, ids=[record.name for record in WITH_COUNTERPART])
precise = folded("dtype", [torch.float64, torch.float32])


def random_numbers(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def value_and_gradients(function: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """The output, and the gradients for the input, and the parameters of a module, from a random one of the output."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    learned = function.parameters() if isinstance(function, nn.Module) else ()
    return [y.detach(), *torch.autograd.grad(y, [x, *learned], random_numbers(*y.shape, dtype=y.dtype, seed=1))]
