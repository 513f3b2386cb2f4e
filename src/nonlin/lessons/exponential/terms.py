"""Terms that lesson 07 explains."""

TERMS = {
    "exponential linear unit": "ELU: x above 0, α (e^x − 1) below it.",
    "CELU": "An ELU with x/α in the exponent, so that its slope has no jump at 0 for any α.",
    "SELU": "An ELU times a scale, with constants that make mean 0 and variance 1 reproduce themselves.",
    "fixed point": "What a map, here that of a layer from mean and variance to the next, gives back as it got it.",
    "dropout": "Each unit is set to 0 with a given probability during training, and the others are enlarged to make up "
    "for it.",
    "alpha dropout": "Dropout for SELU: dropped units take its lowest value, and scale and shift restore mean 0 and "
    "variance 1.",
}
