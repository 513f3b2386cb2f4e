"""The subject of the course: every activation as one record, in course order.

Adding an activation is one edit: its formula, its derivative and its record in the file of its family.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from nonlin.activations import exponential, hardware, leaky, periodic, rectified, saturating, smooth
from nonlin.activations.layers import ActivationModule, apply, apply_
from nonlin.activations.record import Activation, Interval, Kink, Paper, Parameter, fixed

FAMILIES = (saturating, rectified, leaky, exponential, smooth, hardware, periodic)


def _records(families: tuple[ModuleType, ...]) -> Mapping[str, Activation]:
    records = [value for family in families for value in vars(family).values() if isinstance(value, Activation)]
    return MappingProxyType({record.name: record for record in records})


ACTIVATIONS = _records(FAMILIES)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ActivationModule",
    "Interval",
    "Kink",
    "Paper",
    "Parameter",
    "apply",
    "apply_",
    "fixed",
]
