"""Terms that lesson 09 explains."""

TERMS = {
    "quantisation": "Putting numbers on a grid of a few bits, so that each is stored as a small integer.",
    "codes": "The integers that number the marks of a grid, from 0 to 2^b - 1.",
    "scale": "The distance between two neighbouring marks of a grid.",
    "zero point": "The code that stands for the number 0.",
    "calibration": "Choosing the range of a grid from the outputs that some images cause; lesson 10 uses it otherwise.",
    "clip value": "The upper end of a grid; what lies above is moved to it.",
    "symmetric": "Said of a grid with zero point 0 and as many codes below 0 as above.",
    "requantisation": "Turning the 32-bit sum of a layer into a code on the next grid, by an integer and a shift.",
    "straight-through estimator": "Rounds forward and passes the gradient on backward as if nothing had been rounded.",
    "quantisation-aware training": "Training with the rounding in the forward pass, so that weights learn to bear it.",
    "ReLU6": "ReLU with a cap: min(max(0, x), 6).",
    "Hardsigmoid": "A ramp from 0 at -3 to 1 at 3, in place of sigmoid.",
    "Hardswish": "x times Hardsigmoid, in place of Swish.",
    "Hardtanh": "x, cut off at -1 and 1.",
}
