"""Exercises and quiz of lesson 17, choosing an activation, and the capstone: a record of one's own."""

import math
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from nonlin.activations import ACTIVATIONS, Activation, Interval, Kink, Paper, Parameter, fixed
from nonlin.exercises.exercise import Exercise, Mistake, Probe
from nonlin.exercises.quiz import Option, Question, Quiz
from nonlin.lessons.choosing.checkup import checkup


def verdict(says: str, cases: list) -> str:
    if says == "can" and True in cases:
        return "confirmed"
    if says == "always" and False in cases:
        return "refuted"
    if True in cases and False in cases:
        return "depends"
    if not cases or None in cases:
        return "open"
    return "confirmed" if cases[0] else "refuted"


def _old_rule(says: str, cases: list) -> str:
    """One rule for all that is said."""
    return verdict("better", cases)


def _majority(says: str, cases: list) -> str:
    if None in cases or not cases:
        return "open"
    return "confirmed" if cases.count(True) > cases.count(False) else "refuted"


def _without_open(says: str, cases: list) -> str:
    return verdict(says, [case for case in cases if case is not None])


def _open_first(says: str, cases: list) -> str:
    return "open" if None in cases else verdict(says, cases)


def _open_is_no(says: str, cases: list) -> str:
    return verdict(says, [bool(case) for case in cases])


def _empty_confirms(says: str, cases: list) -> str:
    return verdict(says, cases) if cases else "confirmed"


def _swapped(says: str, cases: list) -> str:
    return verdict({"can": "always", "always": "can"}.get(says, says), cases)


VERDICT = Exercise(
    number="17.1",
    title="The rule of the ledger",
    minutes=5,
    difficulty=1,
    solution=verdict,
    probes=tuple(
        Probe(label=f"with {says!r} and {cases}", arguments=(says, cases))
        for says in ("better", "always", "can")
        for cases in (
            [True, True],
            [False],
            [True, False, True],
            [False, True, False, None],
            [True, None],
            [None, False],
            [None, None],
            [],
        )
    ),
    mistakes=(
        Mistake(
            answer=_old_rule,
            hint="you judge all claims by one rule. One case that does not hold refutes what is said to hold always, and one "
            "that holds confirms what is said to be possible.",
        ),
        Mistake(
            answer=_majority,
            hint="you take the majority of the cases, but conditions are no votes.",
        ),
        Mistake(
            answer=_without_open,
            hint="you leave out what is not decided. A case that is open might be the one that turns the verdict: as long as "
            "it could, the verdict is open, too.",
        ),
        Mistake(
            answer=_open_first,
            hint="a case that is open does not always leave the verdict open. Ask first whether those that are decided settle "
            "it, whatever the open ones turn out to be.",
        ),
        Mistake(
            answer=_open_is_no,
            hint="None counts as False in your answer. A case that is not decided is no evidence against the claim.",
        ),
        Mistake(
            answer=_empty_confirms,
            hint="right, but for an empty list: where nothing was tried, nothing is confirmed.",
        ),
        Mistake(
            answer=_swapped,
            hint="it is the other way round: one example is enough for *can*, one counter-example against *always*.",
        ),
    ),
    hints=(
        "First ask for the one case that is enough: True for can, False for always.",
        "Then: both True and False, so it depends; something open, or nothing tried, so it is open; otherwise all cases agree.",
    ),
    remark="the ledger asks one thing more: *depends* stands there only with the number at which it turns. And no rule "
    "knows how the conditions were chosen: whoever picks them picks the verdict, which is why the ledger names them.",
)


def classify(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "equivalent"
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "undecided"


def _not_significant_is_equal(low: float, high: float, margin: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else "equivalent"


def _up_to_the_margin(low: float, high: float, margin: float) -> str:
    return "equivalent" if -margin <= low and high <= margin else classify(low, high, margin)


def _from_zero(low: float, high: float, margin: float) -> str:
    said = classify(low, high, margin)
    return said if said != "undecided" else "better" if low >= 0 else "worse" if high <= 0 else said


def _sign_first(low: float, high: float, margin: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else classify(low, high, margin)


def _by_the_mean(low: float, high: float, margin: float) -> str:
    mean = (low + high) / 2
    return "equivalent" if abs(mean) < margin else "better" if mean > 0 else "worse"


def _undecided_first(low: float, high: float, margin: float) -> str:
    return "undecided" if low <= 0 <= high else classify(low, high, margin)


def _wrong_ends(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "equivalent"
    return "better" if high > 0 else "worse" if low < 0 else "undecided"


def _one_end_is_enough(low: float, high: float, margin: float) -> str:
    return "equivalent" if -margin < low or high < margin else classify(low, high, margin)


def _middle_within(low: float, high: float, margin: float) -> str:
    return "equivalent" if abs(low + high) / 2 < margin else classify(low, high, margin)


def _beyond_the_margin(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "equivalent"
    return "better" if low > margin else "worse" if high < -margin else "undecided"


def _by_the_width(low: float, high: float, margin: float) -> str:
    return "equivalent" if high - low < 2 * margin else "better" if low > 0 else "worse" if high < 0 else "undecided"


CLASSIFY = Exercise(
    number="17.3",
    title="Better, worse, equivalent, or undecided",
    minutes=6,
    difficulty=2,
    solution=classify,
    probes=tuple(
        Probe(label=f"for [{low}, {high}] with a margin of {margin}", arguments=(low, high, margin))
        for low, high, margin in (
            (0.62, 1.18, 0.5),
            (-1.98, -0.23, 0.5),
            (-0.35, 2.27, 0.5),
            (-0.48, 0.32, 0.5),
            (0.1, 0.3, 0.5),
            (-0.3, -0.1, 0.5),
            (-0.48, 0.32, 0.2),
            (0.2, 0.9, 0.5),
            (-0.5, 0.2, 0.5),
            (-0.2, 0.5, 0.5),
            (0.0, 0.9, 0.5),
            (-0.9, 0.0, 0.5),
        )
    ),
    mistakes=(
        Mistake(
            answer=_not_significant_is_equal,
            hint="an interval that contains 0 is not yet equivalence: [-0.35, 2.27] contains 0 and 2 points as well. Two are "
            "equivalent only if the whole interval lies within the margin.",
        ),
        Mistake(
            answer=_up_to_the_margin,
            hint="strictly within the margin: an interval that ends at the margin is not equivalent.",
        ),
        Mistake(
            answer=_from_zero,
            hint="above 0 and below 0: an interval that begins or ends at 0 holds 0.",
        ),
        Mistake(
            answer=_sign_first,
            hint="ask for equivalence first: [0.1, 0.3] is surely above 0, and surely too small to matter.",
        ),
        Mistake(
            answer=_undecided_first,
            hint="an interval that contains 0 may still lie within the margin, and then it is equivalent: ask that first.",
        ),
        Mistake(
            answer=_wrong_ends,
            hint="equivalence is right. An interval lies above 0 if its lower end does, and below 0 if its upper end does.",
        ),
        Mistake(
            answer=_one_end_is_enough,
            hint="both ends must lie within the margin: and, not or.",
        ),
        Mistake(
            answer=_middle_within,
            hint="the middle of the interval lies within the margin. The whole interval has to.",
        ),
        Mistake(
            answer=_by_the_mean,
            hint="you judge by the middle of the interval. That is what one would do without an interval.",
        ),
        Mistake(
            answer=_by_the_width,
            hint="you ask how wide the interval is. Where it lies matters: [0.62, 1.18] is narrow, and beyond the margin of 0.5 "
            "with both ends.",
        ),
        Mistake(
            answer=_beyond_the_margin,
            hint="better means that the interval lies above 0; above the margin would be better by at least that much, which "
            "is more than was asked.",
        ),
    ),
    hints=(
        "Four answers, three questions, in the right order: within the margin? above 0? below 0?",
        "-margin < low and high < margin comes first.",
    ),
    remark="the margin has to be chosen before the runs are looked at. With none, no amount of data can ever show that two "
    "activations are as good as each other.",
)


def gate(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    tail = bend * (bend / (root + x.abs())) * (x / root) / 2  # |x|, lest the branch that is not taken gives NaN slopes
    return torch.where(x < 0, tail, x * (1 + x / root) / 2)


def _textbook_gate(x: Tensor, bend: float) -> Tensor:
    return x / 2 * (1 + x / torch.sqrt(x**2 + bend**2))


def _hypot_only(x: Tensor, bend: float) -> Tensor:
    return x / 2 * (1 + x / torch.hypot(x, torch.full_like(x, bend)))


def _double(x: Tensor, bend: float) -> Tensor:
    return _textbook_gate(x.double(), bend).to(x.dtype)


def _no_branch(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    return bend * (bend / (root - x)) * (x / root) / 2


def _product_overflows(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    return torch.where(x < 0, x * bend**2 / (2 * root * (root - x)), x * (1 + x / root) / 2)


def _still_a_difference(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    return torch.where(x < 0, x / 2 * ((root + x) / root), x * (1 + x / root) / 2)


def _without_the_root_below(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    return torch.where(x < 0, x / 2 * bend * (bend / (root - x)), x * (1 + x / root) / 2)


def _first_term_of_the_tail(x: Tensor, bend: float) -> Tensor:
    root = torch.hypot(x, torch.full_like(x, bend))
    return torch.where(x < -10, bend / 4 * (bend / x), x * (1 + x / root) / 2)


def _square_overflows(x: Tensor, bend: float) -> Tensor:
    root = torch.sqrt(x**2 + bend**2)
    return torch.where(x < 0, bend * (bend / (root - x)) * (x / root) / 2, x * (1 + x / root) / 2)


FAR = torch.tensor([-1e20, -1e4, -100, -3, -0.5, 0, 0.5, 3, 100, 1e4, 1e20])

STABLE = Exercise(
    number="17.2",
    title="Find the bug: a gate that closes too early",
    minutes=7,
    difficulty=3,
    solution=gate,
    probes=(
        # The tail is 6e-22 at least. A factor of it may be a denormal number, which keeps fewer digits.
        Probe(label="at bend = 1, x from -1e20 to 1e20", arguments=(FAR, 1.0), tolerance=1e-24),
        Probe(label="at bend = 0.5, x from -1e20 to 1e20", arguments=(FAR, 0.5), tolerance=1e-24),
        Probe(label="in float64", arguments=(FAR.double(), 1.0)),
    ),
    mistakes=(
        Mistake(
            answer=_textbook_gate,
            hint="two bugs are still in: at x = 1e20 the square overflows in float32, and x / inf is 0; at x = -1e4 the "
            "bracket 1 + x/r is 1 - 0.999999995, of which float32 keeps nothing.",
        ),
        Mistake(
            answer=_hypot_only,
            hint="hypot cured the overflow. The cancellation is left: for x < 0, 1 + x/r = (r + x)/r, and r + x = "
            "b²/(r - x), without a difference of equals.",
        ),
        Mistake(
            answer=_still_a_difference,
            hint="(r + x) / r is the same difference, written another way: for x < 0, r and x nearly cancel. Use r + x = "
            "b²/(r - x).",
        ),
        Mistake(
            answer=_without_the_root_below,
            hint="the bracket is (r + x) / r: with r + x = b²/(r - x) there is still an r to divide by.",
        ),
        Mistake(
            answer=_first_term_of_the_tail,
            hint="-b²/(4|x|) is what the tail tends to. Near the place where you change over it is off by more than rounding; "
            "r + x = b²/(r - x) is exact for every x < 0.",
        ),
        Mistake(
            answer=_double,
            hint="float64 moves the two bugs further out, it does not remove them: at x = -1e20 the tail is still lost. And it "
            "costs twice the memory.",
        ),
        Mistake(
            answer=_no_branch,
            hint="the new form is for x < 0. For x > 0 it is r - x that cancels: each sign needs its own form.",
        ),
        Mistake(
            answer=_square_overflows,
            hint="the cancellation is cured. The square still overflows in float32, from 2e19 on; torch.hypot does "
            "not.",
        ),
        Mistake(
            answer=_product_overflows,
            hint="right, but for one thing: at x = -1e20 the tail is 0. If a product such as r (r - x) overflows there, divide "
            "by one factor at a time.",
        ),
    ),
    hints=(
        "Print the bracket 1 + x / r at x = -1e4 in float32, and x**2 at x = 1e20.",
        "(r + x)(r - x) = b², so r + x = b² / (r - x): no cancellation for x < 0.",
        "torch.hypot(x, torch.full_like(x, bend)) is r without overflow; torch.where(x < 0, ..., ...) joins the two.",
    ),
    remark="neither bug gives a NaN, a warning or an error: only numbers that are wrong by half and more. What finds them "
    "is the comparison of float32 with float64.",
)


def fair_lead(mine: Tensor, relu: Tensor) -> float:
    chosen, reference = (table[table[:, 0].argmax(), 1:] for table in (mine, relu))
    return (chosen - reference).mean().item()


def _only_mine_tuned(mine: Tensor, relu: Tensor) -> float:
    return (mine[mine[:, 0].argmax(), 1:] - relu[0, 1:]).mean().item()


def _best_means(mine: Tensor, relu: Tensor) -> float:
    return (mine.mean(dim=1).max() - relu.mean(dim=1).max()).item()


def _judged_by_its_own_seed(mine: Tensor, relu: Tensor) -> float:
    return (mine[mine[:, 0].argmax()] - relu[relu[:, 0].argmax()]).mean().item()


def _one_rate_for_both(mine: Tensor, relu: Tensor) -> float:
    rate = mine[:, 0].argmax()
    return (mine[rate, 1:] - relu[rate, 1:]).mean().item()


def _chosen_by_the_judges(mine: Tensor, relu: Tensor) -> float:
    return (mine[:, 1:].mean(dim=1).max() - relu[:, 1:].mean(dim=1).max()).item()


def _chosen_in_a_row(mine: Tensor, relu: Tensor) -> float:
    return (mine[mine[0].argmax(), 1:] - relu[relu[0].argmax(), 1:]).mean().item()


def _seeds_in_rows(mine: Tensor, relu: Tensor) -> float:
    return fair_lead(mine.T, relu.T)


def _best_of_the_judges(mine: Tensor, relu: Tensor) -> float:
    chosen, reference = (table[table[:, 0].argmax(), 1:] for table in (mine, relu))
    return (chosen.max() - reference.max()).item()


MINE_TRIED = torch.tensor([[70.0, 69.0, 71.0, 70.0], [76.0, 74.0, 75.0, 72.0], [75.0, 77.5, 76.0, 77.0]])
RELU_TRIED = torch.tensor([[72.0, 71.0, 72.5, 71.5], [74.0, 75.0, 74.5, 76.0], [76.5, 73.0, 74.0, 76.0]])
MINE_AGAIN = torch.tensor([[71.3, 70.1, 72.6], [68.2, 69.9, 70.4], [74.8, 73.5, 71.7], [73.1, 75.2, 74.9]])
RELU_AGAIN = torch.tensor([[70.6, 71.8, 70.9], [73.9, 72.4, 73.3], [71.5, 74.6, 75.3], [72.2, 70.7, 71.1]])

FAIR = Exercise(
    number="17.4",
    title="Find the bug: the tuned newcomer",
    minutes=7,
    difficulty=2,
    solution=fair_lead,
    probes=(
        Probe(label="with 3 rates and 4 seeds", arguments=(MINE_TRIED, RELU_TRIED)),
        Probe(label="with 4 rates and 3 seeds", arguments=(MINE_AGAIN, RELU_AGAIN)),
    ),
    mistakes=(
        Mistake(
            answer=lambda mine, relu: (mine.mean(dim=1).max() - relu[0].mean()).item(),
            hint="the newcomer is shown at the best of its rates, ReLU at the first one. Both must be tuned alike.",
        ),
        Mistake(
            answer=_only_mine_tuned,
            hint="the newcomer's rate is now chosen by seed 0, and ReLU still runs at the first rate: tune both alike.",
        ),
        Mistake(
            answer=_best_means,
            hint="both are tuned now, and by the same seeds that are reported: the best of several means is biased upward. "
            "Let seed 0 choose and the others judge.",
        ),
        Mistake(
            answer=_judged_by_its_own_seed,
            hint="seed 0 chose the rate and is part of the mean: leave it out of the report.",
        ),
        Mistake(
            answer=_chosen_by_the_judges,
            hint="seed 0 is left out, and the seeds that judge choose the rate as well: the best of several means is biased "
            "upward. Let seed 0 choose.",
        ),
        Mistake(
            answer=_seeds_in_rows,
            hint="a row is a learning rate, and a column a seed: seed 0 is table[:, 0].",
        ),
        Mistake(
            answer=_chosen_in_a_row,
            hint="row 0 is a learning rate at all seeds; seed 0 at all rates is column 0, table[:, 0].",
        ),
        Mistake(
            answer=_best_of_the_judges,
            hint="of the other seeds you took the best on each side: take their mean.",
        ),
        Mistake(
            answer=lambda mine, relu: fair_lead(mine, relu) * (mine.shape[1] - 1),
            hint="that is the sum of the leads of the other seeds: take their mean.",
        ),
        Mistake(
            answer=lambda mine, relu: (mine[:, 0].max() - relu[:, 0].max()).item(),
            hint="seed 0 chooses and judges as well. Choose by it, and report the others.",
        ),
        Mistake(
            answer=lambda mine, relu: fair_lead(relu, mine),
            hint="the sign is wrong: the newcomer's lead is its own accuracy minus ReLU's.",
        ),
        Mistake(
            answer=_one_rate_for_both,
            hint="ReLU runs at the rate that suits the newcomer: each chooses its own.",
        ),
    ),
    hints=(
        "table[:, 0] holds seed 0 for every rate; its argmax is the row to use.",
        "From the chosen row of each table take the columns from 1 on, subtract seed by seed, take the mean.",
    ),
    remark="in a real study the rate is chosen on images that are neither trained on nor tested on, and every activation "
    "gets a search of the same size.",
)


# The capstone


@lru_cache(maxsize=64)
def _faults_of_record(record: Activation) -> tuple[str, ...]:
    faults = checkup(record).faults
    return faults or _not_new(record)


def _not_new(record: Activation) -> tuple[str, ...]:
    x = torch.linspace(-6, 6, 121, dtype=torch.float64)
    known = {each.title: each.function(x) for each in ACTIVATIONS.values()}
    known["the golden gate of section 5"] = x / 2 * (1 + x / torch.sqrt(x**2 + 1))
    for title, values in known.items():
        if torch.allclose(values, record.function(x), atol=1e-9):
            return (f"every test is passed, but that is {title}: change something, and try again.",)
    return ()


def faults_of_answer(answer: Any) -> Sequence[str]:
    """What is wrong with a learner's record, the first thing to mend first."""
    if not isinstance(answer, Activation):
        return (f"a record is expected, Activation(name=..., ...), not {type(answer).__name__}.",)
    return _faults_of_record(answer)


def squareplus_record() -> Activation:
    def squareplus(x: Tensor, b: float = 4.0) -> Tensor:
        root = torch.hypot(x, torch.full_like(x, math.sqrt(b)))
        return torch.where(x < 0, b / (2 * (root - x)), (x + root) / 2)

    def squareplus_derivative(x: Tensor, b: float = 4.0) -> Tensor:
        return squareplus(x, b) / torch.hypot(x, torch.full_like(x, math.sqrt(b)))

    return Activation(
        name="squareplus",
        title="Squareplus",
        function=squareplus,
        derivative=squareplus_derivative,
        derivative_from_output=None,
        formula=r"f(x) = \frac{x + \sqrt{x^2 + b}}{2}",
        derivative_formula=r"f'(x) = \frac{1}{2} \left(1 + \frac{x}{\sqrt{x^2 + b}}\right)",
        range=fixed(Interval.parse("(0, inf)")),
        kinks=fixed(()),
        smoothness=fixed(math.inf),
        takes={
            "b": Parameter(symbol="b", default=4.0, domain=Interval.parse("(0, inf)"), meaning="its limit at 0 is ReLU")
        },
        torch_module=None,
        paper=Paper(
            authors="Barron",
            year=2021,
            title="Squareplus: A Softplus-Like Algebraic Rectifier",
            url="https://arxiv.org/abs/2112.11687",
        ),
        use="Positive outputs without an exponential.",
        caveat="Its left tail falls like b / (4 |x|), so that it is never sparse.",
    )


SQUAREPLUS = squareplus_record()


def _changed(**changes: Any) -> Activation:
    facts = {field.name: getattr(SQUAREPLUS, field.name) for field in fields(SQUAREPLUS)}
    return Activation(**(facts | changes))


def _without_half(x: Tensor, b: float = 4.0) -> Tensor:
    return 2 * SQUAREPLUS.derivative(x, b)


def _cancelling(x: Tensor, b: float = 4.0) -> Tensor:
    return (x + torch.sqrt(x**2 + b)) / 2


def _overflowing(x: Tensor, b: float = 4.0) -> Tensor:
    return torch.log(1 + torch.exp(x)) * torch.exp(x) / (b + torch.exp(x))


def _overflowing_derivative(x: Tensor, b: float = 4.0) -> Tensor:
    e = torch.exp(x)
    return e * e / ((1 + e) * (b + e)) + torch.log(1 + e) * b * e / (b + e) ** 2


def _bent_line(x: Tensor, b: float = 4.0) -> Tensor:
    return torch.where(x > 1, 1 + (x - 1) / b, x)


def _bent_line_derivative(x: Tensor, b: float = 4.0) -> Tensor:
    return torch.where(x > 1, torch.full_like(x, 1 / b), 1.0)


def _slope_of_input(y: Tensor, b: float = 4.0) -> Tensor:
    return SQUAREPLUS.derivative(y, b)


LINE = {"function": _bent_line, "derivative": _bent_line_derivative, "range": fixed(Interval.parse("(-inf, inf)"))}

OWN_RECORD = Exercise(
    number="17.5",
    title="The capstone: a record of your own",
    minutes=45,
    difficulty=3,
    solution=squareplus_record,
    faults=faults_of_answer,
    mistakes=(
        Mistake(
            answer=_changed(derivative=_without_half),
            hint="derivative against difference quotients: your derivative is everywhere twice the slope of your formula. The outer "
            "factor ½ is missing.",
        ),
        Mistake(
            answer=_changed(function=_cancelling),
            hint="float32 against float64: x + sqrt(x² + b) subtracts two nearly equal numbers for x < 0, and the tail is "
            "lost; and x² overflows from 2e19 on. Section 5 shows both cures.",
        ),
        Mistake(
            answer=_changed(function=_overflowing, derivative=_overflowing_derivative),
            hint="numbers everywhere: e^100 is infinite in float32, and infinity over infinity is NaN. Write e^x / (b + e^x) "
            "with e^-x, or with torch.sigmoid.",
        ),
        Mistake(
            answer=_changed(**LINE),
            hint="kinks: the slope jumps at x = 1, and no kink is declared there: kinks=fixed((Kink(at=1, slope=1),)), the "
            "slope being what your derivative returns exactly at 1.",
        ),
        Mistake(
            answer=_changed(**LINE, kinks=fixed((Kink(at=1.0, slope=0.25),)), smoothness=fixed(0)),
            hint="kinks: the kink is declared with the slope of the other side. At x = 1 itself your condition x > 1 is "
            "false, so that the slope there is 1.",
        ),
        Mistake(
            answer=_changed(range=fixed(Interval.parse("(-1, inf)"))),
            hint="range: the low end is said to be -1, and no value comes near it: all are above 0.",
        ),
        Mistake(
            answer=_changed(derivative_from_output=_slope_of_input),
            hint="derivative from the output: it gets y, and treats it as x. From y the slope is y² / (y² + b/4); or write "
            "None, and backward works from x.",
        ),
        Mistake(
            answer=ACTIVATIONS["silu"],
            hint="that is SiLU, which the package has. Change something, and try again.",
        ),
    ),
    hints=(
        "Begin with the record of the golden gate in section 5, and change one thing at a time: function, derivative, range.",
        "print(checkup(mine_record)) shows all tests at once; mend the first ✗ first, since the others may follow from it.",
        "No idea for a function? x times any sigmoid; the mean of two activations; or the inverse of one.",
    ),
    remark="your record is as sound as those of the package. Now gain, signal, cost, and pairs of runs.",
)

QUIZ = Quiz(
    (
        Question(
            "A claim that says always, or compares, holds in four tested conditions and fails in one. What does the ledger say?",
            (
                Option(
                    "Confirmed, by four to one", False, "Conditions are not votes: another choice of them, other odds."
                ),
                Option("Depends: it holds usually", False, "Usually is another claim, and needs to say of what."),
                Option(
                    "Refuted, if it says always; a comparison depends, if it is known on what",
                    True,
                    "The useful part is which condition it fails in, and where it turns.",
                ),
            ),
        ),
        Question(
            "A newcomer leads ReLU by 0.96 points, with an interval from −0.35 to 2.27. What may you write?",
            (
                Option("The two are equally good", False, "A lead of 2 points lies in the interval as well."),
                Option(
                    "The newcomer is better by about one point",
                    False,
                    "−0.3 lies in the interval as well, and would be a loss.",
                ),
                Option(
                    "The runs do not decide; between −0.35 and 2.27 all is possible",
                    True,
                    "And how many more seeds it takes can be computed (lesson 13).",
                ),
            ),
        ),
        Question(
            "Your new activation passes every test of the checkup. What has been shown?",
            (
                Option(
                    "That value, slope, kinks and range belong together",
                    True,
                    "Nothing more: whether it trains better is a matter for paired runs.",
                ),
                Option(
                    "That it will train", False, "A constant function with a zero slope can be recorded truthfully."
                ),
                Option("That it is new", False, "A copy of SiLU passes as well: search the literature."),
            ),
        ),
        Question(
            "Which of these would a reviewer object to first?",
            (
                Option("Five seeds only", False, "Few, but stated with an interval it is honest."),
                Option(
                    "A rate searched for the new activation, and ReLU at its default",
                    True,
                    "Then the search is compared, not the activation.",
                ),
                Option("No theory of why it works", False, "A measurement can stand without one."),
            ),
        ),
    )
)
