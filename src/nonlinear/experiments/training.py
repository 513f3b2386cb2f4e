"""Training a network on small images: one recipe, curves in TensorBoard, the same result for the same seed."""

import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm

from nonlinear.experiments import tracking
from nonlinear.experiments.dataset import Dataset
from nonlinear.experiments.models import MakeActivation, count_parameters, device, small_cnn
from nonlinear.experiments.models import threads as processor_threads

LOG_EVERY = 20  # updates between two points of the training loss; each point is their mean
TEST_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Stochastic gradient descent with Nesterov momentum; the learning rate rises linearly to its peak and falls linearly
    to 0; cross-entropy with smoothed labels; images shifted and mirrored at random.

    Args:
        epochs: passes over the training images, at least 1.
        seed: of the initial weights, the order of the images, and the shifts and mirrorings.
        batch_size: images per update, at least 1.
        learning_rate: at its peak, above 0.
        warm_up: share of the updates until the peak, from 0 to below 1.
        momentum: between 0 and 1.
        weight_decay: at least 0.
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
            "epochs": (self.epochs >= 1, "at least 1"),
            "seed": (0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "learning_rate": (0 < self.learning_rate < math.inf, "a number above 0"),
            "warm_up": (0 <= self.warm_up < 1, "from 0 to below 1"),
            "momentum": (0 < self.momentum < 1, "between 0 and 1"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "at least 0"),
            "label_smoothing": (0 <= self.label_smoothing <= 1, "from 0 to 1"),
            "shift": (0 <= self.shift <= 31, "from 0 to 31"),
        }
        for name, (holds, bound) in bounds.items():
            if not holds:
                raise ValueError(f"{name} must be {bound}, not {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one pass over the training images gave.

    Args:
        train_loss, train_accuracy: over the shifted and mirrored images as they came during the epoch, while the
            weights were changing: no second pass is made. The accuracy is in %.
        test_loss, test_accuracy: over the whole test set after the epoch, images as they are.
        seconds: wall-clock time, the test included.
    """

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run.

    Args:
        recipe: how it was trained.
        data: title of the data set.
        epochs: one entry per finished epoch; the last one of a diverged run is the one in which it diverged.
        diverged: whether the loss became infinite or NaN; the run stops after that epoch.
        parameters: number of trainable values.
        device: where it ran, and on how many threads: ``"cpu, 2 threads"``.
        seconds: wall-clock time of the whole training.
        log_dir: the TensorBoard run, or None.
    """

    recipe: Recipe
    data: str
    epochs: tuple[Epoch, ...]
    diverged: bool
    parameters: int
    device: str
    seconds: float
    log_dir: Path | None

    @property
    def test_accuracy(self) -> float:
        """Test accuracy after the last epoch, in %."""
        return self.epochs[-1].test_accuracy


def train(
    activation: MakeActivation,
    dataset: Dataset,
    recipe: Recipe | None = None,
    *,
    network: Callable[..., nn.Module] = small_cnn,
    log_dir: Path | None = None,
    threads: int | None = None,
    progress: bool | None = True,
) -> Result:
    """Train a network that uses the given activation, in float32, on the graphics processor if there is one.

    Same seed, thread count, machine and versions: the same numbers, on a processor to the last bit. The global random
    state is left as it was.

    TensorBoard curves, over updates: loss/train (means of 20 updates), loss/test, accuracy/train, accuracy/test,
    learning_rate. Both losses are the cross-entropy with the recipe's label smoothing, so that they can be compared.

    Args:
        activation: makes one activation module, ``nn.ReLU`` for instance.
        dataset: training and test images.
        recipe: how to train; by default ``Recipe()``.
        network: called as ``network(activation, classes=...)``.
        log_dir: folder of the run; None logs nothing. `tracking.fresh_folder` makes one.
        threads: processor threads; by default as many as torch has now.
        progress: whether to show a progress bar; None shows one in a terminal only.

    Raises:
        ValueError: if the data set has no training or no test images.
        TrackingError: if the run cannot be written.
    """
    recipe = recipe or Recipe()
    for split, images in (("training", dataset.train.images), ("test", dataset.test.images)):
        if not len(images):
            raise ValueError(f"{dataset.title} has no {split} images.")
    with processor_threads(threads), _own_randomness(recipe.seed):
        model = network(activation, classes=len(dataset.classes)).to(device(), memory_format=torch.channels_last)
        run = _Run(model, dataset, recipe)
        if log_dir is None:
            return run.train(None, None, progress)
        with tracking.open_run(log_dir) as writer:
            writer.add_text("configuration", _configuration(run, activation), 0)
            return run.train(writer, Path(log_dir), progress)


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's global state inside the block, for initial weights and layers that draw; restore it afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _configuration(run: "_Run", activation: MakeActivation) -> str:
    values = {
        "activation": repr(activation()),
        "data": run.dataset.title,
        **asdict(run.recipe),
        "parameters": count_parameters(run.model),
        "device": run.where,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])


class _Run:
    """One training: the model, its optimizer, and the data on the model's device."""

    def __init__(self, model: nn.Module, dataset: Dataset, recipe: Recipe) -> None:
        self.model, self.dataset, self.recipe = model, dataset, recipe
        self.device = next(model.parameters()).device
        self.batches = Batches(dataset, recipe, self.device)
        self.updates = recipe.epochs * len(self.batches)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=True,
        )
        self.done = 0  # updates

    @property
    def where(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name()
        count = torch.get_num_threads()
        return f"cpu, {count} thread{'s' if count > 1 else ''}"

    def train(self, writer: SummaryWriter | None, log_dir: Path | None, progress: bool | None) -> Result:
        started, epochs, diverged = perf_counter(), [], False
        disable = None if progress is None else not progress
        with tqdm(total=self.updates, unit="batch", disable=disable, dynamic_ncols=True) as bar:
            for number in range(1, self.recipe.epochs + 1):
                bar.set_description(f"epoch {number}/{self.recipe.epochs}")
                epochs.append(self._epoch(bar, writer))
                bar.set_postfix_str(f"test accuracy {epochs[-1].test_accuracy:.1f} %")
                diverged = not math.isfinite(epochs[-1].train_loss)
                if diverged:
                    break
        return Result(
            recipe=self.recipe,
            data=self.dataset.title,
            epochs=tuple(epochs),
            diverged=diverged,
            parameters=count_parameters(self.model),
            device=self.where,
            seconds=perf_counter() - started,
            log_dir=log_dir,
        )

    def _epoch(self, bar: tqdm, writer: SummaryWriter | None) -> Epoch:
        started = perf_counter()
        # Kept on the device and read every LOG_EVERY updates: reading one makes a graphics processor wait.
        losses = torch.zeros(len(self.batches), device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        every = min(LOG_EVERY, len(self.batches))
        self.model.train()
        for number, (x, target) in enumerate(self.batches):
            loss, logits = self._update(x, target)
            losses[number] = loss
            correct += (logits.argmax(dim=1) == target).sum()
            bar.update()
            if writer and (number + 1) % every == 0:
                writer.add_scalar("loss/train", losses[number + 1 - every : number + 1].mean(), self.done)
                writer.add_scalar("learning_rate", self._rate(self.done - 1), self.done)
        sizes = self.batches.sizes().to(losses)
        test_loss, test_accuracy = evaluate(self.model, self.dataset, label_smoothing=self.recipe.label_smoothing)
        epoch = Epoch(
            train_loss=((losses * sizes).sum() / sizes.sum()).item(),
            train_accuracy=100 * correct.item() / len(self.dataset.train.images),
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=perf_counter() - started,
        )
        if writer:
            writer.add_scalar("loss/test", epoch.test_loss, self.done)
            writer.add_scalar("accuracy/train", epoch.train_accuracy, self.done)
            writer.add_scalar("accuracy/test", epoch.test_accuracy, self.done)
        return epoch

    def _update(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.done)
        logits = self.model(x)
        loss = F.cross_entropy(logits, target, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.done += 1
        return loss.detach(), logits.detach()

    def _rate(self, update: int) -> float:
        return self.recipe.learning_rate * schedule(update, self.updates, self.recipe.warm_up)


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

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, offsets = len(self.labels), 2 * self.recipe.shift + 1
        device = self.labels.device
        order = torch.randperm(n, generator=self.generator)
        down, right = torch.randint(offsets, (2, n), generator=self.generator)
        mirrored = torch.rand(n, generator=self.generator) < (0.5 if self.recipe.mirror else 0)
        choices = [choice.to(device) for choice in (order, down, right, mirrored)]
        for index, dy, dx, flip in zip(*(choice.split(self.recipe.batch_size) for choice in choices), strict=True):
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
def evaluate(model: nn.Module, dataset: Dataset, *, label_smoothing: float = 0.0) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in % over the whole test set; the model is left in evaluation mode.

    Args:
        model: takes normalised images (n, 3, 32, 32) and returns logits (n, classes).
        dataset: its test images are used.
        label_smoothing: as in training, to compare losses; 0 for the plain cross-entropy.
    """
    model.eval()
    where = next(model.parameters()).device
    to_input = _input(dataset.mean, dataset.std, where)
    images, labels = dataset.test.images, dataset.test.labels
    loss, correct = torch.zeros((), dtype=torch.float64, device=where), torch.zeros((), device=where)
    for x, target in zip(images.split(TEST_BATCH), labels.to(where).split(TEST_BATCH), strict=True):
        logits = model(to_input(x.to(where).permute(0, 2, 3, 1)))
        loss += F.cross_entropy(logits, target, label_smoothing=label_smoothing, reduction="sum")
        correct += (logits.argmax(dim=1) == target).sum()
    return loss.item() / len(labels), 100 * correct.item() / len(labels)
