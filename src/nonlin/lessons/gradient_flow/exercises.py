"""Exercises and quiz of lesson 06, gradient flow and initialisation."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz


def sampled_gain(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    return 1 / f(z).square().mean().sqrt()


NORMAL = torch.special.ndtri(torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64))  # quantiles of N(0, 1)

GAIN = Exercise(
    number="06.1",
    title="The gain of any activation, by sampling",
    minutes=5,
    difficulty=1,
    solution=sampled_gain,
    probes=(
        Probe(label="for ReLU", arguments=(torch.relu, NORMAL), tolerance=1e-9),
        Probe(label="for sigmoid", arguments=(torch.sigmoid, NORMAL), tolerance=1e-9),
        Probe(label="for tanh", arguments=(torch.tanh, NORMAL), tolerance=1e-9),
    ),
    mistakes=(
        Mistake(
            answer=lambda f, z: 1 / f(z).std(),
            hint="that is the standard deviation: it leaves the mean out, but the next layer sums the mean up like "
            "everything else. The mean square counts.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).std(correction=0),
            hint="that is the standard deviation, divided by n: it leaves out the mean. The mean square counts.",
        ),
        Mistake(
            answer=lambda f, z: (z.square().mean() / f(z).square().mean()).sqrt(),
            hint="nearly: you put the mean square of these very draws on top. That of N(0, 1) is 1, exactly.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).square().mean(),
            hint="a mean square is a square: the gain multiplies numbers, so a root is missing.",
        ),
        Mistake(
            answer=lambda f, z: f(z).square().mean().sqrt(),
            hint="that is what the activation leaves of the signal. The gain makes up for it.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).mean().square().sqrt(),
            hint="you squared the mean; square first, then take the mean.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).abs().mean(),
            hint="the mean size is not the root of the mean square: variances of independent terms add up, sizes do not.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).var(),
            hint="two steps are wrong: a variance leaves the mean out, where the mean square counts; and the gain multiplies "
            "numbers and not squares, so a root is missing.",
        ),
        Mistake(
            answer=lambda f, z: z.std() / f(z).std(),
            hint="that compares two standard deviations, which leave the means out: the next layer sums them up, so the mean "
            "square of f(z) counts. And that of z is 1.",
        ),
        Mistake(
            answer=lambda f, z: 1 / f(z).square().sum().sqrt(),
            hint="you summed the squares: take their mean, so that the number of draws does not matter.",
        ),
    ),
    hints=(
        "z are draws from N(0, 1). What is the mean square of f(z)?",
        "If the mean square is multiplied by E, by what must numbers be multiplied to undo that?",
    ),
    remark="with draws instead of an integral the gain of anything can be had, of a function you invented too.",
)


def he_weights(noise: Tensor, gain: float) -> Tensor:
    fan_in = noise[0].numel()
    return gain / math.sqrt(fan_in) * noise


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


INITIALISER = Exercise(
    number="06.2",
    title="Find the bugs: an initialiser",
    minutes=10,
    difficulty=2,
    solution=he_weights,
    probes=(
        Probe(label="for nn.Linear(16, 64)", arguments=(torch.randn(64, 16, generator=_generator()), 2**0.5)),
        Probe(
            label="for nn.Conv2d(4, 8, 3), whose weight is (8, 4, 3, 3)",
            arguments=(torch.randn(8, 4, 3, 3, generator=_generator()), 1.6),
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
            answer=lambda noise, gain: noise / math.sqrt(noise[0].numel()),
            hint="the gain is missing: this is LeCun's rule.",
        ),
    ),
    hints=(
        "Write down the variance first, then its root. noise has variance 1.",
        "How many numbers does one unit sum up? noise[0] is the weight of one unit.",
    ),
    remark="noise[0] is what one unit multiplies its inputs by, so noise[0].numel() is the fan-in of any layer.",
)


def gradient_shrinks_by() -> float:
    factor_per_layer = math.sqrt(1 / 3 * 1 / 2)  # the weights, and the half of the slopes that are 1
    return (1 / factor_per_layer) ** 20


SHRINKS = Exercise(
    number="06.3",
    title="Predict the gradient, 20 layers down",
    minutes=5,
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


def lecun_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    torch.manual_seed(seed)
    return nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="linear")


def _drawn(
    fill: Callable[[Tensor], Tensor],
) -> Callable[[tuple[int, ...], int], Tensor]:
    """Another initialiser of torch with the same arguments."""

    def draw(shape: tuple[int, ...], seed: int) -> Tensor:
        torch.manual_seed(seed)
        return fill(torch.empty(shape))

    return draw


LECUN_NORMAL = Exercise(
    number="06.4",
    title="The initialiser that torch does not have",
    minutes=10,
    difficulty=2,
    solution=lecun_normal,
    probes=(
        Probe(label="for shape (64, 32)", arguments=((64, 32), 1), tolerance=1e-6),
        Probe(label="for shape (16, 8, 3, 3)", arguments=((16, 8, 3, 3), 2), tolerance=1e-6),
    ),
    mistakes=(
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_normal_(w, nonlinearity="selu")),
            hint="torch's gain for SELU is 3/4, and section 6 shows what that does in 50 layers. LeCun's gain is 1.",
        ),
        Mistake(
            answer=_drawn(nn.init.kaiming_normal_),
            hint="without a nonlinearity, kaiming_normal_ takes that of LeakyReLU: a gain of √2. LeCun's gain is 1.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear")),
            hint="LeCun's rule keeps the signal on its way up: it divides by the fan-in.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear")),
            hint="the right standard deviation, but uniform draws: the exercise asks for normal ones.",
        ),
        Mistake(
            answer=_drawn(nn.init.xavier_normal_),
            hint="Xavier divides by the mean of fan-in and fan-out: equal to LeCun's only where the two are equal.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / math.sqrt(w.shape[1]))),
            hint="shape[1] is the fan-in of a linear layer. Each unit of a convolution sums over the positions of its kernel "
            "as well: count the numbers of w[0], or let torch count.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / math.sqrt(w.shape[0]))),
            hint="shape[0] is the number of outputs, which is not the fan-in.",
        ),
        Mistake(
            answer=_drawn(lambda w: nn.init.normal_(w, std=1 / w[0].numel())),
            hint="1/n is the variance; std wants its root.",
        ),
        Mistake(
            answer=_drawn(nn.init.normal_),
            hint="standard deviation 1, whatever the fan-in: a signal grows by √n in every layer.",
        ),
    ),
    hints=(
        "Which initialiser of torch.nn.init divides by the root of the fan-in, and which gain does it need here?",
        "For which nonlinearity does calculate_gain return 1?",
    ),
    remark="and for a convolution it counts the fan-in for you.",
)


def share_of_dead_units(z: Tensor) -> Tensor:
    return (z <= 0).all(dim=0).double().mean()


BATCH = torch.tensor(
    [
        [-1.0, 2.0, 0.0, -1.0, -3.0],
        [-2.0, -1.0, -1.0, 3.0, -1.0],
        [-0.5, 1.0, -4.0, -1.0, 1.0],
        [-1.0, 1.0, -1.0, -2.0, -1.0],
    ]
)

DEAD = Exercise(
    number="06.5",
    title="Count the dead",
    minutes=5,
    difficulty=1,
    solution=share_of_dead_units,
    probes=(
        Probe(label="for 4 images and 5 units", arguments=(BATCH,)),
        Probe(label="for 4 images and 3 units, of which none is dead", arguments=(BATCH[:, [1, 3, 4]],)),
        Probe(label="for 1 image", arguments=(BATCH[:1],)),
    ),
    mistakes=(
        Mistake(
            answer=lambda z: (z <= 0).double().mean(),
            hint="that is the share of outputs that are 0. A unit that is off for one image is not dead.",
        ),
        Mistake(
            answer=lambda z: (z < 0).all(dim=0).double().mean(),
            hint="at exactly 0 torch's ReLU has slope 0 as well: no gradient passes there.",
        ),
        Mistake(
            answer=lambda z: (z <= 0).any(dim=0).double().mean(),
            hint="any: that counts each unit that is off for a single image. Dead means off for all of them.",
        ),
        Mistake(
            answer=lambda z: (z <= 0).all(dim=1).double().mean(),
            hint="you went along the units: that is the share of images that no unit answers to.",
        ),
        Mistake(
            answer=lambda z: (z.mean(dim=0) <= 0).double().mean(),
            hint="a mean below 0 is not enough: a unit that is on for one image of many is alive.",
        ),
        Mistake(
            answer=lambda z: (z <= 0).all(dim=0).double().sum(),
            hint="that is their number; the share is asked for.",
        ),
    ),
    hints=(
        "A unit is a column of z. It is dead if its slope is 0 for every image.",
        "Compare, then all(dim=0), then the mean over units, as float64: .double().mean().",
    ),
    remark="with 1 image every unit that is off counts as dead: the resolution of such a count is the number of images.",
)

QUIZ = Quiz(
    (
        Question(
            "A network of 30 layers does not learn, at any learning rate. What do you look at first?",
            (
                Option("The optimizer", False, "Adam and three learning rates changed nothing in section 1."),
                Option(
                    "Signal and gradient by layer, before the first update",
                    True,
                    "One forward and one backward pass show whether anything arrives.",
                ),
                Option("More steps", False, "A gradient that is 0 for all practical purposes stays so."),
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
            "What did He initialisation do to dead units in section 7, compared with torch's default?",
            (
                Option(
                    "Fewer at the start, more after training at the same rate",
                    True,
                    "The signal arrives, and so does the gradient: the same learning rate makes larger steps.",
                ),
                Option("It prevented them", False, "At the higher rate it lost more units than torch's default."),
                Option("Nothing at all", False, "Before the first update fewer of its units were dead."),
            ),
        ),
    )
)
