"""What passes for no difference: one margin for each quantity, with its reason, fixed before anything is measured.

A claim that one is better than another is held against a margin: it is refuted where a lead as large as the margin is
excluded, confirmed where a lead of 0 is, and open where the interval excludes neither.
"""

from dataclasses import dataclass

from nonlin.intervals import Bounds, above, below, within


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The smallest difference of a quantity that counts.

    Args:
        quantity: what is compared.
        size: above 0 for a difference, above 1 for a ratio.
        unit: "points", or "times" for a ratio.
        because: why this much.
    """

    quantity: str
    size: float
    unit: str
    because: str

    def __str__(self) -> str:
        return f"{self.size:g} {self.unit}".rstrip()

    @property
    def none(self) -> float:
        """What no difference is: 1 for a ratio, 0 otherwise."""
        return 1.0 if self.unit == "times" else 0.0

    @property
    def less_by(self) -> float:
        """The margin on the other side: 1 / size for a ratio, -size otherwise."""
        return 1 / self.size if self.unit == "times" else -self.size

    def more(self, interval: Bounds) -> bool | None:
        """Whether there is more: yes if the whole interval lies above none, no if it lies below the margin."""
        return above(interval, self.none, refuted_below=self.size)

    def less(self, interval: Bounds) -> bool | None:
        """Whether there is less; the mirror image of `more`."""
        return below(interval, self.none, refuted_above=self.less_by)

    def clearly_more(self, interval: Bounds) -> bool | None:
        """Whether there is more by at least the margin."""
        return above(interval, self.size)

    def clearly_less(self, interval: Bounds) -> bool | None:
        """Whether there is less by at least the margin."""
        return below(interval, self.less_by)

    def same(self, interval: Bounds) -> bool | None:
        """Whether any difference is smaller than the margin."""
        return within(interval, self.less_by, self.size)


ACCURACY = Margin(
    quantity="test accuracy",
    size=0.5,
    unit="points",
    because="the seed alone moves a run of the course's networks by about half a point (its standard deviation)",
)
STEPS = Margin(
    quantity="training steps to a given loss",
    size=1.1,
    unit="times",
    because="a tenth of the steps is less than the next learning rate of a grid changes",
)
LOSS = Margin(
    quantity="loss or error",
    size=1.05,
    unit="times",
    because="the difference between neighbouring learning rates near the best is of this size",
)
EXCESS_LOSS = Margin(
    quantity="loss above what the best possible prediction leaves",
    size=1.02,
    unit="times",
    because="a block whose width is rounded to a whole number of units differs by as much",
)
NATS = Margin(
    quantity="loss of a language model",
    size=0.01,
    unit="nats per character",
    because="a hundredth of a nat is one per cent of the perplexity",
)
UNITS_ON = Margin(
    quantity="share of hidden units that are on",
    size=0.05,
    unit="of the units",
    because="leaving out one unit in twenty saves less than finding out which one costs",
)
GRADIENT = Margin(
    quantity="size of a gradient",
    size=1.25,
    unit="times",
    because="a learning rate that is off by a quarter makes up for it",
)
TIME = Margin(
    quantity="time",
    size=1.1,
    unit="times",
    because="one and the same function, timed twice on an idle machine, differs by up to 5 %",
)
NOTABLE_TIME = Margin(
    quantity="time, where a claim says notably or much",
    size=1.25,
    unit="times",
    because="a quarter of an activation's time is a few hundredths of a training step's",
)
FLUCTUATION = Margin(
    quantity="step-to-step change of the loss",
    size=1.1,
    unit="times",
    because="less is not seen in a curve",
)
VANISHING = Margin(
    quantity="factor per layer",
    size=1.25,
    unit="times",
    because="0.8 a layer leaves a hundredth after 20 layers, and 1.25 makes it nearly a hundredfold",
)
DEAD = Margin(
    quantity="share of dead units",
    size=0.01,
    unit="of the units",
    because="a network that loses one unit in a hundred keeps its capacity",
)
RECALL = Margin(
    quantity="share of a class that is found, where a claim says more",
    size=0.1,
    unit="of the class",
    because="a remedy that finds less than one in ten more is not worth its side effects",
)
NO_LOSS = Margin(
    quantity="share of a class that is found, where a claim says no less",
    size=0.02,
    unit="of the class",
    because="two in a hundred of the commonest class are as many as all of the rarest",
)
CALIBRATION = Margin(
    quantity="mean probability over the true share",
    size=1.5,
    unit="times",
    because="a risk that is off by half is still of the right order",
)
CALIBRATION_ERROR = Margin(
    quantity="expected calibration error",
    size=0.02,
    unit="",
    because="a confidence that is two in a hundred off misleads nobody who reads it as a percentage",
)
QUALITY = Margin(
    quantity="quality of a picture",
    size=1.0,
    unit="dB",
    because="1 dB is an error smaller by a ninth, which is hardly seen",
)
NOTHING = Margin(
    quantity="what is computed and not measured",
    size=0.0,
    unit="",
    because="there is no chance in it, so that any difference is one",
)
