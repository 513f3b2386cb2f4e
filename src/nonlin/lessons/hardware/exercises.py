"""Exercises and quiz of lesson 09, ReLU6, Hardswish and small devices."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nonlin.exercises.by_hand import ByHand
from nonlin.exercises.exercise import Exercise, Mistake, Probe, number_line
from nonlin.exercises.quiz import Option, Question, Quiz


def scale_and_zero_point(low: float, high: float, bits: int) -> tuple[float, int]:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale)


def _printed(low: float, high: float, bits: int) -> tuple[float, int]:
    scale = (high - low) / 2**bits
    return scale, round(low / scale)


def _sign_and_stretch(low: float, high: float, bits: int) -> tuple[float, int]:
    scale = (high - low) / (2**bits - 1)
    return scale, round(low / scale)


def _not_stretched(low: float, high: float, bits: int) -> tuple[float, int]:
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale)


def _wrong_sign(low: float, high: float, bits: int) -> tuple[float, int]:
    scale, zero_point = scale_and_zero_point(low, high, bits)
    return scale, -zero_point


def _too_many_steps(low: float, high: float, bits: int) -> tuple[float, int]:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 2**bits
    return scale, round(-low / scale)


def _steps_and_stretch(low: float, high: float, bits: int) -> tuple[float, int]:
    scale = (high - low) / 2**bits
    return scale, round(-low / scale)


def _only_stretched(low: float, high: float, bits: int) -> tuple[float, int]:
    return _printed(min(low, 0.0), max(high, 0.0), bits)


def _held_at_zero(low: float, high: float, bits: int) -> tuple[float, int]:
    scale, zero_point = _not_stretched(low, high, bits)
    return scale, max(0, zero_point)


def _held_among_the_codes(low: float, high: float, bits: int) -> tuple[float, int]:
    scale, zero_point = _not_stretched(low, high, bits)
    return scale, min(max(0, zero_point), 2**bits - 1)


def _stretched_downwards(low: float, high: float, bits: int) -> tuple[float, int]:
    return _not_stretched(min(low, 0.0), high, bits)


def _rounded_up(low: float, high: float, bits: int) -> tuple[float, int]:
    scale, _ = scale_and_zero_point(low, high, bits)
    return scale, math.ceil(-min(low, 0.0) / scale)


def _cut_off(low: float, high: float, bits: int) -> tuple[float, int]:
    scale, _ = scale_and_zero_point(low, high, bits)
    return scale, int(-min(low, 0.0) / scale)


def _not_rounded(low: float, high: float, bits: int) -> tuple[float, float]:
    scale, _ = scale_and_zero_point(low, high, bits)
    return scale, -min(low, 0.0) / scale


GRID = Exercise(
    number="09.1",
    title="Find the bugs: scale and zero point",
    minutes=6,
    difficulty=2,
    solution=scale_and_zero_point,
    probes=(
        Probe(label="from −1 to 2 on 4 bits", arguments=(-1.0, 2.0, 4)),
        Probe(label="from 0 to 6 on 8 bits", arguments=(0.0, 6.0, 8)),
        Probe(label="from 2 to 6 on 8 bits", arguments=(2.0, 6.0, 8)),
        Probe(label="from −0.9 to 0.7 on 3 bits", arguments=(-0.9, 0.7, 3)),
        Probe(label="from −0.7 to 0.9 on 3 bits", arguments=(-0.7, 0.9, 3)),
        Probe(label="from −6 to −2 on 8 bits", arguments=(-6.0, -2.0, 8)),
    ),
    mistakes=(
        Mistake(
            answer=_printed,
            hint="there are three bugs. Begin with the number of steps: 16 marks have 15 gaps between them.",
        ),
        Mistake(
            answer=_steps_and_stretch,
            hint="the sign of the zero point is mended. Two bugs are left: 16 marks have 15 gaps; and a range from 2 to 6 "
            "does not hold 0.",
        ),
        Mistake(
            answer=_sign_and_stretch,
            hint="the scale is mended. Two bugs are left: the zero point is the code of 0, and codes are not negative; and "
            "a range from 2 to 6 does not hold 0.",
        ),
        Mistake(
            answer=_only_stretched,
            hint="the range holds 0 now. Two bugs are left: 16 marks have 15 gaps between them; and the zero point is the "
            "code of 0, and codes are not negative.",
        ),
        Mistake(
            answer=_held_at_zero,
            hint="now the zero point is a code, but it is not that of 0: with it, code 0 would mean 0 and the grid would end "
            "below 6. Stretch the range itself until it holds 0.",
        ),
        Mistake(
            answer=_held_among_the_codes,
            hint="you hold the zero point between 0 and 2^bits − 1, but it is not the code of 0 then: the grid does not "
            "reach from 2 to 6 any more. Stretch the range itself until it holds 0.",
        ),
        Mistake(
            answer=_stretched_downwards,
            hint="nearly: a range above 0 is stretched down to it. One below 0, from −6 to −2, must be stretched up.",
        ),
        Mistake(
            answer=_rounded_up,
            hint="nearly: you round up, so that 3.06 becomes 4. Take the nearest code: round.",
        ),
        Mistake(
            answer=_cut_off,
            hint="nearly: int() cuts digits off, so that 3.94 becomes 3. Take the nearest code: round.",
        ),
        Mistake(
            answer=_too_many_steps,
            hint="nearly: 2^bits marks have 2^bits − 1 gaps between them, so the scale is a little too small.",
        ),
        Mistake(
            answer=_not_stretched,
            hint="nearly: for a range from 2 to 6 the zero point is −128, which is no code. Stretch the range to hold 0.",
        ),
        Mistake(
            answer=_wrong_sign,
            hint="the zero point is the code of 0, and codes are not negative: low = scale * (0 − zero_point).",
        ),
        Mistake(
            answer=_not_rounded,
            hint="the zero point is a code, an integer: round it. Otherwise 0 is not on the grid.",
        ),
    ),
    hints=(
        "Put low = −1, high = 2, bits = 4 in by hand: code 0 should mean −1 and code 15 should mean 2.",
        "16 marks have 15 gaps. From low = scale * (0 − zero_point) follows the zero point.",
        "A range that does not hold 0 must be stretched until it does: min(low, 0) and max(high, 0).",
    ),
    remark="0 is exactly on the grid now. That matters: ReLU's zeros and the zeros of padding come back as zeros.",
)


def best_clip(x: Tensor, clips: list[float], bits: int) -> float:
    def error(clip: float) -> float:
        scale = clip / (2**bits - 1)
        rounded = scale * (x / scale).round().clamp(0, 2**bits - 1)
        return (rounded - x).square().mean().item()

    return min(clips, key=error)


def _mean_square(x: Tensor, clip: float, bits: int) -> float:
    scale = clip / (2**bits - 1)
    return (scale * (x / scale).round().clamp(0, 2**bits - 1) - x).square().mean().item()


def _with_too_many_codes(x: Tensor, clip: float, bits: int) -> float:
    scale = clip / 2**bits
    return (scale * (x / scale).round().clamp(0, 2**bits) - x).square().mean().item()


def _by_the_formula(x: Tensor, clip: float, bits: int, share: float = 1.0) -> float:
    return share * (clip / (2**bits - 1)) ** 2 / 12 + (x - clip).clamp(min=0).square().mean().item()


def _least(x: Tensor, clips: list[float], bits: int, *, error: str) -> float:
    """Wrong ways to choose a clip value."""

    def of(clip: float) -> float:
        scale = clip / (2**bits - 1)
        codes = (x / scale).round()
        off = scale * codes.clamp(0, 2**bits - 1) - x
        return {
            "one code more": (scale * codes.clamp(0, 2**bits) - x).square().mean(),
            "largest": off.abs().max(),
            "absolute": off.abs().mean(),
            "clipped": (x - x.clamp(max=clip)).square().mean(),
            "rounded": off[x <= clip].square().mean(),
        }[error].item()

    return min(clips, key=of)


# Exponential inputs fall off as the outputs of a trained layer do; one outlier lies far above them.
_OUTPUTS = torch.distributions.Exponential(1.0).icdf((torch.arange(20_000) + 0.5) / 20_000)
_OUTPUTS[-1] = 20
_MOSTLY_ZERO = _OUTPUTS * (torch.arange(20_000) % 20 == 19)
# No clip value is its own place in the list: whoever returns the place is to be told.
_CLIPS = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 8.0, 12.0, 18.0, 24.0]

CLIP = Exercise(
    number="09.2",
    title="The best clip value",
    minutes=6,
    difficulty=2,
    solution=best_clip,
    by_hand=ByHand(without=("quantize", "fake_quantize")),
    probes=(
        Probe(label="with 4 bits", arguments=(_OUTPUTS, _CLIPS, 4)),
        Probe(label="with 3 bits", arguments=(_OUTPUTS, _CLIPS, 3)),
        Probe(label="with 2 bits", arguments=(_OUTPUTS, _CLIPS, 2)),
        Probe(label="with 4 bits, for outputs that are mostly 0", arguments=(_MOSTLY_ZERO, _CLIPS, 4)),
        Probe(label="for 0, 1, 2, 3, 4 with 2 bits", arguments=(torch.arange(5.0), [3.0, 4.0], 2)),
        Probe(label="for ones alone, with 2 bits", arguments=(torch.ones(8), [3.0, 2.5], 2)),
    ),
    mistakes=(
        Mistake(
            answer=lambda x, clips, bits: _least(x, clips, bits, error="largest"),
            hint="you made the largest error small, which the outliers decide. Take the mean of the squares.",
        ),
        Mistake(
            answer=lambda x, clips, bits: _least(x, clips, bits, error="absolute"),
            hint="you took the mean of the absolute errors; asked for is the mean of their squares.",
        ),
        Mistake(
            answer=lambda x, clips, bits: _least(x, clips, bits, error="clipped"),
            hint="you counted the clipping alone, and so never clip. The marks move apart as the clip value grows: count "
            "the rounding too.",
        ),
        Mistake(
            answer=lambda x, clips, bits: _least(x, clips, bits, error="rounded"),
            hint="you counted only what lies inside the grid. What is clipped is an error, too.",
        ),
        Mistake(
            answer=lambda x, clips, bits: min(clips, key=lambda clip: _with_too_many_codes(x, clip, bits)),
            hint="your grid has 2^bits steps, one too many: 2^bits marks have 2^bits − 1 gaps between them.",
        ),
        Mistake(
            answer=lambda x, clips, bits: _least(x, clips, bits, error="one code more"),
            hint="your codes go up to 2^bits, one too many: the first is 0, so the last is 2^bits − 1.",
        ),
        Mistake(
            answer=lambda x, clips, bits: min(clips, key=lambda clip: _by_the_formula(x, clip, bits)),
            hint="the formula charges the zeros, too, and they lie exactly on the grid. Send x through it and measure.",
        ),
        Mistake(
            answer=lambda x, clips, bits: min(
                clips, key=lambda clip: _by_the_formula(x, clip, bits, (x > 0).double().mean().item())
            ),
            hint="the formula takes every place between two marks to be equally likely. Send x through the grid and measure.",
        ),
        Mistake(
            answer=lambda x, clips, bits: _mean_square(x, best_clip(x, clips, bits), bits),
            hint="you returned the least error; wanted is the clip value at which it is least.",
        ),
        Mistake(
            answer=lambda x, clips, bits: clips.index(best_clip(x, clips, bits)),
            hint="you returned the place in the list; wanted is the clip value that stands there.",
        ),
        Mistake(
            answer=lambda x, clips, bits: x.max().item(),
            hint="you took the largest output, as min and max do. Which of the numbers in clips has the least error?",
        ),
    ),
    hints=(
        "For each clip value: build the grid from 0 to it, send x through it, compare with x.",
        "scale = clip / (2**bits - 1); codes are (x / scale).round().clamp(0, 2**bits - 1); times scale; squared error.",
        "min(clips, key=error) returns the clip value itself.",
    ),
    remark="the fewer bits, the lower the best clip value: coarse marks are dear, so it pays to give up outliers.",
)


def hardswish(x: Tensor) -> Tensor:
    return x * F.relu6(x + 3) / 6


PIECES = Exercise(
    number="09.3",
    title="Hardswish from ReLU6",
    minutes=4,
    difficulty=1,
    solution=hardswish,
    by_hand=ByHand(only=("relu", "clamp", "hardtanh", "minimum", "maximum", "fmin", "fmax")),
    probes=number_line(),
    mistakes=(
        Mistake(
            answer=lambda x: F.relu6(x + 3) / 6,
            hint="that is Hardsigmoid, the gate. Hardswish is x times its gate, as Swish is x times sigmoid.",
        ),
        Mistake(
            answer=lambda x: x * F.relu6(x) / 6,
            hint="your gate is shut at 0. Sigmoid is ½ there: shift the input by 3 before ReLU6.",
        ),
        Mistake(
            answer=lambda x: x * F.relu6(x + 3),
            hint="your gate goes from 0 to 6. Divide by 6, so that it goes from 0 to 1.",
        ),
        Mistake(
            answer=lambda x: F.relu6(x + 3) * F.relu6(x + 3) / 6,
            hint="what is gated is x itself, not the shifted and clipped input.",
        ),
        Mistake(
            answer=lambda x: F.relu6(x) * F.relu6(x + 3) / 6,
            hint="the gate is right. What is gated is x itself, without a cap and below 0 as well.",
        ),
        Mistake(
            answer=lambda x: x * F.relu6((x + 3) / 6),
            hint="you divided too early: ReLU6 cuts off at 6. Divide what comes out of it, so that the gate ends at 1.",
        ),
        Mistake(
            answer=lambda x: x * (0.2 * x + 0.5).clamp(0, 1),
            hint="a gate with slope 0.2, as some libraries define their hard sigmoid; torch's rises by 1/6.",
        ),
        Mistake(
            answer=lambda x: x * (x + 3) / 6,
            hint="between −3 and 3 that is right. Outside, the gate must stop at 0 and at 1, which is what ReLU6 is for.",
        ),
    ),
    hints=(
        "Swish is x times sigmoid(x). Which piecewise linear gate goes from 0 at −3 to 1 at 3?",
        "ReLU6(x + 3) goes from 0 at −3 to 6 at 3.",
    ),
    remark="that is how MobileNetV3 writes it: a chip that has ReLU6 has Hardswish.",
)


def integer_dot(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    products = (a.int() - zero_a) * (b.int() - zero_b)
    return scale_a * scale_b * products.sum().item()


def _wraps(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a - zero_a) * (b - zero_b)).sum().item()


def _product_wraps(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a * b).int() - zero_b * a.int() - zero_a * b.int() + zero_a * zero_b).sum().item()


def _widened_late(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a - zero_a).int() * (b - zero_b).int()).sum().item()


def _half_widened(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a.int() - zero_a) * (b - zero_b)).sum().item()


def _int8(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a.to(torch.int8) - zero_a) * (b.to(torch.int8) - zero_b)).sum().item()


def _int16(a: Tensor, b: Tensor, scale_a: float, zero_a: int, scale_b: float, zero_b: int) -> float:
    return scale_a * scale_b * ((a.short() - zero_a) * (b.short() - zero_b)).sum().item()


_A = torch.tensor([0, 17, 255, 128, 3, 90], dtype=torch.uint8)
_B = torch.tensor([128, 200, 5, 127, 255, 64], dtype=torch.uint8)

_LARGE = torch.tensor([255, 254, 250], dtype=torch.uint8)

DOT = Exercise(
    number="09.4",
    title="Find the bug: a dot product in 8 bits",
    minutes=6,
    difficulty=3,
    solution=integer_dot,
    probes=(
        Probe(label="six codes each", arguments=(_A, _B, 0.0235, 0, 0.01, 128)),
        Probe(label="large codes and zero points of 0", arguments=(_LARGE, _LARGE, 0.5, 0, 0.25, 0)),
        Probe(label="two zero points", arguments=(_A, _B, 0.5, 100, 0.25, 128)),
    ),
    mistakes=(
        Mistake(
            answer=_wraps,
            hint="uint8 has no room: 5 − 128 becomes 133 and 255 · 133 becomes 123, without a word. Widen the codes to int32 "
            "before you subtract.",
        ),
        Mistake(
            answer=_product_wraps,
            hint="the product of two uint8 is a uint8 again, modulo 256. Widen before you multiply, not after.",
        ),
        Mistake(
            answer=_widened_late,
            hint="too late: a - zero_a has already wrapped round in uint8. Widen before you subtract, not after.",
        ),
        Mistake(
            answer=_half_widened,
            hint="one of the two still subtracts in uint8, and wraps round there. Widen both.",
        ),
        Mistake(
            answer=_int16,
            hint="int16 ends at 32767, and 255 · 255 is 65025: it comes out as −511. Widen to int32.",
        ),
        Mistake(
            answer=_int8,
            hint="int8 holds −128 to 127: codes from 128 on turn negative. Widen to int32.",
        ),
        Mistake(
            answer=lambda a, b, scale_a, zero_a, scale_b, zero_b: (
                scale_a * scale_b * (a.int() * b.int() - zero_a * zero_b).sum().item()
            ),
            hint="nothing wraps round any more, but (a − zero_a)(b − zero_b) has four terms, not two.",
        ),
        Mistake(
            answer=lambda a, b, scale_a, zero_a, scale_b, zero_b: scale_a * scale_b * (a.int() * b.int()).sum().item(),
            hint="that is the product of the codes. A code stands for scale * (code − zero point).",
        ),
        Mistake(
            answer=lambda a, b, scale_a, zero_a, scale_b, zero_b: (
                ((a.int() - zero_a) * (b.int() - zero_b)).sum().item()
            ),
            hint="the integers are right; they count in units of scale_a times scale_b.",
        ),
    ),
    hints=(
        "Print (a - zero_a) for the codes given. What is torch.tensor([5], dtype=torch.uint8) - 128?",
        "An 8-bit chip multiplies 8-bit codes, but adds up in 32 bits. Do the same: .int() first.",
    ),
    remark="integers inside, one multiplication by a float at the end: that is all that an 8-bit layer does, and it equals "
    "what rounding to the grid in float32 computes.",
)


QUIZ = Quiz(
    (
        Question(
            "A layer's outputs lie between 0 and 4, but for a single one at 400. Calibrated by minimum and maximum on 8 "
            "bits, how many codes are left for the outputs up to 4?",
            (
                Option("About 250", False, "That would be so if the grid ended near 4; it ends at 400."),
                Option("3 or 4", True, "The marks are 400 / 255 = 1.57 apart: 0, 1.57, 3.14 and at most one more."),
                Option("None", False, "0 and the first marks are still there."),
            ),
        ),
        Question(
            "The weights of a deep network are four times as large as He's. What does ReLU6 keep bounded?",
            (
                Option(
                    "The gradient", False, "Its slope is 1 between 0 and 6, and the weights still multiply: it grows."
                ),
                Option("Nothing", False, "Its outputs cannot exceed 6, at any depth."),
                Option(
                    "The outputs", True, "They are at most 6. The gradient grows more slowly than with ReLU, but grows."
                ),
            ),
        ),
        Question(
            "A trained ReLU network is cut off at 6 afterwards, without further training. What is that?",
            (
                Option(
                    "The same as a network trained with ReLU6",
                    False,
                    "That one learned to live with the cap. This one has put information above 6.",
                ),
                Option(
                    "A choice of the clip value, good or bad depending on its outputs",
                    True,
                    "Whether it pays is a matter of rounding against clipping: measure it.",
                ),
                Option("Harmless, since outputs above 6 are rare", False, "Rare outputs can be the ones that decide."),
            ),
        ),
        Question(
            "Which of these makes a network's numbers smaller than 32 bits?",
            (
                Option("torch.jit.script", False, "It writes the same float32 computation in another language."),
                Option("Replacing ReLU by ReLU6", False, "That bounds the outputs; they are float32 as before."),
                Option("Storing codes on a grid with a scale and a zero point", True, "That is what quantising means."),
            ),
        ),
    )
)
