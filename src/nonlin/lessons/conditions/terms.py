"""Terms that lesson 02 explains."""

TERMS = {
    "affine": "Of the form a x + c: a straight line, with a bias.",
    "almost everywhere": "Everywhere but on a set without length, such as finitely many points.",
    "leaky integrate-and-fire neuron": "A model of a nerve cell: its voltage rises with the input, leaks away, "
    "and sends a spike at a threshold.",
    "saturate": "To go flat: the slope goes to 0 far out on a side.",
    "straight-through estimator": "A surrogate gradient of 1: backward passes through as if there were no activation.",
    "surrogate gradient": "A made-up slope that backward uses instead of the true one.",
}
