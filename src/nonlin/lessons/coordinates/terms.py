"""Terms that lesson 15 explains."""

TERMS = {
    "coordinate network": "A network whose input is a place and whose output is what is found there: a grey value, a height, a temperature.",
    "decibel": "A scale for ratios: 10 times the decimal logarithm of a ratio of squares, so that 20 decibels are a factor of 10 in size.",
    "spectral bias": "That gradient descent learns slow waves of a function long before fast ones.",
    "Fourier features": "Cosines and sines of a place, at several frequencies, as inputs in place of the coordinates.",
    "SIREN": "A network whose activation is a sine, with initial weights that keep the sines' angles of the same size from layer to layer.",
    "residual": "What is left of an equation when a candidate is put into it: 0 where it is fulfilled.",
    "physics-informed network": "A network that is trained to fulfil a differential equation, whose residual is its loss.",
}
