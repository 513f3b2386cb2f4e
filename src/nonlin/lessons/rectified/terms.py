"""Terms that lesson 04 explains."""

TERMS = {
    "batch normalisation": "Bringing each unit's inputs to mean 0 and variance 1 over the batch, then scaling and "
    "shifting them by two learned numbers.",
    "dead unit": "A unit whose slope is exactly 0 for every example, so that no gradient reaches its weights.",
    "gain": "The factor g in weights that are drawn with the standard deviation g / √n, for n inputs.",
    "Haar wavelet": "Taking a signal apart into means and differences of neighbours, again and again.",
    "He initialisation": "Weights from N(0, 2/n), for n inputs, and biases of 0.",
    "kink": "A place where a curve has a corner, and the slope jumps.",
    "positively homogeneous": "Said of f if f(c x) = c f(x) for every c > 0, as for ReLU.",
    "proximal operator": "Of a penalty p: it maps x to the y that makes (y − x)²/2 + p(y) smallest.",
    "Softshrink": "Moving every number towards 0 by λ, and to 0 what is nearer than that.",
    "sparsity": "That many numbers, outputs of units for instance, are exactly 0.",
    "subgradient": "The slope of a line that touches a curve from below, where the curve itself has none.",
}
