"""Inputs that a deep, narrow ReLU network cannot see, from its first weights on."""

import math

import torch
from torch import Tensor


def alive_after(width: int, depth: int, *, networks: int = 2000, seed: int = 0) -> Tensor:
    r"""Whether any unit is still on, layer by layer, for one random input to each of many random ReLU networks.

    He's weights, no biases. For an input that is not 0, each of N units is off with probability 1/2, independently of
    the others, since its weights are drawn symmetrically about 0. All are off with probability :math:`2^{-N}`, and from
    then on everything is 0: outputs and gradients. So the share :math:`(1 - 2^{-N})^L` is left after L layers.

    Source: Lu, Shin, Su and Karniadakis (2019), Dying ReLU and initialization, https://arxiv.org/abs/1903.06733.

    Args:
        width: N, units in each layer, and numbers in each input.
        depth: L.
        networks: how many, each with its own weights and its own input from N(0, 1).
        seed: of the generator.

    Returns:
        bool, (networks, depth), first layer first.
    """
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(networks, 1, width, generator=generator, dtype=torch.float64)
    alive = []
    for _ in range(depth):
        weight = math.sqrt(2 / width) * torch.randn(networks, width, width, generator=generator, dtype=torch.float64)
        h = (h @ weight).relu()
        alive.append((h > 0).any(dim=2).squeeze(1))
    return torch.stack(alive, dim=1)
