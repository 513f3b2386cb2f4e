"""Terms that lesson 05 explains."""

TERMS = {
    "linear unit": "A unit that is on one side of its kink for all data, and multiplies by a constant.",
    "weight decay": "Adding a multiple of each parameter to its gradient, which pulls it towards 0.",
}
