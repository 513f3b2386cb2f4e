"""Output layers put to the test (lesson 10): many small networks side by side, on data whose exact answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.toys.batched import Parameters, as_linear, cross_entropy, outputs, train_by

Loss = Callable[[Tensor], Tensor]  # from the outputs (seeds, n, width) to one number a seed


def one_against_rest(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of one sigmoid per class, each asked "this class or not?"; shapes as in :func:`cross_entropy`."""
    targets = F.one_hot(labels, logits.shape[-1]).to(logits.dtype)
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return each.sum(dim=2).mean(dim=1)


def networks(parameters: Parameters, x: Tensor) -> Tensor:
    """The outputs of networks with ReLU, (seeds, n, outputs), for inputs (seeds, n, features) or (n, features)."""
    return outputs(parameters, x, torch.relu)


def minimise(parameters: Parameters, x: Tensor, loss: Loss, *, steps: int, learning_rate: float) -> Tensor:
    """Full-batch training with Adam.

    Args:
        parameters: of networks with ReLU; trained in place.
        x: inputs, shape (seeds, n, d) or (n, d).
        loss: from the outputs to one number a seed.
        steps: updates.
        learning_rate: of Adam.

    Returns:
        The losses before each step, shape (steps, seeds).
    """
    return train_by(torch.optim.Adam(parameters, lr=learning_rate), lambda: loss(networks(parameters, x)), steps)


# Clouds of points: every class is normally distributed around its own centre, so that Bayes' rule gives the answer.


def clouds(counts: Sequence[int], centres: Tensor, *, seeds: int, first_seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points of several classes, each drawn from N(centre, 1), sorted by class.

    Args:
        counts: points of each class.
        centres: (classes, d).
        seeds: independent draws.
        first_seed: of the first draw; the others follow.

    Returns:
        Points (seeds, n, d) and labels, int64 (seeds, n).
    """
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    generators = [torch.Generator().manual_seed(first_seed + seed) for seed in range(seeds)]
    noise = torch.stack([torch.randn(len(labels), centres.shape[1], generator=g) for g in generators])
    return centres[labels] + noise, labels.expand(seeds, -1)


def exact_logits(points: Tensor, centres: Tensor, priors: Sequence[float]) -> Tensor:
    """Log prior plus log density of :func:`clouds`, but for a constant: perfect logits, shape (..., classes)."""
    squares = (points.unsqueeze(-2) - centres).square().sum(dim=-1)
    return torch.tensor(priors).log() - squares / 2


# Imbalance

PRIORS = (0.9, 0.08, 0.02)
CENTRES = torch.tensor([[0.0, 0.0], [2.5, 0.0], [0.0, 2.5]])


@dataclass(frozen=True, kw_only=True, eq=False)
class Imbalanced:
    """How one remedy for imbalance did on test points of the same rarity as in training.

    Args:
        recall: share of the points of each class that are found, (seeds, classes).
        accuracy: share of all points that are right, (seeds,).
        log_loss: mean of -log of the probability given to the true class, in nats, (seeds,).
        announced: mean probability given to the rarest class, (seeds,); its true share is the last of ``PRIORS``.
        rare: probability given to the rarest class at each test point by the first network, (n,).
    """

    recall: Tensor
    accuracy: Tensor
    log_loss: Tensor
    announced: Tensor
    rare: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Imbalance:
    """The experiment on imbalance.

    Args:
        remedies: by name, ``"exact probabilities"`` among them, which nobody can beat in accuracy or log loss.
        exact_rare: the true probability of the rarest class at each test point, (n,).
    """

    remedies: dict[str, Imbalanced]
    exact_rare: Tensor


@cache
def imbalance(*, seeds: int = 10, n: int = 1000, test_n: int = 20_000, hidden: int = 16, steps: int = 120) -> Imbalance:
    """Train on classes that make up 90, 8 and 2 % of the points, with and without each of the usual remedies.

    All remedies see the same ``n`` points and start from the same weights, seed by seed.

    Args:
        seeds: independent training sets and networks.
        n: training points.
        test_n: test points, common to all seeds.
        hidden: units of the one hidden layer.
        steps: of Adam at 0.03.
    """
    counts = [round(n * prior) for prior in PRIORS]
    points, labels = clouds(counts, CENTRES, seeds=seeds)
    test, truth = (t[0] for t in clouds([round(test_n * prior) for prior in PRIORS], CENTRES, seeds=1, first_seed=9999))
    priors = torch.tensor(PRIORS)

    def trained(x: Tensor, loss: Loss) -> Tensor:
        parameters = as_linear(seeds, [2, hidden, len(PRIORS)])
        minimise(parameters, x, loss, steps=steps, learning_rate=0.03)
        with torch.no_grad():
            return networks(parameters, test)

    weights = 1 / (len(PRIORS) * priors)
    over, over_labels = _resampled(points, labels, counts, max(counts))
    under, under_labels = _resampled(points, labels, counts, min(counts))
    plain = trained(points, lambda z: cross_entropy(z, labels))
    weighted = trained(points, lambda z: cross_entropy(z, labels, weights))
    sigmoids = trained(points, lambda z: one_against_rest(z, labels))
    exact = exact_logits(test, CENTRES, PRIORS).unsqueeze(0)
    remedies = {
        "nothing": _judged(plain, truth),
        "class weights": _judged(weighted, truth),
        "oversampling": _judged(trained(over, lambda z: cross_entropy(z, over_labels)), truth),
        "undersampling": _judged(trained(under, lambda z: cross_entropy(z, under_labels)), truth),
        # The decision is made without the priors; the probabilities stay as they were.
        "decide without priors": _judged(plain, truth, decide=plain - priors.log()),
        "one sigmoid a class": _judged(F.logsigmoid(sigmoids), truth),
        "exact probabilities": _judged(exact, truth),
    }
    return Imbalance(remedies=remedies, exact_rare=exact[0].softmax(dim=-1)[:, -1])


def _resampled(points: Tensor, labels: Tensor, counts: Sequence[int], each: int) -> tuple[Tensor, Tensor]:
    """``each`` points of every class: without replacement where there are enough, else all and some again."""
    rows = []
    for seed in range(len(points)):
        generator, start, chosen = torch.Generator().manual_seed(seed), 0, []
        for count in counts:
            order = torch.randperm(count, generator=generator)[:each]
            more = torch.randint(count, (each - len(order),), generator=generator)
            chosen.append(start + torch.cat([order, more]))
            start += count
        rows.append(torch.cat(chosen))
    rows = torch.stack(rows)
    return points.gather(1, rows.unsqueeze(-1).expand(-1, -1, points.shape[2])), labels.gather(1, rows)


def _judged(logits: Tensor, truth: Tensor, *, decide: Tensor | None = None) -> Imbalanced:
    logs = logits.log_softmax(dim=-1)  # (seeds, n, classes)
    right = ((logits if decide is None else decide).argmax(dim=-1) == truth).float()
    recall = [right[:, truth == k].mean(dim=1) for k in range(logits.shape[-1])]
    return Imbalanced(
        recall=torch.stack(recall, dim=1),
        accuracy=right.mean(dim=1),
        log_loss=-logs.gather(2, truth.expand(len(logs), -1).unsqueeze(-1)).mean(dim=(1, 2)),
        announced=logs[..., -1].exp().mean(dim=1),
        rare=logs[0, :, -1].exp(),
    )


# A second softmax


@dataclass(frozen=True, kw_only=True, eq=False)
class Classified:
    """How classifiers with one kind of output did.

    Args:
        losses: what was minimised, before each step, (steps, seeds).
        accuracy: on test points, (seeds,).
        log_loss: of the softmax of the last linear layer, on test points, in nats, (seeds,).
        lost: number of classes of which fewer than one test point in ten is found, (seeds,).
    """

    losses: Tensor
    accuracy: Tensor
    log_loss: Tensor
    lost: Tensor


@cache
def double_softmax(
    *, classes: int = 10, spread: float = 1.2, seeds: int = 10, n: int = 500, steps: int = 100
) -> dict[str, Classified]:
    """Networks that differ only in what is passed to the cross-entropy: logits, or probabilities by mistake.

    Ten clouds in ten dimensions, which overlap. Both are judged by the softmax of their last linear layer.

    Args:
        classes: number of clouds, each around ``spread`` times a random point from N(0, I).
        spread: distance of the clouds; at 3 they hardly overlap.
        seeds: independent training sets and networks.
        n: training points, and test points.
        steps: of Adam at 0.01.
    """
    centres = spread * torch.randn(classes, 10, generator=torch.Generator().manual_seed(0))
    points, labels = clouds([n // classes] * classes, centres, seeds=seeds)
    test, truth = clouds([n // classes] * classes, centres, seeds=seeds, first_seed=9999)
    found = {}
    for name, before_the_loss in {"logits": lambda z: z, "softmax": lambda z: z.softmax(dim=-1)}.items():
        parameters = as_linear(seeds, [10, 32, classes])
        losses = minimise(
            parameters,
            points,
            lambda z, f=before_the_loss: cross_entropy(f(z), labels),
            steps=steps,
            learning_rate=0.01,
        )
        with torch.no_grad():
            logits = networks(parameters, test)
        right = (logits.argmax(dim=-1) == truth).float()
        recall = right.view(seeds, classes, -1).mean(dim=2)  # the points are sorted by class
        found[name] = Classified(
            losses=losses,
            accuracy=right.mean(dim=1),
            log_loss=cross_entropy(logits, truth),
            lost=(recall < 0.1).float().sum(dim=1),
        )
    return found


# Targets that are never negative


@dataclass(frozen=True, kw_only=True, eq=False)
class Regressed:
    """How networks with one kind of output did; each of shape (seeds,).

    Args:
        dead_at_start: whether the output is 0 for every training point before training.
        dead: the same after training.
        error: root mean square error on test points, over the standard deviation of the targets.
        negative: share of the predictions that are below 0.
        zeros: share of the predictions that are exactly 0.
    """

    dead_at_start: Tensor
    dead: Tensor
    error: Tensor
    negative: Tensor
    zeros: Tensor


TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    # Rain: nothing at all on most days. f is a smooth wave over the plane.
    "half zeros": lambda f: f.clamp(min=0),
    "positive": lambda f: torch.exp(f),
}


@cache
def non_negative(
    output: Callable[[Tensor], Tensor],
    target: str,
    *,
    start_at_mean: Callable[[Tensor], Tensor] | None = None,
    clamped: bool = False,
    seeds: int = 30,
    n: int = 200,
    steps: int = 120,
) -> Regressed:
    """Regression of a target that is never negative on four numbers, with squared error.

    Args:
        output: applied to the last linear layer's single number.
        target: one of ``TARGETS``.
        start_at_mean: the inverse of ``output``, so that the last bias starts where the output is the mean of the
            training targets; by default it starts where torch draws it.
        clamped: whether predictions below 0 are raised to 0 after training.
        seeds: independent training sets and networks.
        n: training points.
        steps: of Adam at 0.01.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    x = torch.stack([torch.randn(n + 500, 4, generator=g) for g in generators])
    y = TARGETS[target](torch.sin(2 * x[..., 0]) + x[..., 1] * x[..., 2] / 2)
    parameters = as_linear(seeds, [4, 32, 32, 1])
    if start_at_mean:
        parameters[-1].data[:, 0, 0] = start_at_mean(y[:, :n].mean(dim=1))

    def predict(rows: Tensor) -> Tensor:
        return output(networks(parameters, rows).squeeze(-1))  # (seeds, n)

    with torch.no_grad():
        dead_at_start = (predict(x[:, :n]) == 0).all(dim=1)
    minimise(
        parameters,
        x[:, :n],
        lambda z: (output(z.squeeze(-1)) - y[:, :n]).square().mean(dim=1),
        steps=steps,
        learning_rate=0.01,
    )
    with torch.no_grad():
        found, seen = predict(x[:, n:]), predict(x[:, :n])
    if clamped:
        found = found.clamp(min=0)
    return Regressed(
        dead_at_start=dead_at_start,
        dead=(seen == 0).all(dim=1),
        error=(found - y[:, n:]).square().mean(dim=1).sqrt() / y[:, n:].std(dim=1),
        negative=(found < 0).float().mean(dim=1),
        zeros=(found == 0).float().mean(dim=1),
    )


def inverse_softplus(y: Tensor) -> Tensor:
    """log(exp(y) - 1), for y above 0."""
    return y + torch.log(-torch.expm1(-y))


# Several labels at once


@cache
def several_labels(*, labels: int = 3, seeds: int = 10, n: int = 500, steps: int = 100) -> dict[str, Tensor]:
    """Points that may carry several labels at once, learned with one sigmoid a label and with a softmax.

    Label k is drawn with the probability sigmoid(4 x_k), so that all, some or none of the labels may be right. Both
    networks are trained by binary cross-entropy for each label, the sigmoids on their logits, the softmax on its
    probabilities, which have no other form; a label is said where the output exceeds the threshold that suits the
    training points best, which is chosen for each network.

    Args:
        labels: and as many inputs.
        seeds: independent training sets and networks.
        n: training points, and test points.
        steps: of Adam at 0.03.

    Returns:
        By kind of output, the share of test points with all labels right, (seeds,).
    """
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    x = torch.stack([torch.randn(2 * n, labels, generator=g) for g in generators])
    drawn = torch.stack([torch.rand(2 * n, labels, generator=g) for g in generators])
    y = (drawn < torch.sigmoid(4 * x)).float()
    found = {}
    kinds: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]] = {
        "sigmoids": (torch.sigmoid, F.binary_cross_entropy_with_logits),
        "softmax": (lambda z: z.softmax(-1), lambda z, y, **kw: F.binary_cross_entropy(z.softmax(-1), y, **kw)),
    }
    for name, (output, loss) in kinds.items():
        parameters = as_linear(seeds, [labels, 16, labels])

        def each(z: Tensor, f: Callable[..., Tensor] = loss) -> Tensor:
            return f(z, y[:, :n], reduction="none").mean(dim=(1, 2))

        minimise(parameters, x[:, :n], each, steps=steps, learning_rate=0.03)
        with torch.no_grad():
            said = output(networks(parameters, x))
        thresholds = torch.linspace(0.05, 0.95, 19)
        right = ((said.unsqueeze(-1) > thresholds) == (y.unsqueeze(-1) > 0.5)).all(dim=2).float()  # (seeds, 2n, 19)
        best = right[:, :n].mean(dim=1).argmax(dim=1)
        found[name] = right[:, n:].mean(dim=1).gather(1, best.unsqueeze(1)).squeeze(1)
    return found


# Calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """How often answers are right, by how sure they are; intervals of confidence that hold no answer are left out.

    Args:
        confidence: mean of the largest probability in each interval, (bins,).
        right: share of the answers in it that are right, (bins,).
        share: share of all answers that fall into it, (bins,).
    """

    confidence: Tensor
    right: Tensor
    share: Tensor

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the gap between confidence and right answers, averaged over the answers."""
        return (self.share * (self.right - self.confidence).abs()).sum().item()


def reliability(probabilities: Tensor, truth: Tensor, *, bins: int = 10) -> Reliability:
    """Sort answers by their confidence into intervals of equal width.

    Args:
        probabilities: (n, classes).
        truth: int64 (n,).
        bins: number of intervals between 0 and 1.
    """
    confidence, said = probabilities.max(dim=-1)
    number = (confidence * bins).long().clamp(max=bins - 1)
    counts = number.bincount(minlength=bins).to(confidence.dtype)
    full = counts > 0
    means = [
        number.bincount(each.to(confidence.dtype), bins)[full] / counts[full] for each in (confidence, said == truth)
    ]
    return Reliability(confidence=means[0], right=means[1], share=counts[full] / len(truth))


def smoothed(logits: Tensor, labels: Tensor, *, by: float = 0.1) -> Tensor:
    """Cross-entropy with label smoothing: the share ``by`` of the target is spread evenly over all classes."""
    return (1 - by) * cross_entropy(logits, labels) - by * logits.log_softmax(dim=-1).mean(dim=(1, 2))


def focal(logits: Tensor, labels: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Focal loss, -(1 - p)^gamma log p of the right class's probability p: what is known already counts less."""
    logs = logits.log_softmax(dim=-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return ((1 - logs.exp()) ** gamma * -logs).mean(dim=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """How far a classifier's probabilities can be trusted; each of shape (seeds,).

    Args:
        accuracy: on test points; a temperature does not change it.
        error: expected calibration error.
        log_loss: in nats.
        temperature: that suits other, held-out points best.
        scaled_error: expected calibration error at that temperature.
        scaled_log_loss: log loss at that temperature.
        moved: share of the answers that this temperature changes.
        least_error: expected calibration error of the true probabilities, on the same test points.
    """

    accuracy: Tensor
    error: Tensor
    log_loss: Tensor
    temperature: Tensor
    scaled_error: Tensor
    scaled_log_loss: Tensor
    moved: Tensor
    least_error: Tensor


Loss = Callable[[Tensor, Tensor], Tensor]
TRAINED_BY: dict[str, Loss] = {
    "cross-entropy": cross_entropy,
    "label smoothing 0.1": smoothed,
    "focal loss, γ = 2": focal,
}
TEMPERATURES = torch.logspace(-0.5, 1, 76)


@cache
def calibration(**size: float) -> dict[str, Calibrated]:
    """Small networks on ten overlapping clouds, by each loss; ``size`` is passed to :func:`overfitted`."""
    return {name: overfitted(loss, **size)(0.0) for name, loss in TRAINED_BY.items()}


def overfitted(
    loss: Loss, *, spread: float = 0.8, seeds: int = 10, n: int = 500, test_n: int = 4000, steps: int = 200
) -> Callable[[float], Calibrated]:
    """Train small networks on ten overlapping clouds, longer than is good for their probabilities.

    Args:
        loss: of logits (seeds, n, 10) and labels (seeds, n), one number a network.
        spread: distance of the clouds.
        seeds: independent training sets and networks.
        n: training points, and as many held out for the temperature.
        test_n: test points, common to all seeds.
        steps: of Adam at 0.01.

    Returns:
        What tests them on clouds to which noise of a given standard deviation was added: the clouds themselves have 1.
    """
    centres = spread * torch.randn(10, 10, generator=torch.Generator().manual_seed(0))
    points, labels = clouds([n // 10] * 10, centres, seeds=seeds)
    held_out, their_labels = clouds([n // 10] * 10, centres, seeds=seeds, first_seed=5000)
    test, truth = clouds([test_n // 10] * 10, centres, seeds=1, first_seed=9999)
    truth = truth.expand(seeds, -1)
    parameters = as_linear(seeds, [10, 32, 10])
    minimise(parameters, points, lambda logits: loss(logits, labels), steps=steps, learning_rate=0.01)
    with torch.no_grad():
        held = networks(parameters, held_out)
    best = torch.stack([cross_entropy(held / t, their_labels) for t in TEMPERATURES]).argmin(dim=0)

    def tested(noise: float) -> Calibrated:
        noisy = test + noise * torch.randn(test.shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            logits = networks(parameters, noisy)
        scaled = logits / TEMPERATURES[best].view(-1, 1, 1)
        true_logits = exact_logits(noisy, centres, [0.1] * 10) / (1 + noise**2)
        said = logits.argmax(dim=-1)
        return Calibrated(
            accuracy=(said == truth).float().mean(dim=1),
            error=_errors(logits, truth),
            log_loss=cross_entropy(logits, truth),
            temperature=TEMPERATURES[best],
            scaled_error=_errors(scaled, truth),
            scaled_log_loss=cross_entropy(scaled, truth),
            moved=(scaled.argmax(dim=-1) != said).float().mean(dim=1),
            least_error=_errors(true_logits, truth[:1]).expand(seeds),
        )

    return tested


def _errors(logits: Tensor, truth: Tensor) -> Tensor:
    return torch.tensor([reliability(z.softmax(-1), y).expected_error for z, y in zip(logits, truth, strict=True)])
