"""Terms that lesson 13 explains."""

TERMS = {
    "epoch": "One pass over all training images.",
    "Nesterov momentum": "Momentum that looks ahead: the step is the one it would take if the gradient came once more.",
    "learning-rate schedule": "How the learning rate changes during training.",
    "confidence interval": "A range computed from data so that, in 95 % of such experiments, it covers the true value.",
    "standard error": "The standard deviation of a mean: that of one value, divided by the root of their number.",
    "power": "The probability that an experiment notices a difference of a given size.",
    "winner's curse": "The largest of several measured differences is biased upward: it is also the luckiest.",
    "Bonferroni's correction": "For m intervals to hold together, each may fail in one m-th of the allowed cases only.",
    "blocks": "Groups of runs that share their chance, such as all runs with one seed; their effect is taken out.",
    "Bartlett's test": "A test of whether several groups scatter equally.",
    "Dunnett's intervals": "Intervals for the differences of several from one common reference that hold together.",
}
