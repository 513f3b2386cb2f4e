"""Exercises and quiz of lesson 06, gradient flow and initialisation."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def gradient_gain(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    z = z.clone().requires_grad_()
    slope = torch.autograd.grad(f(z).sum(), z)[0]
    return 1 / slope.square().mean().sqrt()


def _slope(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    z = z.clone().requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]


NORMAL = torch.special.ndtri(torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64))  # quantiles of N(0, 1)

GAIN = Exercise(
    number="06.1",
    title="The gradient's gain of any activation",
    minutes=3,
    difficulty=2,
    solution=gradient_gain,
    probes=(
        Probe(label="for sigmoid", arguments=(torch.sigmoid, NORMAL), tolerance=1e-6),
        Probe(label="for ReLU", arguments=(torch.relu, NORMAL), tolerance=1e-6),
        Probe(label="for the square", arguments=(torch.square, NORMAL), tolerance=1e-6),
    ),
    mistakes=(
        Mistake(
            answer=lambda f, z: 1 / f(z).square().mean().sqrt(),
            hint="that is the gain of the signal: it has the values of f. The gradient is multiplied by slopes.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).square().mean(),
            hint="a mean square is a square: the gain multiplies numbers, so a root is missing.",
        ),
        Mistake(
            answer=lambda f, z: _slope(f, z).square().mean().sqrt(),
            hint="that is what the slopes leave of the gradient. The gain makes up for it.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).abs().mean(),
            hint="the mean size is not the root of the mean square: variances of independent terms add up, sizes do not.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).mean().abs(),
            hint="you took the mean of the slopes, in which signs cancel: square first, then take the mean.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).std(),
            hint="that is the standard deviation: it leaves the mean of the slopes out, and the mean square counts.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).std(correction=0),
            hint="that is the standard deviation, divided by n: it leaves the mean of the slopes out.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).square().sum().sqrt(),
            hint="you summed the squares: take their mean, so that the number of draws does not matter.",
        ),
        Mistake(
            answer=lambda f, z: 1 / (_slope(f, z) / len(z)).square().mean().sqrt(),
            hint="backward from the mean of f(z) divides each slope by the number of draws: start from the sum.",
        ),
        Mistake(
            answer=lambda f, z: 1 / _slope(f, z).abs().max(),
            hint="that is the largest slope; most draws meet a smaller one. The mean of the squares counts.",
        ),
    ),
    hints=(
        "The slope at each draw: torch.autograd.grad(f(z).sum(), z)[0], for a z that requires a gradient.",
        "From there it is the calculation of the gain, with slopes instead of values.",
    ),
    remark="so the gain of anything can be had, of a function you invented too. That of sigmoid is near 4.7; its signal's "
    "is 1.8: no weights serve both.",
)


def gradient_shrinks_by() -> float:
    factor_per_layer = math.sqrt(1 / 3 * 1 / 2)  # the weights, and the half of the slopes that are 1
    return (1 / factor_per_layer) ** 20


SHRINKS = Exercise(
    number="06.2",
    title="Predict the gradient, 20 layers down",
    minutes=2,
    difficulty=2,
    solution=gradient_shrinks_by,
    mistakes=(
        Mistake(
            answer=6.0**20,
            hint="6 is the factor of the mean square; the norm is its root: the square root of 6 per layer.",
        ),
        Mistake(answer=3.0**10, hint="that is the weights alone: where ReLU is off, no gradient passes either."),
        Mistake(
            answer=2.0**10, hint="that is ReLU alone: the default's weights are smaller than LeCun's by a factor of √3."
        ),
        Mistake(answer=6.0**-10, hint="that is what is left of it. By what has it been divided?"),
        Mistake(
            answer=12.0**10, hint="half of the slopes are 1, so ReLU costs a factor of 2 in the mean square, not 4."
        ),
        Mistake(
            answer=3.0**20, hint="variances enter the mean square: the norm takes the root. And the ReLU is missing."
        ),
        *(
            Mistake(
                answer=factor**20,
                hint=f"{written} is rounded, and the 20th power makes {error} of that. Let Python take the root: 6 ** 0.5.",
            )
            for factor, written, error in (
                (2.45, "2.45", "0.4 %"),
                (2.449, "2.449", "0.4 %"),
                (1 / 0.408, "0.408", "1 %"),
                (1 / 0.4082, "0.4082", "0.2 %"),
            )
        ),
        Mistake(
            answer=(1 / 0.405) ** 20,
            hint="0.405 is what was measured in section 2. The calculation gives the root of 1/6.",
        ),
        Mistake(answer=20 * math.sqrt(6), hint="20 layers multiply, they do not add: a power, not a product."),
        Mistake(answer=6e7, hint="the right size. Let Python compute it, so that all digits are there."),
        Mistake(answer=6.05e7, hint="right, but rounded. Let Python compute it, so that all digits are there."),
        Mistake(answer=6.0**9.5, hint="19 layers: the gradient passes 20."),
    ),
    hints=(
        "One layer multiplies the mean square of the gradient by n σ² E[f'²]. What is each factor?",
        "n σ² is 1/3. ReLU's slope is 1 for half of the units and 0 for the others.",
        "So 1/6 per layer for the mean square, and its root for the norm.",
    ),
    remark="sixty million, before the first update. float32 holds such numbers without trouble; a learning rate does not.",
)


def he_weights(noise: Tensor, gain: float) -> Tensor:
    fan_in = noise[0].numel()
    return gain / math.sqrt(fan_in) * noise


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


INITIALISER = Exercise(
    number="06.3",
    title="Find the bugs: an initialiser",
    minutes=4,
    difficulty=2,
    solution=he_weights,
    probes=(
        Probe(label="for nn.Linear(16, 64)", arguments=(torch.randn(64, 16, generator=_generator()), 2**0.5)),
        Probe(
            label="for nn.Conv2d(4, 8, (3, 5)), whose weight is (8, 4, 3, 5)",
            arguments=(torch.randn(8, 4, 3, 5, generator=_generator()), 1.6),
        ),
    ),
    mistakes=(
        Mistake(
            answer=lambda noise, gain: gain**2 / noise.shape[0] * noise,
            hint="two bugs: gain^2 / n is a variance, but noise is multiplied by a standard deviation; and shape[0] is the "
            "number of outputs.",
        ),
        Mistake(
            answer=lambda noise, gain: gain / math.sqrt(noise.shape[0]) * noise,
            hint="fan-in and fan-out are swapped: torch stores a weight as (outputs, inputs).",
        ),
        Mistake(
            answer=lambda noise, gain: gain**2 / noise[0].numel() * noise,
            hint="that is the variance; noise has standard deviation 1, so multiply it by a standard deviation: take the "
            "root.",
        ),
        Mistake(
            answer=lambda noise, gain: gain**2 / math.sqrt(noise[0].numel()) * noise,
            hint="the gain is squared, but the fan-in is under a root: both belong to the standard deviation.",
        ),
        Mistake(
            answer=lambda noise, gain: gain / math.sqrt(noise.shape[1]) * noise,
            hint="right for a linear layer. Each unit of a convolution sums over the positions of its kernel as well.",
        ),
        *(
            Mistake(
                answer=lambda noise, gain, side=side: (
                    gain / math.sqrt(noise.shape[1] * math.prod(noise.shape[side : side + 1]) ** 2) * noise
                ),
                hint=f"right for square kernels: you took the {named} squared, and a kernel has height times width places.",
            )
            for side, named in ((2, "height"), (3, "width"))
        ),
        Mistake(
            answer=lambda noise, gain: gain**2 / noise.shape[1] * noise,
            hint="shape[1] is the number of inputs, which is right for a linear layer alone; and gain^2 / n is a variance: "
            "noise is to be multiplied by its root.",
        ),
        Mistake(
            answer=lambda noise, gain: gain / noise[0].numel() * noise,
            hint="the fan-in is right, and a root is missing: the variance is gain^2 / n, so the standard deviation is "
            "gain / sqrt(n).",
        ),
        Mistake(
            answer=lambda noise, gain: gain / math.sqrt(noise.numel()) * noise,
            hint="noise.numel() counts the weights of all units. One unit sums up only its own: noise[0].",
        ),
        Mistake(
            answer=lambda noise, gain: math.sqrt(2 / noise[0].numel()) * noise,
            hint="that is the gain of ReLU, built in. The function gets the gain as an argument.",
        ),
        Mistake(
            answer=lambda noise, gain: math.sqrt(gain / noise[0].numel()) * noise,
            hint="the gain stands outside the root: the variance is gain^2 / n.",
        ),
        Mistake(
            answer=lambda noise, gain: gain * math.sqrt(2 / (noise[0].numel() + noise[:, 0].numel())) * noise,
            hint="that is Xavier's compromise between fan-in and fan-out; He's rule takes the fan-in.",
        ),
        Mistake(
            answer=lambda noise, gain: noise / math.sqrt(noise[0].numel()),
            hint="the gain is missing: this is LeCun's rule.",
        ),
    ),
    hints=(
        "Write down the variance first, then its root. noise has variance 1.",
        "How many numbers does one unit sum up? noise[0] is the weight of one unit.",
    ),
    remark="noise[0] is what one unit multiplies its inputs by, so noise[0].numel() is the fan-in, of linear layers and convolutions.",
)


def centred_layer(f: Callable[[Tensor], Tensor], z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    y = f(z)
    deviation = (y - y.mean()).square().mean().sqrt()
    weight = noise / (deviation * math.sqrt(noise[0].numel()))
    bias = -y.mean() * weight.sum(dim=1)  # cancels what the mean of the inputs adds to each unit
    return weight, bias


def _centred(
    make: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], tuple[Tensor, Tensor]]:
    """An answer from y = f(z) and noise."""
    return lambda f, z, noise: make(f(z), noise)


def _scaled(deviation: Tensor, noise: Tensor) -> Tensor:
    return noise / (deviation * math.sqrt(noise.shape[1]))


MANY = torch.special.ndtri(torch.linspace(5e-5, 1 - 5e-5, 10_000, dtype=torch.float64))
NEXT_LAYER = torch.randn(6, 16, generator=_generator(), dtype=torch.float64)

CENTRED_LAYER = Exercise(
    number="06.4",
    title="Weights and biases for any activation",
    minutes=7,
    difficulty=3,
    solution=centred_layer,
    # Wide enough for a deviation that divides by n - 1.
    probes=(
        Probe(label="for sigmoid", arguments=(torch.sigmoid, MANY, NEXT_LAYER), tolerance=2e-3),
        Probe(label="for ReLU", arguments=(torch.relu, MANY, NEXT_LAYER), tolerance=2e-3),
        Probe(label="for tanh", arguments=(torch.tanh, MANY, NEXT_LAYER), tolerance=2e-3),
        Probe(label="for LogSigmoid", arguments=(logsigmoid, MANY, NEXT_LAYER), tolerance=2e-3),
    ),
    mistakes=(
        Mistake(
            answer=_centred(
                lambda y, noise: (
                    _scaled(y.square().mean().sqrt(), noise),
                    -y.mean() * _scaled(y.square().mean().sqrt(), noise).sum(dim=1),
                )
            ),
            hint="the bias is right for these weights, but they have the gain of f with its mean: once the bias has taken "
            "that away, only the variance of f(z) is left, and the units' mean square is below 1.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.std(), noise), torch.zeros(len(noise), dtype=noise.dtype))),
            hint="the weights are right; without a bias the mean of f(z) adds the same number to a unit for all inputs.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.std(), noise), y.mean() * _scaled(y.std(), noise).sum(dim=1))),
            hint="the bias has the wrong sign: it is to cancel what the mean adds, and you add it once more.",
        ),
        Mistake(
            answer=_centred(
                lambda y, noise: (_scaled(y.std(), noise), -y.mean().abs() * _scaled(y.std(), noise).sum(dim=1))
            ),
            hint="right where the mean of f(z) is positive; but it may be negative, and then the bias has the wrong sign.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.std(), noise), -y.mean().expand(len(noise)))),
            hint="the mean reaches a unit through its weights: multiply it by the sum of them.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.std(), noise), -y.mean() * noise.sum(dim=1))),
            hint="sum the weights that you return, not the noise that they are made of.",
        ),
        Mistake(
            answer=_centred(
                lambda y, noise: (
                    _scaled(y.std(), noise),
                    (-y.mean() * _scaled(y.std(), noise).sum()).expand(len(noise)),
                )
            ),
            hint="you summed the weights of all units: each unit has its own sum, along dim=1.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.std(), noise), -y.mean() * _scaled(y.std(), noise).sum(dim=0))),
            hint="you summed over the units: the weights of one unit are a row, so sum along dim=1.",
        ),
        Mistake(
            answer=_centred(
                lambda y, noise: (_scaled(y.std(), noise), -y.mean() * _scaled(y.std(), noise).mean(dim=1))
            ),
            hint="the mean comes in through every one of the weights: their sum counts, not their mean.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (_scaled(y.var(), noise), -y.mean() * _scaled(y.var(), noise).sum(dim=1))),
            hint="a variance is a square: numbers are divided by the standard deviation.",
        ),
        Mistake(
            answer=_centred(
                lambda y, noise: (
                    noise / (y.std() * math.sqrt(len(noise))),
                    -y.mean() * (noise / (y.std() * math.sqrt(len(noise)))).sum(dim=1),
                )
            ),
            hint="the number of outputs stands under the root: a unit sums up its inputs, noise.shape[1] of them.",
        ),
        Mistake(
            answer=_centred(
                lambda y, noise: (
                    noise / math.sqrt(noise.shape[1]),
                    -y.mean() * (noise / math.sqrt(noise.shape[1])).sum(dim=1),
                )
            ),
            hint="the mean is gone; what is left of f(z) has a variance below 1: the gain is missing.",
        ),
        Mistake(
            answer=_centred(lambda y, noise: (-y.mean() * _scaled(y.std(), noise).sum(dim=1), _scaled(y.std(), noise))),
            hint="right, but in the other order: (weight, bias).",
        ),
    ),
    hints=(
        "Take the mean away first. What are mean and variance of f(z), by sampling?",
        "A unit gets the sum of w_i x_i. What does it get if every x_i is the mean of f(z)?",
        "The weight has the standard deviation 1 / sqrt(n * Var f), n is the fan-in.",
    ),
    remark='this is the scheme "he_centred", for any f: with sigmoid it trains thirty layers.',
)


QUIZ = Quiz(
    (
        Question(
            "A network of 30 layers does not learn, at any learning rate. What do you look at first?",
            (
                Option("The learning rate", False, "Three rates changed nothing in section 1, and a look says why."),
                Option(
                    "Signal and gradient by layer, before the first update",
                    True,
                    "One forward and one backward pass show whether anything arrives.",
                ),
                Option("More steps", False, "Far below Adam's ε a gradient moves almost nothing, however often."),
            ),
        ),
        Question(
            "Why does He's rule take the mean square of f(z), and not its variance?",
            (
                Option(
                    "The next layer sums up the mean as well",
                    True,
                    "E[z^2] = n σ² E[f²], and E[f²] holds the square of the mean.",
                ),
                Option("Because ReLU has no variance", False, "It has: 0.34 for inputs from N(0, 1)."),
                Option("It makes no difference", False, "For sigmoid it does: a gain of 1.85 against 4.80."),
            ),
        ),
        Question(
            "Sigmoid with He's rule: the mean square stays 1 through 30 layers. What is wrong?",
            (
                Option("Nothing", False, "Look at what differs from input to input."),
                Option("Its outputs overflow", False, "They lie between 0 and 1."),
                Option(
                    "What stays is the mean, the same for all inputs",
                    True,
                    "What tells the inputs apart is gone, and no later layer can bring it back.",
                ),
            ),
        ),
        Question(
            "A recurrent layer with tanh: its state lies between −1 and 1. What of the gradient over 100 steps?",
            (
                Option(
                    "It lies between −1 and 1 as well", False, "With weights of gain 1.7 it grew more than 100-fold."
                ),
                Option(
                    "It may vanish or grow, depending on the weights",
                    True,
                    "Each step multiplies it by slopes and by W, and W is the same every time.",
                ),
                Option("It always vanishes", False, "With random weights of gain 1.7 it grew."),
            ),
        ),
    )
)
