"""Training a network on small images: one recipe, curves in TensorBoard, the same result for the same seed."""

import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm

from nonlin.errors import ReaderError
from nonlin.images.dataset import Dataset
from nonlin.lab import tracking
from nonlin.lab.initialisation import initialise
from nonlin.lab.networks import count_parameters, device, device_name, small_cnn
from nonlin.lab.networks import threads as processor_threads
from nonlin.lab.precision import autocast, decide
from nonlin.signatures import MakeActivation

LOG_EVERY = 20  # updates between two points of the training loss; each point is their mean
TEST_BATCH = 1000


class BatchError(ReaderError, ValueError):
    """The last batch of an epoch is too small for the network."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Stochastic gradient descent with Nesterov momentum; the learning rate rises linearly to its peak and falls linearly
    to 0; cross-entropy with smoothed labels; images shifted and mirrored at random.

    Args:
        epochs: passes over the training images, 1 to 2**31 - 1.
        seed: of the initial weights, the order of the images, and the shifts and mirrorings.
        batch_size: images per update, 1 to 2**31 - 1.
        learning_rate: at its peak, above 0, at most 1e30: float32 ends at 3e38.
        warm_up: share of the updates until the peak, from 0 to below 1.
        momentum: between 0 and 1.
        weight_decay: from 0 to 1e30.
        label_smoothing: share of the target spread over all classes, from 0 to 1.
        shift: the largest shift in pixels, to each side; the border is mirrored. 0 to 31.
        mirror: whether half of the images are mirrored left to right.

    Raises:
        ValueError: if a value is outside its bounds, with a sentence that names it.
    """

    epochs: int = 4
    seed: int = 0
    batch_size: int = 256
    learning_rate: float = 0.3
    warm_up: float = 0.23
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    shift: int = 4
    mirror: bool = True

    def __post_init__(self) -> None:
        bounds = {
            "epochs": (1 <= self.epochs < 2**31, "from 1 to 2**31 - 1"),
            "seed": (0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
            "batch_size": (1 <= self.batch_size < 2**31, "from 1 to 2**31 - 1"),
            "learning_rate": (0 < self.learning_rate <= 1e30, "a number above 0 and at most 1e30"),
            "warm_up": (0 <= self.warm_up < 1, "from 0 to below 1"),
            "momentum": (0 < self.momentum < 1, "between 0 and 1"),
            "weight_decay": (0 <= self.weight_decay <= 1e30, "from 0 to 1e30"),
            "label_smoothing": (0 <= self.label_smoothing <= 1, "from 0 to 1"),
            "shift": (0 <= self.shift <= 31, "from 0 to 31"),
        }
        for name, (holds, bound) in bounds.items():
            if not holds:
                raise ValueError(f"{name} must be {bound}, not {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one pass over the training images gave, which is the same whenever it is repeated.

    Args:
        train_loss, train_accuracy: over the shifted and mirrored images as they came during the epoch, while the
            weights were changing: no second pass is made. The accuracy is in %.
        test_loss, test_accuracy: over the whole test set after the epoch, images as they are.

    Raises:
        ValueError: if an accuracy is not from 0 to 100; a loss may be anything, NaN too.
    """

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float

    def __post_init__(self) -> None:
        check_accuracies(self.train_accuracy, self.test_accuracy)


def check_accuracies(*accuracies: float) -> None:
    """Raise ValueError where one is not from 0 to 100, in %."""
    for accuracy in accuracies:
        if not 0 <= accuracy <= 100:  # NaN neither
            raise ValueError(f"an accuracy must be from 0 to 100 %, not {accuracy:g}")


@dataclass(frozen=True, kw_only=True)
class Epoch(Scores):
    """The scores of one pass, and how long it took.

    Args:
        seconds: wall-clock time, the test included; NaN where it is not known any more.
    """

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run.

    Args:
        recipe: how it was trained.
        data: title of the data set.
        epochs: one entry per finished epoch; the last one of a diverged run is the one in which it diverged.
        diverged: whether a loss became infinite or NaN; the run stops after that epoch.
        parameters: number of trainable values.
        device: where it ran, and on how many threads: ``"cpu, 2 threads"``.
        precision: ``"float32"`` or ``"bfloat16"``.
        observed: what the observer sums up, by name; empty without one.
        seconds: wall-clock time of the whole training; of a resumed one, up to the checkpoint and from there on.
        log_dir: the TensorBoard run, or None.
    """

    recipe: Recipe
    data: str
    epochs: tuple[Epoch, ...]
    diverged: bool
    parameters: int
    device: str
    precision: str
    observed: dict[str, float]
    seconds: float
    log_dir: Path | None

    @property
    def test_accuracy(self) -> float:
        """Test accuracy after the last epoch, in %."""
        return self.epochs[-1].test_accuracy


class Observer(Protocol):
    """Looks into a network while it is trained, and changes nothing: neither weights nor torch's random state.

    Updates are counted from 1, as in TensorBoard. One update is: ``wants``, forward pass, backward pass, optimizer
    step, ``observe``. What ``start`` and ``observe`` compute is in the precision of the training.
    """

    def start(self, model: nn.Module) -> None:
        """Called once with the network, on its device, before the first update and before `restore`."""

    def wants(self, update: int) -> bool:
        """Whether to observe the update that now begins; if so, switch hooks on and keep weights to compare with."""

    def observe(self, model: nn.Module, update: int, writer: SummaryWriter | None) -> None:
        """Called after the optimizer's step of an update that was wanted: gradients are there, weights are new."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs, in tensors and plain types, for a checkpoint."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""

    def summary(self) -> dict[str, float]:
        """Numbers for the run's result."""


def train(
    activation: MakeActivation,
    dataset: Dataset,
    recipe: Recipe | None = None,
    *,
    network: Callable[..., nn.Module] = small_cnn,
    initialisation: str = "torch",
    precision: str = "float32",
    observer: Observer | None = None,
    log_dir: Path | None = None,
    threads: int | None = None,
    progress: bool | None = True,
) -> Result:
    """Train a network that uses the given activation, on the graphics processor if there is one.

    Same seed, thread count, machine and versions: the same numbers, on a processor to the last bit. The global random
    state is left as it was. `runs.run` does the same with checkpoints, from which a stopped run goes on.

    TensorBoard curves, over updates: loss/train (means of 20 updates), loss/test, accuracy/train, accuracy/test,
    learning_rate. Both losses are the cross-entropy with the recipe's label smoothing, so that they can be compared.

    Args:
        activation: makes one activation module, ``nn.ReLU`` for instance.
        dataset: training and test images.
        recipe: how to train; by default ``Recipe()``.
        network: called as ``network(activation, classes=...)``.
        initialisation: of the weights, one of ``initialisation.SCHEMES``.
        precision: one of ``precision.PRECISIONS``; the test uses it, too.
        observer: looks into the network during training.
        log_dir: folder of the run; None logs nothing. `tracking.fresh_folder` makes one.
        threads: processor threads; by default as many as torch has now.
        progress: whether to show a progress bar; None shows one in a terminal only.

    Raises:
        ValueError: if the data set has no training or no test images, or a name or the activation does not fit.
        TrackingError: if the run cannot be written.
    """
    recipe = recipe or Recipe()
    with processor_threads(threads), own_randomness(recipe.seed):
        options = {"network": network, "initialisation": initialisation, "precision": precision, "observer": observer}
        training = prepare(activation, dataset, recipe, **options)
        if log_dir is None:
            return training.run(progress=progress)
        with tracking.open_run(log_dir) as writer:
            writer.add_text("configuration", training.in_words(repr(activation()), initialisation), 0)
            return replace(training.run(writer=writer, progress=progress), log_dir=Path(log_dir))


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's global state inside the block, for initial weights and layers that draw; restore it afterwards."""
    kind = device().type
    with torch.random.fork_rng(device_type="cuda" if kind == "cpu" else kind):
        torch.manual_seed(seed)
        yield


def prepare(
    activation: MakeActivation,
    dataset: Dataset,
    recipe: Recipe,
    *,
    network: Callable[..., nn.Module],
    initialisation: str,
    precision: str,
    observer: Observer | None,
    where: str | None = None,
) -> "Training":
    """A training before its first update. Call it inside `own_randomness`; the arguments are those of `train`.

    ``where`` is the device, by default the graphics processor if there is one.
    """
    for split, images in (("training", dataset.train.images), ("test", dataset.test.images)):
        if not len(images):
            raise ValueError(f"{dataset.title} has no {split} images.")
    model = network(activation, classes=len(dataset.classes))
    initialise(model, initialisation, activation)
    model = model.to(where or device(), memory_format=torch.channels_last)
    return Training(model, dataset, recipe, precision=precision, observer=observer)


class Training:
    """One training: the model, its optimizer, the data on the model's device, and how far it has come.

    It can be stopped between any two updates: `state` holds all that `restore`, in another process, needs to go on to
    the same numbers.

    Args:
        model: on its device.
        dataset, recipe, precision, observer: as for `train`.
    """

    def __init__(
        self, model: nn.Module, dataset: Dataset, recipe: Recipe, *, precision: str, observer: Observer | None
    ) -> None:
        self.model, self.dataset, self.recipe, self.observer = model, dataset, recipe, observer
        self.device = next(model.parameters()).device
        self.batches = Batches(dataset, recipe, self.device)
        self._check_last_batch()
        self.precision = decide(precision, model, *self.batches.sample())
        self.updates = recipe.epochs * len(self.batches)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=True,
        )
        self.done = 0  # updates
        self.epochs: list[Epoch] = []  # those that are finished
        self.clock = _Clock()
        self._begin_epoch()
        if observer:
            with autocast(self.precision.name, self.device):
                observer.start(model)

    def _check_last_batch(self) -> None:
        if self.batches.sizes()[-1] == 1 and any(isinstance(layer, nn.BatchNorm1d) for layer in self.model.modules()):
            raise BatchError(
                f"batch_size {self.recipe.batch_size} leaves a last batch of one image, which batch normalisation "
                "cannot normalise: choose another."
            )

    def _begin_epoch(self) -> None:
        self.order = self.batches.generator.get_state()
        self.position = 0  # batches of this epoch that are done
        # Kept on the device and read every LOG_EVERY updates: reading one makes a graphics processor wait.
        self.losses = torch.zeros(len(self.batches), device=self.device)
        self.correct = torch.zeros((), dtype=torch.int64, device=self.device)
        self.epoch_clock = _Clock()

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, in tensors and plain types."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "device_random": None if self.on_processor else torch.get_device_module(self.device).get_rng_state(),
            "order": self.order,
            "position": self.position,
            "done": self.done,
            "losses": self.losses,
            "correct": self.correct,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "epoch_seconds": self.epoch_clock.seconds,
            "seconds": self.clock.seconds,
            "observer": self.observer.state() if self.observer else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, for the same model, data set and recipe."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order, self.position, self.done = state["order"], state["position"], state["done"]
        self.losses, self.correct = state["losses"].to(self.device), state["correct"].to(self.device)
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.epoch_clock, self.clock = _Clock(state["epoch_seconds"]), _Clock(state["seconds"])
        if self.observer:
            self.observer.restore(state["observer"])
        torch.set_rng_state(state["random"])
        if not self.on_processor:
            torch.get_device_module(self.device).set_rng_state(state["device_random"])

    @property
    def diverged(self) -> bool:
        return bool(self.epochs) and not math.isfinite(self.epochs[-1].train_loss + self.epochs[-1].test_loss)

    @property
    def on_processor(self) -> bool:
        return self.device.type == "cpu"

    @property
    def where(self) -> str:
        if not self.on_processor:
            return device_name(self.device)
        count = torch.get_num_threads()
        return f"cpu, {count} thread{'s' if count > 1 else ''}"

    def in_words(self, activation: str, initialisation: str) -> str:
        """The configuration as a Markdown table."""
        values = {
            "activation": activation,
            "initialisation": initialisation,
            "data": self.dataset.title,
            **asdict(self.recipe),
            "precision": f"{self.precision.name} ({self.precision.reason})",
            "parameters": count_parameters(self.model),
            "device": self.where,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])

    def run(
        self,
        *,
        writer: SummaryWriter | None = None,
        progress: bool | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> Result:
        """Train to the end, from wherever the training is: after `restore`, or after an exception in ``pause``.

        Args:
            writer: of curves.
            progress: as for `train`.
            pause: called after every update, at the end of an epoch after the test: there `state` may be asked, and an
                exception loses nothing.
        """
        disable = None if progress is None else not progress
        options = {"total": self.updates, "initial": self.done, "unit": "batch", "disable": disable}
        with tqdm(**options, dynamic_ncols=True) as bar:
            while len(self.epochs) < self.recipe.epochs and not self.diverged:
                bar.set_description(f"epoch {len(self.epochs) + 1}/{self.recipe.epochs}")
                self._train_epoch(bar, writer, pause)
                self._finish_epoch(writer)
                bar.set_postfix_str(f"test accuracy {self.epochs[-1].test_accuracy:.1f} %")
                pause()
        return Result(
            recipe=self.recipe,
            data=self.dataset.title,
            epochs=tuple(self.epochs),
            diverged=self.diverged,
            parameters=count_parameters(self.model),
            device=self.where,
            precision=self.precision.name,
            observed=self.observer.summary() if self.observer else {},
            seconds=self.clock.seconds,
            log_dir=None,
        )

    def _train_epoch(self, bar: tqdm, writer: SummaryWriter | None, pause: Callable[[], None]) -> None:
        every = min(LOG_EVERY, len(self.batches))
        self.model.train()
        self.batches.generator.set_state(self.order)  # after an interruption, the epoch's own order again
        for x, target in self.batches.starting_at(self.position):
            self._update(x, target, writer)
            bar.update()
            if writer and self.position % every == 0:
                recent = self.losses[self.position - every : self.position]
                writer.add_scalar("loss/train", recent.mean(), self.done)
                writer.add_scalar("learning_rate", self._rate(self.done - 1), self.done)
            if self.position < len(self.batches):  # else the test comes first: its points have the same step
                pause()

    def _update(self, x: Tensor, target: Tensor, writer: SummaryWriter | None) -> None:
        observed = self.observer is not None and self.observer.wants(self.done + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.done)
        with autocast(self.precision.name, self.device):
            logits = self.model(x)
        loss = F.cross_entropy(logits.float(), target, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.losses[self.position] = loss.detach()
        self.correct += (logits.argmax(dim=1) == target).sum()
        self.position += 1
        self.done += 1
        if observed:
            with autocast(self.precision.name, self.device):
                self.observer.observe(self.model, self.done, writer)

    def _finish_epoch(self, writer: SummaryWriter | None) -> None:
        sizes = self.batches.sizes().to(self.losses)
        options = {"label_smoothing": self.recipe.label_smoothing, "precision": self.precision.name}
        test_loss, test_accuracy = evaluate(self.model, self.dataset, **options)
        epoch = Epoch(
            train_loss=((self.losses * sizes).sum() / sizes.sum()).item(),
            train_accuracy=100 * self.correct.item() / len(self.dataset.train.images),
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=self.epoch_clock.seconds,
        )
        if writer:
            writer.add_scalar("loss/test", epoch.test_loss, self.done)
            writer.add_scalar("accuracy/train", epoch.train_accuracy, self.done)
            writer.add_scalar("accuracy/test", epoch.test_accuracy, self.done)
        self.epochs.append(epoch)
        self._begin_epoch()

    def _rate(self, update: int) -> float:
        return self.recipe.learning_rate * schedule(update, self.updates, self.recipe.warm_up)


class _Clock:
    """Wall-clock time since it was made, on top of the seconds it is given."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.start = perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return perf_counter() - self.start


def schedule(update: int, updates: int, warm_up: float) -> float:
    """The learning rate as a share of its peak: linear from near 0 to 1, then linear to near 0, never 0 itself.

    Args:
        update: from 0 to updates - 1.
        updates: of the whole training.
        warm_up: share of the updates until the peak, from 0 to below 1.
    """
    peak = warm_up * updates
    position = update + 0.5  # the middle of the update: neither the first nor the last is wasted on a rate of 0
    return position / peak if position < peak else (updates - position) / (updates - peak)


class Batches:
    """The training images in random order, shifted and mirrored at random, as normalised float32 batches.

    Iterating gives one epoch of (x, target): x of shape (n, 3, 32, 32) in channels_last layout, target of shape (n,).
    Every image comes once; the last batch may be smaller. All images stay in memory as one padded uint8 tensor.

    Args:
        dataset: its training images are used.
        recipe: seed, batch_size, shift and mirror are used.
        device: where the tensors are.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe, device: torch.device) -> None:
        self.recipe = recipe
        self.windows = windows(dataset.train.images.to(device), recipe.shift)
        self.labels = dataset.train.labels.to(device)
        self.to_input = _input(dataset.mean, dataset.std, device)
        # Drawn on the processor, so that a graphics processor sees the same images.
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.recipe.batch_size)

    def sizes(self) -> Tensor:
        """Images in each batch, int64 of shape (len(self),)."""
        starts = torch.arange(len(self)) * self.recipe.batch_size
        return (len(self.labels) - starts).clamp(max=self.recipe.batch_size)

    def sample(self) -> tuple[Tensor, Tensor]:
        """One batch as it may come, but always the same; the epochs to come do not change."""
        own, self.generator = self.generator, torch.Generator().manual_seed(0)
        try:
            return next(iter(self))
        finally:
            self.generator = own

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch without its first batches, which are drawn, but not made."""
        n, offsets = len(self.labels), 2 * self.recipe.shift + 1
        device = self.labels.device
        order = torch.randperm(n, generator=self.generator)
        down, right = torch.randint(offsets, (2, n), generator=self.generator)
        mirrored = torch.rand(n, generator=self.generator) < (0.5 if self.recipe.mirror else 0)
        choices = [choice.to(device).split(self.recipe.batch_size)[first:] for choice in (order, down, right, mirrored)]
        for index, dy, dx, flip in zip(*choices, strict=True):
            images = self.windows[index, dy, dx]  # (n, 32, 32, 3)
            images = torch.where(flip[:, None, None, None], images.flip(2), images)
            yield self.to_input(images), self.labels[index]


def windows(images: Tensor, shift: int) -> Tensor:
    """All shifted copies of images, as a view of the padded images that takes no further memory.

    Args:
        images: (n, 3, h, w) of any dtype.
        shift: the largest shift in pixels; the border is mirrored, the edge itself not repeated.

    Returns:
        (n, 2 * shift + 1, 2 * shift + 1, h, w, 3): image, shift down, shift right, then the window, channels last.
    """
    height, width = images.shape[2:]
    # torch's reflect padding does not take uint8.
    rows, columns = (_mirrored(length, shift).to(images.device) for length in (height, width))
    padded = images.permute(0, 2, 3, 1)[:, rows][:, :, columns]  # (n, h + 2 * shift, w + 2 * shift, 3)
    return padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)


def _mirrored(length: int, shift: int) -> Tensor:
    index = torch.arange(-shift, length + shift).abs()
    return length - 1 - (length - 1 - index).abs()


def _input(mean: Tensor, std: Tensor, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from uint8 (n, h, w, 3) to normalised float32 (n, 3, h, w), laid out channels_last."""
    centre, spread = (255 * value.to(device) for value in (mean, std))
    return lambda images: images.float().sub_(centre).div_(spread).permute(0, 3, 1, 2)


@torch.no_grad()
def evaluate(
    model: nn.Module, dataset: Dataset, *, label_smoothing: float = 0.0, precision: str = "float32"
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in % over the whole test set; the model is left in evaluation mode.

    Args:
        model: takes normalised images (n, 3, 32, 32) and returns logits (n, classes).
        dataset: its test images are used.
        label_smoothing: as in training, to compare losses; 0 for the plain cross-entropy.
        precision: ``"float32"`` or ``"bfloat16"``.
    """
    model.eval()
    where = next(model.parameters()).device
    to_input = _input(dataset.mean, dataset.std, where)
    images, labels = dataset.test.images, dataset.test.labels
    loss, correct = torch.zeros((), dtype=torch.float64, device=where), torch.zeros((), device=where)
    for x, target in zip(images.split(TEST_BATCH), labels.to(where).split(TEST_BATCH), strict=True):
        with autocast(precision, where):
            logits = model(to_input(x.to(where).permute(0, 2, 3, 1))).float()
        loss += F.cross_entropy(logits, target, label_smoothing=label_smoothing, reduction="sum")
        correct += (logits.argmax(dim=1) == target).sum()
    return loss.item() / len(labels), 100 * correct.item() / len(labels)
