"""Terms that lesson 06 explains."""

TERMS = {
    "fan-in": "The number of inputs that one unit sums up.",
    "fan-out": "The number of units that one unit feeds.",
    "mean square": "The mean of the squares, which is the variance plus the square of the mean.",
    "gain": "The factor by which weights of standard deviation 1/√n must be multiplied for the signal to keep its mean "
    "square behind an activation.",
    "gradient's gain": "The gain that keeps the mean square of the gradient instead of the signal.",
    "He's rule": "Weights of mean 0 and standard deviation gain/√n, where n is the fan-in; for ReLU the gain is √2.",
    "LeCun's rule": "Weights of mean 0 and variance 1/n, where n is the fan-in: a gain of 1.",
    "Xavier's rule": "Weights of mean 0 and variance 2/(n + m), where n is the fan-in and m the fan-out.",
    "residual connection": "A layer's input added to its output, x + F(x).",
    "layer normalisation": "For each input, the units' values minus their mean, over their standard deviation, with a "
    "learned scale and shift.",
    "RMS normalisation": "For each input, the units' values over their root mean square, with a learned scale.",
    "batch normalisation": "For each unit, its values minus their mean over the batch, over their standard deviation, "
    "with a learned scale and shift.",
    "forget gate": "The factor between 0 and 1 by which an LSTM multiplies its cell state in each step.",
    "forget bias": "The bias of the forget gate at the start; the larger it is, the more of the state is kept.",
    "gradient clipping": "The whole gradient is scaled down when its norm exceeds a limit.",
}
