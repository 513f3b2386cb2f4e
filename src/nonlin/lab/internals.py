"""What goes on inside a network, layer by layer: activations, gradients, updates, and units that die and revive.

`layers` measures a network once; `Internals` watches a training.

Layers are called as ``print(model)`` shows them, with numbers padded to two digits: ``05 ReLU``. A module that is
called several times in one pass gives one row per call: ``relu ReLU``, ``relu ReLU, call 2``.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from nonlin.images.dataset import Dataset
from nonlin.lab import feature_maps, tracking
from nonlin.lab.feature_maps import maps
from nonlin.lab.measurement import SATURATED_BELOW, outputs_and_slopes
from nonlin.lab.networks import Scale

STATUSES = ("never dead", "revived", "died", "never alive", "NaN")
PICTURE_EVERY = 5  # observations, for histograms and pictures
HISTOGRAM_VALUES = 8192  # a histogram of all values of a large layer would take 30 times as long

IsActivation = Callable[[nn.Module], bool]


# Which layers there are


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation layer, by a general rule.

    It is one if nothing in it is structure: a module of torch itself that is no activation (convolution, norm, pooling,
    dropout, ``nn.Identity``, ...), `Scale`, softmax and its kin (they mix units, so that there is no slope per unit),
    or a module of your own with a weight matrix. So a module of your own without weights is taken for an activation, be
    it a formula or a wrapper around ``nn.SiLU``, with or without learned values per channel. ``nn.Sequential`` is none
    itself, but what stands in it can be. Where the rule misjudges a module of yours, give a rule of your own to
    `Internals` or `layers`: ``lambda module: isinstance(module, MyActivation)``.
    """
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return not isinstance(module, containers) and not any(_is_structure(part) for part in module.modules())


def _is_structure(module: nn.Module) -> bool:
    neutral = {f"torch.nn.modules.{name}" for name in ("module", "container", "activation")}
    homes = {base.__module__ for base in type(module).__mro__}
    return (
        any(home.startswith("torch.") for home in homes - neutral)
        or isinstance(module, (Scale, nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d))
        or any(sum(size > 1 for size in p.shape) > 1 for p in module.parameters(recurse=False))
    )


def activation_layers(model: nn.Module, is_activation: IsActivation = is_activation) -> dict[str, nn.Module]:
    """The activation layers of a model by name; nothing is looked for inside one.

    Args:
        model: the network; it is not taken for an activation itself.
        is_activation: the rule.
    """
    return _activation_layers(model, "", is_activation)


def _activation_layers(parent: nn.Module, prefix: str, is_activation: IsActivation) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for name, child in parent.named_children():
        path = f"{prefix}{name}"
        inside = (
            {_title(path, child): child}
            if is_activation(child)
            else _activation_layers(child, f"{path}.", is_activation)
        )
        # A module that stands in two places has one name: else each of its calls would be counted twice.
        found |= {title: module for title, module in inside.items() if module not in found.values()}
    return found


def weight_layers(model: nn.Module, is_activation: IsActivation = is_activation) -> dict[str, list[nn.Parameter]]:
    """The trainable weights of each convolution, linear layer and the like: parameters of at least two dimensions.

    Biases, the scales of norms, and what an activation learns are left out.

    Args:
        model: the network.
        is_activation: the rule for activation layers.
    """
    activations = activation_layers(model, is_activation).values()
    apart = {part for activation in activations for part in activation.modules()}
    found = {}
    for name, module in model.named_modules():
        weights = [p for p in module.parameters(recurse=False) if p.requires_grad and p.ndim > 1]
        if weights and module not in apart:
            found[_title(name, module)] = weights
    return found


def _title(path: str, module: nn.Module) -> str:
    # Padded, since TensorBoard sorts by letters.
    padded = ".".join(part.zfill(2) if part.isdigit() else part for part in path.split("."))
    return f"{padded} {module._get_name()}".strip()


# One measurement


@dataclass(frozen=True, kw_only=True)
class ActivationLayer:
    """What an activation layer does to one batch.

    A unit is a channel or a feature: an index along dimension 1 of the layer's input.

    Args:
        name: ``"05 ReLU"``.
        input_mean, input_variance, output_mean, output_variance: over all values, the variance divided by n.
        zeros: share of outputs that are exactly 0, between 0 and 1.
        saturated: share of inputs at which the slope is smaller than 0.1 in size, between 0 and 1.
        units: how many there are.
        dead: units whose slope is exactly 0 for every image and position of the batch, so that no gradient passes.
        nan: units with an output or a slope that is not a number; they count as neither dead nor alive.
    """

    name: str
    input_mean: float
    input_variance: float
    output_mean: float
    output_variance: float
    zeros: float
    saturated: float
    units: int
    dead: int
    nan: int

    def __str__(self) -> str:
        return (
            f"{self.name:24} in {self.input_mean:9.3g} ± {math.sqrt(self.input_variance):<8.3g} "
            f"out {self.output_mean:9.3g} ± {math.sqrt(self.output_variance):<8.3g} zeros {self.zeros:4.0%}  "
            f"saturated {self.saturated:4.0%}  dead {self.dead} of {self.units}"
            + (f"  NaN {self.nan}" * bool(self.nan))
        )


@dataclass(frozen=True, kw_only=True)
class WeightLayer:
    """The weights of a layer and their gradient.

    Args:
        name: ``"02 Conv2d"``.
        weight_norm, gradient_norm: Euclidean norms over all weights of the layer, without its bias.
    """

    name: str
    weight_norm: float
    gradient_norm: float

    def __str__(self) -> str:
        return f"{self.name:24} norm of the weights {self.weight_norm:<8.3g} of the gradient {self.gradient_norm:.3g}"


def layers(
    model: nn.Module, x: Tensor, target: Tensor, *, is_activation: IsActivation = is_activation
) -> list[ActivationLayer | WeightLayer]:
    """Everything at once for one batch: a row per activation layer and a row per layer with weights.

    The model is left as it was: its mode (which is used as it is), its gradients, its buffers, the random state.

    Args:
        model: returns logits of shape (n, classes).
        x: the batch, (n, ...), as the model takes it.
        target: (n,), int64: the classes; the gradients are those of the mean cross-entropy.
        is_activation: which modules are activation layers.

    Returns:
        Activation layers in the order of their calls, then weight layers in the order of the model. Print it with
        ``print(*layers(model, x, target), sep="\\n")``.
    """
    weights = weight_layers(model, is_activation)
    with torch.enable_grad():
        logits, seen = _watch(model, x, activation_layers(model, is_activation))
        every_weight = [weight for weights_of_layer in weights.values() for weight in weights_of_layer]
        gradients = iter(_loss_gradients(logits, target, every_weight) if every_weight else ())
    rows = [_weight_layer(name, each, [next(gradients) for _ in each]) for name, each in weights.items()]
    return [call.row for call in seen] + rows


def _loss_gradients(logits: Tensor, target: Tensor, weights: list[nn.Parameter]) -> tuple[Tensor, ...]:
    # Not backward(), which would add to the gradients that the model holds.
    return torch.autograd.grad(F.cross_entropy(logits, target), weights, materialize_grads=True)


def _weight_layer(name: str, weights: list[nn.Parameter], gradients: list[Tensor]) -> WeightLayer:
    return WeightLayer(name=name, weight_norm=_norm(weights), gradient_norm=_norm(gradients))


@torch.no_grad()
def _norm(tensors: list[Tensor]) -> float:
    return torch.stack([tensor.float().norm() for tensor in tensors]).norm().item()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Call:
    """One call of an activation layer. dead, nan: bool, one per unit; sample: some of the outputs; before, after: what
    the first image gives, (channels, height, width)."""

    module: nn.Module
    row: ActivationLayer
    dead: Tensor
    nan: Tensor
    sample: Tensor
    before: Tensor
    after: Tensor


def _watch(model: nn.Module, x: Tensor, activations: Mapping[str, nn.Module]) -> tuple[Tensor, list[_Call]]:
    """Send a batch through the model, and leave no trace in it: its output, and a look at each activation layer."""
    # Training mode moves the running statistics of batch norm, and dropout draws. On copies, and from the same random
    # numbers each time, neither the training nor the comparison over time is disturbed.
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.random.fork_rng(), _hooks(activations) as seen:
        torch.manual_seed(0)
        return torch.func.functional_call(model, buffers, (x,)), seen


@contextmanager
def _hooks(activations: Mapping[str, nn.Module]) -> Iterator[list[_Call]]:
    seen: list[_Call] = []

    # Before the call, since a layer that works in place overwrites its input.
    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def measure(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            number = 1 + sum(earlier.module is module for earlier in seen)
            seen.append(_measure(name if number == 1 else f"{name}, call {number}", module, inputs[0]))

        return measure

    handles = [module.register_forward_pre_hook(hook(name)) for name, module in activations.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _measure(name: str, module: nn.Module, x: Tensor) -> _Call:
    # The slope of the layer alone, from a second evaluation. The gradient of the loss would not tell: it is also 0
    # where a later layer, max-pooling for instance, passes nothing back to a unit that is well alive.
    with torch.enable_grad():
        y, slope = outputs_and_slopes(module.forward, x)  # not module(), which would call this hook again
    slope = slope.abs()
    # Sums of sizes: 0 only if all are 0, NaN only if one is NaN; six times as fast as the largest of each unit.
    slopes, nan_output = _sum_per_unit(slope), _sum_per_unit(y.abs()).isnan()
    # A gate such as GLU has more inputs than outputs: any of its inputs may have spoilt the output.
    nan = slopes.isnan() | (nan_output if len(nan_output) == len(slopes) else nan_output.any())
    dead = (slopes == 0) & ~nan
    (input_mean, input_variance), (output_mean, output_variance) = _moments(x), _moments(y)
    row = ActivationLayer(
        name=name,
        input_mean=input_mean,
        input_variance=input_variance,
        output_mean=output_mean,
        output_variance=output_variance,
        zeros=(y == 0).count_nonzero().item() / y.numel(),
        saturated=(slope < SATURATED_BELOW).count_nonzero().item() / slope.numel(),
        units=len(dead),
        dead=dead.sum().item(),
        nan=nan.sum().item(),
    )
    shown = {"before": maps(x[:1])[0], "after": maps(y[:1])[0]}
    return _Call(module=module, row=row, dead=dead.cpu(), nan=nan.cpu(), sample=_sample(y), **shown)


def _sum_per_unit(values: Tensor) -> Tensor:
    if values.ndim == 1:  # one unit, its dimension squeezed away
        return values.sum(dim=0, keepdim=True)
    return values.sum(dim=[dimension for dimension in range(values.ndim) if dimension != 1])


def _moments(values: Tensor) -> tuple[float, float]:
    """Mean and variance."""
    values = values.detach().float()
    mean = values.mean()
    return mean.item(), (values - mean).square_().mean().item()  # eight times as fast as torch.var_mean


def _sample(values: Tensor) -> Tensor:
    """Finite values at random places, always the same ones; an even stride could meet one column of an image only."""
    if values.numel() > HISTOGRAM_VALUES:
        generator = torch.Generator().manual_seed(0)
        places = torch.randint(values.numel(), (HISTOGRAM_VALUES,), generator=generator)
        values = values[torch.unravel_index(places.to(values.device), values.shape)]
    return values[values.isfinite()].float()


# Over time


def held_out(dataset: Dataset, images: int = 256) -> Tensor:
    """Test images to watch a network with, evenly spread over the test set and normalised as in training.

    Args:
        dataset: its test images are used.
        images: how many; all if the test set has fewer.

    Returns:
        (images, 3, 32, 32), float32 in channels_last layout.
    """
    n = len(dataset.test.images)
    chosen = dataset.test.images[torch.arange(min(images, n)) * n // min(images, n)]
    mean, std = (moment[:, None, None] for moment in (dataset.mean, dataset.std))
    return ((chosen / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(kw_only=True, eq=False)
class _Units:
    """The units of one layer: bool, one per unit, as of the last observation and over all of them."""

    dead: Tensor
    nan: Tensor
    was_alive: Tensor
    was_dead: Tensor

    @classmethod
    def unseen(cls, n: int) -> "_Units":
        return cls(**{name: torch.zeros(n, dtype=torch.bool) for name in ("dead", "nan", "was_alive", "was_dead")})

    def see(self, dead: Tensor, nan: Tensor) -> None:
        self.dead, self.nan = dead, nan
        self.was_dead = self.was_dead | dead
        self.was_alive = self.was_alive | ~(dead | nan)

    def statuses(self) -> list[str]:
        index = torch.where(self.dead, 2 + (~self.was_alive).int(), self.was_dead.int())
        return [STATUSES[i] for i in torch.where(self.nan, 4, index).tolist()]


class Internals:
    """Watches a training from the inside; an observer for `training.train`.

    **When and on what.** Before the first update and then every ``every`` updates, right after the update, it sends
    the same held-out images through the network, in training mode, without a trace: batch norm's running statistics,
    the random state and the gradients stay as they are, so that the trained weights are the same to the last bit.
    Gradient norms and updates are those of the training itself.

    Why the same images: on changing batches a unit that answers to one image in a hundred seems to die and revive
    without having changed. Why training mode: that is where the gradient runs, and after a few updates at a high rate
    batch norm's running statistics lag so far behind that in evaluation mode a hundred units and more look dead. What a
    layer keeps elsewhere than in a buffer is not protected.

    **Units.** A unit (channel or feature: index along dimension 1 of the layer's input) is dead at an observation if
    the slope of its activation is exactly 0 for every held-out image and every position: no gradient passes. For ReLU
    this means that it never answers; sigmoid gets there when fully saturated, in bfloat16 sooner than in float32;
    LeakyReLU never does. The precision is that of the autocast around `start` and `observe`. The resolution is the
    number of held-out images: a unit that answers to one image in a thousand will probably be called dead on 256. Over
    all observations so far, each unit is one of

    - ``never dead``: alive now, dead at no earlier one;
    - ``revived``: alive now, dead at an earlier one;
    - ``died``: dead now, alive at an earlier one;
    - ``never alive``: dead now, alive at no earlier one;
    - ``NaN``: an output or a slope is not a number now. Such an observation counts as neither alive nor dead later.

    **Curves** in TensorBoard, per activation layer: input mean, input variance, output mean, output variance, zeros,
    saturated, dead, died, revived, not a number (shares of all values or units); per layer with weights: gradient norm,
    update to weight (norm of the change by this update / norm of the weights before it). Activation layers are called
    by their place, ``05 activation``, so that runs with different activations share a chart. Every fifth time,
    histograms of about 8,000 outputs and 8,000 gradients of each layer, and pictures of what the first held-out image
    gives before and after each activation.

    Activations must work element by element; what mixes units, as softmax does, has no slope per unit.

    Args:
        probe: the held-out images as the model takes them, (n, ...); see `held_out`.
        every: updates between two observations, at least 1.
        is_activation: which modules are activation layers.

    Raises:
        ValueError: if ``every`` is below 1 or there is no image.
    """

    def __init__(self, probe: Tensor, *, every: int = 40, is_activation: IsActivation = is_activation) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}.")
        if not len(probe):
            raise ValueError("probe holds no images: give at least one.")
        self.probe, self.every, self.is_activation = probe, every, is_activation

    def start(self, model: nn.Module) -> None:
        """Find the layers and look at the units before the first update; forget any earlier training."""
        self.probe = self.probe.to(next(model.parameters()).device)
        self.activations = activation_layers(model, self.is_activation)
        self.weights = weight_layers(model, self.is_activation)
        self.units: dict[str, _Units] = {}
        self.observations = 0
        self._look(model)

    def wants(self, update: int) -> bool:
        """Whether to observe this update; if so, the weights are copied now, before they change."""
        wanted = update % self.every == 0
        if wanted:
            self.before = {name: [w.detach().clone() for w in weights] for name, weights in self.weights.items()}
        return wanted

    def observe(self, model: nn.Module, update: int, writer: SummaryWriter | None) -> None:
        """Look at the network after an update that was wanted, and write the curves, if there is a writer."""
        seen = self._look(model)
        if writer:
            self._write_activations(seen, writer, update)
            self._write_weights(writer, update)
            if self.observations % PICTURE_EVERY == 0:
                self._write_histograms(seen, writer, update)
                _write_pictures(seen, writer, update)
        self.observations += 1

    def state(self) -> dict:
        """What a checkpoint needs: plain types and tensors."""
        units = {name: dict(vars(units)) for name, units in self.units.items()}
        return {"observations": self.observations, "units": units, "shares": dict(self.shares)}

    def restore(self, state: dict) -> None:
        """Go on from `state`; after `start`."""
        self.observations = state["observations"]
        self.units = {name: _Units(**units) for name, units in state["units"].items()}
        self.shares = dict(state["shares"])

    def statuses(self) -> dict[str, list[str]]:
        """The status of each unit, by layer."""
        return {name: units.statuses() for name, units in self.units.items()}

    def summary(self) -> dict[str, float]:
        """Shares between 0 and 1: units of each status, of all units of the network together; zeros and saturated at
        the last observation, averaged over layers. Empty for a network without activation layers."""
        statuses = [status for layer in self.statuses().values() for status in layer]
        if not statuses:
            return {}
        counts = Counter(statuses)
        return {f"units {status}": counts[status] / len(statuses) for status in STATUSES} | self.shares

    @torch.no_grad()
    def _look(self, model: nn.Module) -> list[_Call]:
        _, seen = _watch(model, self.probe, self.activations)
        for call in seen:
            self.units.setdefault(call.row.name, _Units.unseen(call.row.units)).see(call.dead, call.nan)
        rows = [call.row for call in seen]
        self.shares = {
            name: sum(getattr(row, name) for row in rows) / max(1, len(rows)) for name in ("zeros", "saturated")
        }
        return seen

    def _write_activations(self, seen: list[_Call], writer: SummaryWriter, update: int) -> None:
        for row in (call.row for call in seen):
            counts = Counter(self.units[row.name].statuses())
            curves = {
                "input mean": row.input_mean,
                "input variance": row.input_variance,
                "output mean": row.output_mean,
                "output variance": row.output_variance,
                "zeros": row.zeros,
                "saturated": row.saturated,
                "dead": row.dead / row.units,
                "died": counts["died"] / row.units,
                "revived": counts["revived"] / row.units,
                "not a number": row.nan / row.units,
            }
            for curve, value in curves.items():
                writer.add_scalar(f"{curve}/{_place(row.name)}", value, update)

    def _write_weights(self, writer: SummaryWriter, update: int) -> None:
        for name, weights in self.weights.items():
            row = _weight_layer(name, weights, _gradients(weights))
            before = self.before[name]
            change = [new.detach() - old for new, old in zip(weights, before, strict=True)]
            # Tensors divide by 0, the norm of weights that start at 0, without an error.
            ratio = torch.tensor(_norm(change)) / _norm(before)
            writer.add_scalar(f"gradient norm/{name}", row.gradient_norm, update)
            writer.add_scalar(f"update to weight/{name}", ratio, update)

    def _write_histograms(self, seen: list[_Call], writer: SummaryWriter, update: int) -> None:
        samples = {f"outputs/{_place(call.row.name)}": call.sample for call in seen}
        for name, weights in self.weights.items():
            samples[f"gradients/{name}"] = _sample(torch.cat([g.flatten() for g in _gradients(weights)]))
        for tag, sample in samples.items():
            if len(sample):  # nothing is finite after a divergence, and TensorBoard refuses an empty histogram
                writer.add_histogram(tag, sample, update)


def _write_pictures(seen: list[_Call], writer: SummaryWriter, update: int) -> None:
    for call in seen:
        drawn = feature_maps.picture(
            call.before, call.after, [f"{call.row.name}, first held-out image, update {update}"]
        )
        tracking.log_picture(writer, f"before and after/{_place(call.row.name)}", drawn, update)


def _place(name: str) -> str:
    """``"05 activation"`` for ``"05 ReLU"``: runs with other activations are to share the chart."""
    path, _, title = name.partition(" ")
    _, call, number = title.partition(", call ")
    return f"{path} activation{call}{number}"


def _gradients(weights: list[nn.Parameter]) -> list[Tensor]:
    """The gradients of the update; 0 for weights that none reached."""
    return [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
