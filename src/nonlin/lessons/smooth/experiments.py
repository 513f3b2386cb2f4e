"""What smoothness does: random gates, learned β, the loss along a line, restless training, deep networks (lesson 08).

Everything takes callables; small networks are trained side by side, one for each seed, as one batched network.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nonlin.lab.initialisation import gain
from nonlin.lab.networks import threads
from nonlin.signatures import Elementwise
from nonlin.toys.batched import binary_cross_entropy, cross_entropy, fused, outputs, update, with_gain
from nonlin.toys.race import adam, sgd, two_rings


def random_gates(x: Tensor, probability: Elementwise, draws: int, *, seed: int = 0) -> Tensor:
    """x times a coin that shows 1 with the given probability, else 0, tossed anew for each number.

    Args:
        x: any shape.
        probability: of a 1, for each x, between 0 and 1.
        draws: tosses for each number.
        seed: of the generator.

    Returns:
        Shape (draws, *x.shape): each entry is x or 0.
    """
    generator = torch.Generator().manual_seed(seed)
    toss = torch.rand(draws, *x.shape, generator=generator, dtype=x.dtype)
    return x * (toss < probability(x))


def lowest_point(slope: Elementwise, low: float, high: float) -> float:
    """Where a slope changes its sign from minus to plus, by bisection in float64.

    Args:
        slope: negative at ``low``, positive at ``high``.
        low, high: the ends of the interval.

    Raises:
        ValueError: if the signs are not those.
    """

    def at(x: float) -> float:
        return slope(torch.tensor(x, dtype=torch.float64)).item()

    if not at(low) < 0 < at(high):
        raise ValueError(f"the slope must be negative at {low:g} and positive at {high:g}.")
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if at(middle) < 0 else (low, middle)
    return low


def in_pieces(activation: Elementwise, length: float = 1.0) -> Elementwise:
    """The same curve drawn with straight pieces between the multiples of ``length``: its slope jumps at each of them.

    Args:
        activation: works element by element.
        length: of a piece, along x.
    """

    def pieces(x: Tensor) -> Tensor:
        left = length * (x / length).floor().detach()
        low, high = activation(left), activation(left + length)
        return low + (x - left) * (high - low) / length

    return pieces


# Small networks, one for each seed, side by side


def losses_of(activation: Elementwise, parameters: Sequence[Tensor], points: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each network, in nats; shape (seeds,).

    Args:
        activation: after each hidden layer.
        parameters: of all networks, from `with_gain` for instance, with one output.
        points: (seeds, n, 2), or (n, 2) for all.
        labels: 0 or 1, (seeds, n) or (n,).
    """
    return binary_cross_entropy(outputs(parameters, points, activation, layer=fused), labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class LossLine:
    """The loss on the way from one set of weights to another, and its slope along that way; each of shape (steps,)."""

    place: Tensor
    loss: Tensor
    slope: Tensor

    @property
    def largest_jump(self) -> float:
        """The largest change of the slope from one step to the next, as a share of the range of the slope."""
        return (self.slope.diff().abs().max() / (self.slope.max() - self.slope.min())).item()


def loss_along_a_line(
    activation: Elementwise, *, points: int, steps: int = 401, length: float = 1.0, width: int = 16, seed: int = 0
) -> LossLine:
    """The loss of a random network on the two rings, while all its weights move along one random straight line.

    Two hidden layers, float64. Same seed: the same direction and the same draws for every activation, each with the
    gain that keeps its signal.

    Args:
        activation: after each hidden layer.
        points: how many points of the rings the loss is the mean of.
        steps: places on the line, evenly spaced.
        length: of the line, as a multiple of the norm of the weights.
        width: units in each hidden layer.
        seed: of weights and direction.
    """
    x, labels = (tensor[:points].double() for tensor in two_rings())
    sizes = [2, width, width, 1]
    start = [p.detach().double() for p in with_gain([seed], sizes, gain(activation))]
    direction = [p.detach().double() for p in with_gain([seed + 1000], sizes, gain(activation))]
    place = torch.linspace(0, length, steps, dtype=torch.float64, requires_grad=True)
    # One network for each place: they are independent, so one backward pass gives the slope at every place.
    networks = [p + place.reshape(-1, 1, 1) * d for p, d in zip(start, direction, strict=True)]
    loss = losses_of(activation, networks, x, labels)
    (slope,) = torch.autograd.grad(loss.sum(), place)
    return LossLine(place=place.detach(), loss=loss.detach(), slope=slope)


def restlessness(
    activation: Elementwise,
    learning_rate: float,
    *,
    seeds: int = 20,
    first_seed: int = 0,
    batch: int = 32,
    width: int = 32,
    warm_up: int = 150,
    steps: int = 200,
) -> tuple[Tensor, Tensor]:
    """How much the loss goes up and down from step to step in training by mini-batches at a constant rate.

    SGD with momentum 0.9 on 256 points of the two rings, two hidden layers, gain that keeps the signal. The loss is
    that of all points, after each step; the batches of one seed are the same for every activation.

    Args:
        activation: after each hidden layer.
        learning_rate: constant.
        seeds: number of networks.
        first_seed: the first of them.
        batch: points in a mini-batch.
        width: units in each hidden layer.
        warm_up: steps before anything is recorded.
        steps: steps that are recorded, at least 2.

    Returns:
        The root mean square of the change of the loss from one step to the next, over the mean of the loss; and that
        mean. Each of shape (seeds,).
    """
    points, labels = two_rings()
    chosen = range(first_seed, first_seed + seeds)
    parameters = with_gain(chosen, [2, width, width, 1], gain(activation))
    optimizer = sgd(parameters, learning_rate)
    order = [torch.Generator().manual_seed(10_000 + seed) for seed in chosen]
    recorded = []
    with threads(1):
        for step in range(warm_up + steps):
            places = torch.stack([torch.randint(len(points), (batch,), generator=g) for g in order])
            update(optimizer, losses_of(activation, parameters, points[places], labels[places]))
            if step >= warm_up:
                with torch.no_grad():
                    recorded.append(losses_of(activation, parameters, points, labels))
    loss = torch.stack(recorded, dim=1)  # (seeds, steps)
    return loss.diff(dim=1).square().mean(dim=1).sqrt() / loss.mean(dim=1), loss.mean(dim=1)


def steps_in_depth(
    activation: Elementwise,
    hidden_layers: int,
    learning_rate: float,
    *,
    seeds: Sequence[int],
    target_loss: float = 0.2,
    width: int = 32,
    most_steps: int = 300,
) -> Tensor:
    """Steps of Adam on 128 points of the two rings until the loss falls below a target, in a plain deep network.

    No normalisation, no shortcuts; the weights have the gain that keeps this activation's signal.

    Args:
        activation: after each hidden layer.
        hidden_layers: their number.
        learning_rate: of Adam.
        seeds: one for each network.
        target_loss: mean binary cross-entropy in nats.
        width: units in each hidden layer.
        most_steps: when to stop; a network that has not arrived, or whose loss is NaN, counts with this number.

    Returns:
        float32 (seeds,).
    """
    points, labels = two_rings(128)
    parameters = with_gain(seeds, [2, *[width] * hidden_layers, 1], gain(activation))
    optimizer = adam(parameters, learning_rate)
    steps = torch.full((len(seeds),), float(most_steps))
    with threads(1):
        for step in range(most_steps):
            losses = losses_of(activation, parameters, points, labels)
            steps = steps.where((steps < step) | ~(losses < target_loss), torch.tensor(float(step)))
            if (steps < most_steps).all():
                break
            update(optimizer, losses)
    return steps


# Points that were moved in order to be misread


def attack(
    logits_of: Elementwise, points: Tensor, labels: Tensor, *, size: float, steps: int, draws: Sequence[torch.Generator]
) -> Tensor:
    """Points close by whose loss is larger: from a random start, steps along the sign of the gradient (Madry 2018).

    Args:
        logits_of: maps points (seeds, n, d) to logits (seeds, n, classes).
        points: where it starts from.
        labels: (seeds, n).
        size: the most that a coordinate may change.
        steps: each of 2.5 size / steps, projected back.
        draws: a generator for each seed, of its start.
    """
    low, high = points - size, points + size
    found = low + 2 * size * torch.stack([torch.rand(points.shape[1:], generator=g) for g in draws])
    for _ in range(steps):
        found.requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(logits_of(found), labels).sum(), found)
        found = (found.detach() + 2.5 * size / steps * slope.sign()).clamp(low, high)
    return found.detach()


def robust_accuracy(
    activation: Elementwise,
    learning_rate: float,
    *,
    attacked: bool,
    seeds: Sequence[int],
    size: float = 0.2,
    classes: int = 10,
    n: int = 1000,
    batch: int = 100,
    width: int = 64,
    steps: int = 300,
) -> Tensor:
    """Accuracy in % of plain networks on test points, and on attacked ones: ten dimensions, five clouds to a class.

    Clouds and centres have standard deviation 1. Two hidden layers, gain that keeps the signal, Adam. The points,
    first weights and batches of a seed are the same for every activation.

    Args:
        activation: after each hidden layer.
        learning_rate: of Adam.
        attacked: whether the training points are attacked too, in 5 steps (20 in the test).
        seeds: one for each network.
        size: of the attack, in each coordinate.
        classes: their number.
        n: points to train on, and as many to test on, for each seed.
        batch: points a step.
        width: units in each hidden layer.
        steps: of training.

    Returns:
        float32 (2, seeds): on the points as they are, and attacked.
    """
    draws = [torch.Generator().manual_seed(20_000 + seed) for seed in seeds]
    centres = torch.stack([torch.randn(5 * classes, 10, generator=g) for g in draws])
    cloud = torch.stack([torch.randint(5 * classes, (2 * n,), generator=g) for g in draws])
    noise = torch.stack([torch.randn(2 * n, 10, generator=g) for g in draws])
    row = torch.arange(len(draws)).unsqueeze(1)
    x, y = centres[row, cloud] + noise, cloud % classes
    parameters = with_gain(seeds, [10, width, width, classes], gain(activation))
    optimizer = adam(parameters, learning_rate)

    def logits_of(points: Tensor) -> Tensor:
        return outputs(parameters, points, activation, layer=fused)

    with threads(1):
        for _ in range(steps):
            places = torch.stack([torch.randint(n, (batch,), generator=g) for g in draws])
            points, labels = x[row, places], y[row, places]
            if attacked:
                points = attack(logits_of, points, labels, size=size, steps=5, draws=draws)
            update(optimizer, cross_entropy(logits_of(points), labels))
        moved = attack(logits_of, x[:, n:], y[:, n:], size=size, steps=20, draws=draws)
        with torch.no_grad():
            said = torch.stack([logits_of(points).argmax(dim=-1) for points in (x[:, n:], moved)])
        return 100 * (said == y[:, n:]).float().mean(dim=-1)


def best_rate(run: Callable[[float], Tensor], rates: Sequence[float]) -> float:
    """The rate for which the mean of what ``run`` returns is the smallest; NaN counts as the largest."""
    return min(rates, key=lambda rate: run(rate).nan_to_num(math.inf).mean().item())


def learned_parameters(
    activation: Callable[[Tensor, Tensor], Tensor],
    start: float,
    *,
    hidden_layers: int = 4,
    learning_rate: float = 0.01,
    steps: int = 300,
    seeds: int = 10,
    width: int = 16,
) -> Tensor:
    """How the parameter of an activation, one for each hidden layer, changes while networks learn the two rings.

    Adam on all 256 points; weights and parameters have the same rate. The gain is that of the activation at its start.

    Args:
        activation: of the input and its parameter, a tensor that broadcasts against it.
        start: the parameter before the first step, in every layer.
        hidden_layers: their number.
        learning_rate: of Adam.
        steps: of training.
        seeds: number of networks; seed 0 is the first.
        width: units in each hidden layer.

    Returns:
        float32 (steps + 1, hidden_layers, seeds), the start first.
    """
    points, labels = two_rings()
    hidden_gain = gain(lambda z: activation(z, torch.tensor(start)))
    weights = with_gain(range(seeds), [2, *[width] * hidden_layers, 1], hidden_gain)
    parameters = [torch.full((seeds, 1, 1), float(start), requires_grad=True) for _ in range(hidden_layers)]
    optimizer = adam([*weights, *parameters], learning_rate)
    seen = [torch.stack([p.detach().flatten() for p in parameters])]
    with threads(1):
        for _ in range(steps):
            layers = iter(parameters)  # losses_of asks for one activation after the other, the first layer first
            update(optimizer, losses_of(lambda z, layers=layers: activation(z, next(layers)), weights, points, labels))
            seen.append(torch.stack([p.detach().flatten() for p in parameters]))
    return torch.stack(seen)
