"""Terms that lesson 11 explains."""

TERMS = {
    "gate": "A factor, computed from the input by a map of its own, that multiplies another part of the layer's outputs.",
    "value": "In a gated unit, the part that the gate multiplies.",
    "excess loss": "What a model loses beyond the entropy, the loss of someone who knows the rules that made the data.",
    "entropy": "The mean loss of someone who knows the true probabilities: no model does better but by luck.",
}
