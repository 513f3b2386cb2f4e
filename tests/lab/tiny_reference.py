"""Reference runs of a few seconds."""

from functools import partial
from pathlib import Path

from nonlin.activations import ACTIVATIONS, ActivationModule
from nonlin.images import sources
from nonlin.images.dataset import Dataset, Split
from nonlin.lab import reference
from nonlin.lab.protocol import Network, Protocol
from nonlin.lab.training import Recipe

NETWORK = Network(depth=1, batch_norm=True, rates=(0.3,), refined=False, difference=0.5, epoch_seconds=1)
PROTOCOL = Protocol(
    version=1,
    activations=("relu", "tanh"),
    reference="relu",
    networks=(NETWORK,),
    recipe=Recipe(epochs=3, batch_size=50),
    precision="float32",
    held_out=5,
    search_seeds=(0,),
    growth=0,
    fewest=1,
    most=1,
)


def few_shapes() -> Dataset:
    """The first images of shapes10."""
    shapes = sources.load("shapes10")
    train = Split(images=shapes.train.images[:150], labels=shapes.train.labels[:150])
    test = Split(images=shapes.test.images[:50], labels=shapes.test.labels[:50])
    return Dataset(name="few", title="few shapes", classes=shapes.classes, train=train, test=test)


def go_on(results: Path, scratch: Path, **options) -> list:
    activations = {name: partial(ActivationModule, ACTIVATIONS[name]) for name in PROTOCOL.activations}
    place = reference.Place(results=results, scratch=scratch, load=few_shapes, activations=activations)
    return reference.go_on(PROTOCOL, few_shapes(), place, progress=False, **options)
