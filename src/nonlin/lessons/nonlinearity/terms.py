"""Terms that lesson 01 explains."""

TERMS = {
    "Adam": "An optimizer that sets the step of each parameter by its recent gradients.",
    "binary cross-entropy": "The loss for two classes: minus the logarithm of the right label's probability.",
    "cross-entropy": "The loss for several classes: minus the logarithm of the right class's probability.",
    "feature mapping": "What the hidden layers do: they move the inputs to where a straight cut separates them.",
    "logit": "The output of a network before it is made a probability, of any sign.",
    "rank": "The number of independent directions that a matrix lets through.",
    "universal approximation": "One hidden layer that is wide enough comes as close as you like to any continuous "
    "function on a closed and bounded region, unless its activation is a polynomial.",
    "XOR": "Exclusive or: whether two signs, or two bits, differ.",
}
