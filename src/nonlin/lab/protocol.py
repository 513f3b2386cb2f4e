"""The protocol of the reference runs: every choice, with its reason, fixed before the runs.

The course's tables of accuracy rest on these runs. ``reference.py`` plans and stores them; `in_words` prints the
protocol, in lesson 13 and in ``data/results/README.md``. Whoever changes a choice after a run was reported has made
another protocol: raise ``version``, and begin anew.
"""

from dataclasses import dataclass, field

from nonlin.lab.training import Recipe


@dataclass(frozen=True, kw_only=True)
class Network:
    """One of the networks that all activations are compared in, and how its learning rate is searched.

    Args:
        depth, batch_norm: passed to ``models.small_cnn``.
        rates: peak learning rates that every activation is tried with.
        refined: whether the two rates half a step beside the best one are tried as well.
        difference: from ReLU, in points of accuracy, that the reported runs shall find with the protocol's power.
        epoch_seconds: about, on one thread, for the first estimate of time only.
    """

    depth: int
    batch_norm: bool
    rates: tuple[float, ...]
    refined: bool
    difference: float
    epoch_seconds: float

    @property
    def name(self) -> str:
        """As in names of files: ``cnn-depth1-bn``."""
        return f"cnn-depth{self.depth}-{'bn' if self.batch_norm else 'no_bn'}"


WITH_BATCH_NORM = (0.1, 0.2, 0.45, 0.9, 1.8, 3.6)
WITHOUT = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is run, in which order, and how the rates and the numbers of seeds come about.

    Args:
        version: raised with every change of a choice.
        activations: names; all are compared with the reference.
        reference: the activation that the others are compared with.
        networks: in which they are compared.
        recipe: how each network is trained; seed and rate are replaced.
        precision: of all runs but those of ``other_precision``.
        held_out: training images of each class on which the search judges a rate.
        split_seed: draws the held-out images.
        search_seeds: of the search; never reported.
        growth: by how many steps, at most, a grid grows on either side.
        first_seed: of the reported runs; the others follow it.
        power: probability to find a network's ``difference``.
        confidence: that all intervals of a table hold together.
        fewest, most: bounds of the number of reported seeds.
        longer: activations, and epochs, of the longer runs.
        other_precision: activations that are also run in float32.
        extra_seeds: of the longer runs and of those in float32; the first of the reported ones.
    """

    version: int
    activations: tuple[str, ...]
    reference: str
    networks: tuple[Network, ...]
    recipe: Recipe = field(default_factory=Recipe)
    precision: str = "bfloat16"
    held_out: int = 500
    split_seed: int = 20261128
    search_seeds: tuple[int, ...] = (0, 1)
    growth: int = 3
    first_seed: int = 100
    power: float = 0.8
    confidence: float = 0.95
    fewest: int = 5
    most: int = 30
    longer: tuple[str, ...] = ()
    longer_epochs: int = 16
    other_precision: tuple[str, ...] = ()
    extra_seeds: int = 6

    def initialisation(self, activation: str, network: Network) -> str:
        """He's normal weights with the measured gain; without batch normalisation, sigmoid's are centred."""
        return "he_centred" if activation == "sigmoid" and not network.batch_norm else "he"


PROTOCOL = Protocol(
    version=1,
    activations=(
        "relu",
        "sigmoid",
        "tanh",
        "leaky_relu",
        "prelu",
        "elu",
        "selu",
        "silu",
        "gelu",
        "mish",
        "relu6",
        "hardswish",
    ),
    reference="relu",
    networks=(
        Network(depth=1, batch_norm=True, rates=WITH_BATCH_NORM, refined=False, difference=0.5, epoch_seconds=12),
        Network(depth=3, batch_norm=True, rates=WITH_BATCH_NORM, refined=False, difference=0.5, epoch_seconds=20),
        Network(depth=1, batch_norm=False, rates=WITHOUT, refined=True, difference=1.0, epoch_seconds=12),
        Network(depth=3, batch_norm=False, rates=WITHOUT, refined=True, difference=1.0, epoch_seconds=20),
    ),
    recipe=Recipe(epochs=4),
    longer=("relu", "elu", "gelu", "silu", "mish"),
    other_precision=("relu", "gelu"),
)


def in_words(protocol: Protocol) -> str:
    """The protocol as a Markdown table: each choice with its reason."""
    recipe, m = protocol.recipe, len(protocol.activations) - 1
    nets = {network.name: network for network in protocol.networks}
    grids = dict.fromkeys(
        f"{'with' if n.batch_norm else 'without'} batch normalisation {', '.join(f'{rate:g}' for rate in n.rates)}"
        for n in protocol.networks
    )
    points = ", ".join(f"{name} {network.difference:g}" for name, network in nets.items())
    rows = (
        (
            "networks",
            ", ".join(nets),
            "the network of `start.py train`, shallow and deep; batch normalisation may change more than an activation",
        ),
        (
            "activations",
            f"{', '.join(protocol.activations)}; each compared with {protocol.reference}",
            "what practice uses, and the two that it left; ReLU is what a newcomer has to beat",
        ),
        (
            "initial weights",
            "He's, with the gain measured for each activation; sigmoid's centred where there is no batch normalisation",
            "one rule for all; uncentred, sigmoid stays at chance there",
        ),
        (
            "recipe",
            f"SGD, Nesterov momentum {recipe.momentum:g}, batches of {recipe.batch_size}, weight decay "
            f"{recipe.weight_decay:g}, label smoothing {recipe.label_smoothing:g}, shifts and mirroring; the rate "
            f"rises over {100 * recipe.warm_up:g} % of the updates and falls to 0; {recipe.epochs} epochs",
            "that of `start.py train`, which a reader can repeat in minutes",
        ),
        ("precision", protocol.precision, "what this network is trained in where it is faster; float32 is a control"),
        (
            "search: images",
            f"{protocol.held_out} training images of each class held out (seed {protocol.split_seed}), the others "
            "trained on",
            "a rate chosen on the test set flatters whoever was tried most often",
        ),
        (
            "search: rates",
            "; ".join(grids),
            "the same for everybody; steps of about two, since curves are flat at their top",
        ),
        (
            "search: the grid grows",
            f"while the best mean stands at an end, by a factor of 2, at most {protocol.growth} times a side; without "
            "batch normalisation also by the half steps beside the best and the chosen rate",
            "a best rate at an edge is no best rate; without batch normalisation the best stands close to divergence",
        ),
        (
            "search: seeds",
            f"{' and '.join(map(str, protocol.search_seeds))}, never reported",
            "a seed that chose a rate is no judge of it",
        ),
        ("divergence", "counts as chance, 10 %", "leaving it out would reward it"),
        (
            "chosen rate",
            "the best mean among the rates at which no run diverged, nor at the next higher one that was tried",
            "two seeds do not show whether a third diverges; whoever trains once keeps that distance, too",
        ),
        (
            "reported: seeds",
            f"from {protocol.first_seed} on, the same for all activations, in rounds; as many as find these "
            f"differences, each with {100 * protocol.power:g} % probability, among {m} comparisons: {points} points; "
            f"from {protocol.fewest} to {protocol.most}",
            "computed from the search's spread before the first run; nothing stops because it became significant",
        ),
        (
            "reported: images",
            "all training images; the test set, once",
            "what is reported is what a reader gets",
        ),
        (
            "longer",
            f"{protocol.longer_epochs} epochs for {', '.join(protocol.longer)}, with batch normalisation, "
            f"{protocol.extra_seeds} seeds",
            "whether what 4 epochs say holds later",
        ),
        (
            "control",
            f"{', '.join(protocol.other_precision)} in float32, with batch normalisation, {protocol.extra_seeds} seeds",
            "whether the precision decides",
        ),
        (
            "intervals",
            f"all {m} of a table hold together with {100 * protocol.confidence:g} %: seeds as blocks, pooled variance, "
            "Dunnett",
            "one correction for all tables, see `comparisons.py`",
        ),
    )
    return "\n".join(["| choice | what | why |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])
