"""Answers to the exercises of lesson 06."""

import math

import numpy as np
import torch
from torch import nn


def slopes_by_backward(f, z):
    x = z.detach().clone().requires_grad_(True)
    f(x).backward(torch.ones_like(x))
    return 1 / torch.sqrt((x.grad**2).mean())


def slopes_by_vmap(f, z):
    return 1 / torch.func.vmap(torch.func.grad(f))(z).square().mean().sqrt()


def slopes_by_differences(f, z):
    """Good to eight digits: the functions are quadratic, straight, or smooth on this scale."""
    h = 1e-4
    slope = (f(z + h) - f(z - h)) / (2 * h)
    return (slope**2).mean() ** -0.5


def weights_by_kernel(noise, gain):
    inputs, kernel = noise.shape[1], math.prod(noise.shape[2:])
    return noise * torch.tensor(gain / (inputs * kernel) ** 0.5)


def weights_in_square(noise, *, side):
    return noise.shape[1] * (noise.shape[side] ** 2 if noise.dim() == 4 else 1)


def layer_from_a_module(f, z, noise):
    layer = nn.Linear(*reversed(noise.shape), dtype=noise.dtype)
    y = f(z)
    with torch.no_grad():
        layer.weight.copy_(noise / noise.shape[1] ** 0.5 / y.std())
        layer.bias.copy_(-layer.weight @ y.mean().expand(noise.shape[1]))
    return layer.weight, layer.bias


def layer_by_numpy(f, z, noise):
    y = f(z).numpy()
    weight = noise.numpy() / np.sqrt(noise.shape[1] * y.var())
    return torch.from_numpy(weight), torch.from_numpy(-y.mean() * weight.sum(1))


def layer_with_a_loop(f, z, noise):
    mean, variance = f(z).mean(), f(z).var()
    weight = noise / (noise.shape[1] * variance).sqrt()
    return weight, torch.stack([-sum(w * mean for w in row) for row in weight])


RIGHT = {
    "06.1": [
        slopes_by_backward,
        slopes_by_vmap,
        slopes_by_differences,
        lambda f, z: torch.func.vjp(f, z)[1](torch.ones_like(z))[0].square().mean() ** -0.5,
        lambda f, z: len(z) ** 0.5 / torch.func.vjp(f, z)[1](torch.ones_like(z))[0].norm(),
        lambda f, z: torch.autograd.functional.jacobian(lambda x: f(x).sum(), z).pow(2).mean().rsqrt(),
    ],
    "06.2": [
        6**10,
        math.sqrt(6) ** 20,
        (1 / 6) ** -10,
        60466176.0,
        torch.tensor(6.0, dtype=torch.float64) ** 10,
        np.power(1 / np.sqrt(1 / 6), 20),
        math.exp(10 * math.log(6)),
    ],
    "06.3": [
        lambda noise, gain: noise * gain / math.sqrt(noise[0].numel()),
        lambda noise, gain: gain * noise / noise.flatten(1).shape[1] ** 0.5,
        lambda noise, gain: noise * (gain**2 / math.prod(noise.shape[1:])) ** 0.5,
        lambda noise, gain: noise * gain * (noise.shape[0] / noise.numel()) ** 0.5,
        lambda noise, gain: noise.div(np.sqrt(np.prod(noise.shape[1:]))).mul(gain),
        weights_by_kernel,
    ],
    "06.4": [
        layer_from_a_module,
        layer_by_numpy,
        layer_with_a_loop,
        lambda f, z, noise: (w := noise / (noise.shape[1] * f(z).var()) ** 0.5, -(w * f(z).mean()).sum(1)),
        lambda f, z, noise: [w := noise / f(z).std() / noise[0].numel() ** 0.5, 0 - f(z).mean() * w.sum(-1)],
    ],
}

SLIPS = {
    "gain": lambda f, z, noise: (w := noise / (16 * f(z).square().mean()) ** 0.5, -f(z).mean() * w.sum(1)),
    "no bias": lambda f, z, noise: (noise / (16 * f(z).var()) ** 0.5, torch.zeros(6).double()),
    "sign": lambda f, z, noise: (w := noise / (16 * f(z).var()) ** 0.5, f(z).mean() * w.sum(1)),
    "bare mean": lambda f, z, noise: (noise / (16 * f(z).var()) ** 0.5, -f(z).mean() * torch.ones(6).double()),
    "variance": lambda f, z, noise: (w := noise / (4 * f(z).var()), -f(z).mean() * w.sum(1)),
    "outputs": lambda f, z, noise: (w := noise / (6 * f(z).var()) ** 0.5, -f(z).mean() * w.sum(1)),
    "abs": lambda f, z, noise: (w := noise / (16 * f(z).var()) ** 0.5, -f(z).mean().abs() * w.sum(1)),
    "noise": lambda f, z, noise: (noise / (16 * f(z).var()) ** 0.5, -f(z).mean() * noise.sum(1)),
}

WRONG = {
    "06.1": [
        (lambda f, z: 1 / (f(z) ** 2).mean() ** 0.5, "gain of the signal"),
        (lambda f, z: slopes_by_backward(f, z) ** 2, "a root is missing"),
        (lambda f, z: 1 / slopes_by_backward(f, z), "makes up for it"),
        (lambda f, z: 1 / torch.func.vjp(f, z)[1](torch.ones_like(z))[0].abs().mean(), "mean size"),
        (lambda f, z: 1 / torch.func.vjp(f, z)[1](torch.ones_like(z))[0].norm(), "summed the squares"),
        (lambda f, z: 1 / torch.func.vjp(f, z)[1](torch.ones_like(z) / len(z))[0].square().mean() ** 0.5, "the sum"),
        (lambda f, z: 1 / torch.std(torch.func.vjp(f, z)[1](torch.ones_like(z))[0]), "leaves the mean"),
    ],
    "06.2": [
        (6.0**20, "factor of the mean square"),
        (math.sqrt(3) ** 20, "weights alone"),
        (2**10, "ReLU alone"),
        (1 / 6**10, "what is left"),
        (20 * 6**0.5, "multiply, they do not add"),
        (math.sqrt(6) ** 19, "passes 20"),
    ],
    "06.3": [
        (lambda noise, gain: gain**2 / len(noise) * noise, "two bugs"),
        (lambda noise, gain: noise * gain / len(noise) ** 0.5, "swapped"),
        (lambda noise, gain: noise * gain**2 / noise[0].numel(), "standard deviation"),
        (lambda noise, gain: noise * gain / noise.size(1) ** 0.5, "positions of its kernel"),
        (lambda noise, gain: noise * gain / weights_in_square(noise, side=2) ** 0.5, "height squared"),
        (lambda noise, gain: noise * gain / weights_in_square(noise, side=-1) ** 0.5, "width squared"),
        (lambda noise, gain: noise * 2**0.5 / noise[0].numel() ** 0.5, "built in"),
        (lambda noise, gain: noise / noise[0].numel() ** 0.5, "gain is missing"),
    ],
    "06.4": [
        (SLIPS["gain"], "only the variance"),
        (SLIPS["no bias"], "without a bias"),
        (SLIPS["sign"], "wrong sign"),
        (SLIPS["bare mean"], "through its weights"),
        (SLIPS["variance"], "a variance is a square"),
        (SLIPS["outputs"], "number of outputs"),
        (SLIPS["noise"], "sum the weights that you return"),
        (SLIPS["abs"], "may be negative"),
    ],
}
