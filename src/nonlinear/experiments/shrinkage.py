"""Pictures taken apart into means and differences, which a threshold can clean: the Haar wavelet."""

import torch
import torch.nn.functional as F
from torch import Tensor

_HALF = 0.5 * torch.tensor(
    [[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]], dtype=torch.float64
).unsqueeze(1)  # (4, 1, 2, 2): orthonormal, the mean first


def haar(image: Tensor, levels: int) -> tuple[Tensor, list[Tensor]]:
    """The Haar wavelet transform: each level makes four pictures of half the size, one mean and three differences.

    It is orthonormal: it keeps the sum of squares, and white noise stays white noise of the same size.

    Args:
        image: float64 (h, w), both divisible by 2 ** levels.
        levels: how often the mean is taken apart again.

    Returns:
        The last mean, (h / 2 ** levels, w / 2 ** levels), and the differences, finest first, each (3, h', w').
    """
    differences = []
    for _ in range(levels):
        parts = F.conv2d(image[None, None], _HALF, stride=2)[0]  # (4, h / 2, w / 2)
        image = parts[0]
        differences.append(parts[1:])
    return image, differences


def inverse_haar(mean: Tensor, differences: list[Tensor]) -> Tensor:
    """The picture that `haar` took apart."""
    for parts in reversed(differences):
        mean = F.conv_transpose2d(torch.cat([mean[None], parts])[None], _HALF, stride=2)[0, 0]
    return mean
