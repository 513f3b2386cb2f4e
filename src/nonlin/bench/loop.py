"""Our training loop and network against the usual tutorial's, side by side: images per second, and accuracy for time.

The usual tutorial loop: a DataLoader that turns every image into a PIL picture, shifts, mirrors and normalises it by
itself; Adam; float32; the loss fetched with ``.item()`` after every update; a network of three blocks of 3x3
convolutions at full resolution. Where the difference comes from is measured in steps: first our loop with the usual
network, then our network, then bfloat16.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter, process_time

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nonlin.images.dataset import Dataset, Split
from nonlin.intervals import Estimate, ratio_interval
from nonlin.lab.networks import device, small_cnn, threads
from nonlin.lab.training import Recipe, Training, evaluate, own_randomness, train
from nonlin.signatures import MakeActivation

USUAL, OUR_LOOP, OUR_NETWORK, BFLOAT16 = (
    "usual loop, usual network",
    "our loop, usual network",
    "our loop, our network",
    "our loop, our network, bfloat16",
)
VARIANTS = (USUAL, OUR_LOOP, OUR_NETWORK, BFLOAT16)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Training speed of the variants in rounds that each holds all of them.

    Args:
        images_per_second: by variant, shape (rounds,).
        convolutions: in each block of the usual network.
        threads: processor threads.
        device: where it ran.
    """

    images_per_second: Mapping[str, Tensor]
    convolutions: int
    threads: int
    device: str

    def ratio(self, variant: str, baseline: str) -> Estimate:
        """How many times as many images per second, with a 95 % interval over the rounds."""
        return ratio_interval(self.images_per_second[variant], self.images_per_second[baseline])


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What a variant reached in a given time.

    Args:
        test_accuracy: in %.
        epochs: passes over the training images; the usual loop may stop within one.
        computing_seconds: time of all threads together; on a graphics processor, wall-clock time.
        seconds: wall-clock time.
    """

    test_accuracy: float
    epochs: float
    computing_seconds: float
    seconds: float


def usual_network(activation: MakeActivation, *, classes: int = 10, convolutions: int = 2) -> nn.Sequential:
    """Three blocks of [3x3 convolution, batch norm, activation] and a 2x2 max-pool, then two linear layers.

    Args:
        activation: makes one activation module.
        classes: number of outputs.
        convolutions: in each block: 2 as in VGG networks, 1 in the smallest tutorials.

    Shape: input (n, 3, 32, 32), output (n, classes), logits. About 551,000 parameters, with 1 convolution 357,000.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in (32, 64, 128):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), activation()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(channels * 4 * 4, 128), activation(), nn.Linear(128, classes)]
    return nn.Sequential(*layers, *head)


def throughput(
    dataset: Dataset,
    *,
    rounds: int = 5,
    seconds: float = 3.0,
    batch_size: int = 256,
    convolutions: int = 2,
    number_of_threads: int = 1,
) -> Throughput:
    """Measure the four variants in turn; every round starts with another one.

    A variant trains on from round to round, so that only its first updates, which are not counted, pay for
    preparations. Tests are left out.

    Args:
        dataset: 32x32 images.
        rounds: at least 2.
        seconds: that each variant gets in each round.
        batch_size: of all variants.
        convolutions: in each block of the usual network.
        number_of_threads: that torch may use.
    """
    with threads(number_of_threads), own_randomness(0):
        loops = _loops(dataset, batch_size, convolutions)
        for loop in loops.values():
            loop(0.0)  # preparations
        speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for number in range(rounds):
            start = number % len(VARIANTS)
            for variant in (*VARIANTS[start:], *VARIANTS[:start]):
                speeds[variant].append(_images_per_second(loops[variant], seconds))
    measured = {variant: torch.tensor(values) for variant, values in speeds.items()}
    return Throughput(
        images_per_second=measured, convolutions=convolutions, threads=number_of_threads, device=device().type
    )


def _images_per_second(loop: Callable[[float], int], seconds: float) -> float:
    started = perf_counter()
    images = loop(seconds)
    if device().type != "cpu":
        torch.accelerator.synchronize()
    return images / (perf_counter() - started)


def _loops(dataset: Dataset, batch_size: int, convolutions: int) -> dict[str, Callable[[float], int]]:
    """For each variant, a function that trains on for some seconds and returns the number of images."""
    one = Split(images=dataset.test.images[:1], labels=dataset.test.labels[:1])
    untested = replace(dataset, test=one)  # a test at the end of an epoch then takes no time
    loops: dict[str, Callable[[float], int]] = {USUAL: _UsualLoop(dataset, batch_size, convolutions).train}
    for variant in VARIANTS[1:]:
        model = _network(variant, convolutions)(nn.ReLU, classes=len(dataset.classes))
        model = model.to(device(), memory_format=torch.channels_last)
        recipe = Recipe(epochs=1000, batch_size=batch_size, learning_rate=_learning_rate(variant))
        training = Training(model, untested, recipe, precision=_precision(variant), observer=None)
        loops[variant] = partial(_train_on, training)
    return loops


def _network(variant: str, convolutions: int) -> Callable[..., nn.Module]:
    return partial(usual_network, convolutions=convolutions) if variant == OUR_LOOP else small_cnn


def _learning_rate(variant: str) -> float:
    return 0.1 if variant == OUR_LOOP else Recipe().learning_rate  # the usual network does not scale its outputs down


def _precision(variant: str) -> str:
    return "bfloat16" if variant == BFLOAT16 else "float32"


class _TimeIsUp(Exception):
    """Stops a training between two updates."""


def _train_on(training: Training, seconds: float) -> int:
    """Go on with a training for some seconds, at least one update, and return the number of images."""
    before, started = _images(training), perf_counter()

    def pause() -> None:
        if perf_counter() - started >= seconds:
            raise _TimeIsUp

    with suppress(_TimeIsUp):
        training.run(progress=False, pause=pause)
    return _images(training) - before


def _images(training: Training) -> int:
    """How many images a training has seen."""
    sizes = training.batches.sizes()
    return int(len(training.epochs) * sizes.sum() + sizes[: training.position].sum())


class _UsualLoop:
    """The tutorial's loop, one update at a time."""

    def __init__(self, dataset: Dataset, batch_size: int, convolutions: int) -> None:
        from torchvision import transforms  # takes a second to import, so only here

        self.model = usual_network(nn.ReLU, classes=len(dataset.classes), convolutions=convolutions).to(device())
        self.optimizer = torch.optim.Adam(self.model.parameters())
        transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(dataset.mean.tolist(), dataset.std.tolist()),
            ]
        )
        self.loader = torch.utils.data.DataLoader(_Images(dataset.train, transform), batch_size, shuffle=True)
        self.batches = self._endless()

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def train(self, seconds: float) -> int:
        """Go on for some seconds, at least one update, and return the number of images."""
        started, images, loss_sum = perf_counter(), 0, 0.0
        self.model.train()
        for x, target in self.batches:
            x, target = x.to(device()), target.to(device())
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(x), target)
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item()
            images += len(target)
            if perf_counter() - started >= seconds:
                break
        return images


class _Images(torch.utils.data.Dataset):
    """Images as a tutorial's data set gives them: one by one, each transformed by itself."""

    def __init__(self, split: Split, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images = split.images.permute(0, 2, 3, 1).contiguous().numpy()  # (n, 32, 32, 3), as torchvision keeps them
        self.labels, self.transform = split.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def accuracies(
    dataset: Dataset, measured: Throughput, *, seconds: float = 60.0, batch_size: int = 256
) -> dict[str, Accuracy | None]:
    """Test accuracy of each variant after about the same time of computing, one seed each.

    The usual loop stops when its time is up. Ours must know its number of epochs beforehand, because the learning rate
    falls to 0 at the end: as many as fit into the time at the speed that was measured, rounded down. On a processor the
    time is that of all threads together (``process_time``), so that other programs on the machine do not count.

    Args:
        dataset, batch_size: as for `throughput`.
        measured: from `throughput`, on the same machine.
        seconds: of each variant, on each thread.

    Returns:
        By variant; None where not even one epoch fits.
    """
    with threads(measured.threads), own_randomness(0):
        reached: dict[str, Accuracy | None] = {USUAL: _usual_accuracy(dataset, measured, seconds, batch_size)}
        for variant in VARIANTS[1:]:
            speed = measured.images_per_second[variant].median().item()
            # A test has no backward pass: an image takes about a third of the time.
            epochs = int(seconds * speed / (len(dataset.train.labels) + len(dataset.test.labels) / 3))
            reached[variant] = _our_accuracy(dataset, measured, variant, epochs, batch_size) if epochs else None
    return reached


def _clock() -> tuple[float, float]:
    """Computing time and wall-clock time."""
    now = perf_counter()
    return (process_time() if device().type == "cpu" else now), now


def _usual_accuracy(dataset: Dataset, measured: Throughput, seconds: float, batch_size: int) -> Accuracy:
    loop, (started, wall), images = _UsualLoop(dataset, batch_size, measured.convolutions), _clock(), 0
    budget = seconds * (measured.threads if device().type == "cpu" else 1)
    while _clock()[0] - started < budget:
        images += loop.train(0.0)  # one update
    computing, now = _clock()
    return Accuracy(
        test_accuracy=evaluate(loop.model, dataset)[1],
        epochs=images / len(dataset.train.labels),
        computing_seconds=computing - started,
        seconds=now - wall,
    )


def _our_accuracy(dataset: Dataset, measured: Throughput, variant: str, epochs: int, batch_size: int) -> Accuracy:
    recipe = Recipe(epochs=epochs, batch_size=batch_size, learning_rate=_learning_rate(variant))
    network, (started, wall) = _network(variant, measured.convolutions), _clock()
    result = train(nn.ReLU, dataset, recipe, network=network, precision=_precision(variant), progress=False)
    computing, now = _clock()
    return Accuracy(
        test_accuracy=result.test_accuracy,
        epochs=epochs,
        computing_seconds=computing - started,
        seconds=now - wall,
    )


def report(measured: Throughput, reached: Mapping[str, Accuracy | None] | None = None) -> str:
    """The comparison in words and numbers."""
    rounds = len(measured.images_per_second[USUAL])
    lines = [
        f"Training speed on {measured.device}, {measured.threads} thread(s), {rounds} rounds of all in rotated order; "
        f"ratios with 95 % intervals; the usual network has 3 blocks of {measured.convolutions} convolution(s)",
        "",
    ]
    for variant in VARIANTS:
        speed = measured.images_per_second[variant].median().item()
        ratio = "" if variant == USUAL else f"  {measured.ratio(variant, USUAL)} times the usual"
        lines.append(f"{variant:32} {speed:8,.0f} images/s{ratio}")
    lines += [
        "",
        f"The loop brings a factor of {measured.ratio(OUR_LOOP, USUAL)}, the network "
        f"{measured.ratio(OUR_NETWORK, OUR_LOOP)}, bfloat16 {measured.ratio(BFLOAT16, OUR_NETWORK)}.",
    ]
    if reached:
        lines += ["", "Test accuracy after equal computing time, one seed (spread about 0.6 points)", ""]
        lines += [f"{variant:32} {_in_words(accuracy)}" for variant, accuracy in reached.items()]
    return "\n".join(lines)


def _in_words(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "not one epoch in this time"
    return (
        f"{accuracy.test_accuracy:5.1f} %  {accuracy.epochs:4.1f} epochs, {accuracy.computing_seconds:.0f} s of "
        f"computing, {accuracy.seconds:.0f} s on the clock"
    )
