"""Terms that lesson 10 explains."""

TERMS = {
    "logits": "The numbers that the last linear layer gives, one for each class, before any softmax or sigmoid.",
    "temperature": "The number by which all logits are divided before a softmax: small: surer, large: less sure.",
    "softmax": "Turns logits into probabilities that are positive, sum to 1, and have e^(difference) as odds.",
    "cross-entropy": "The negative logarithm of the probability that is given to the right class.",
    "log-sum-exp": "ln of the sum of all e^x, computed as m + ln of the sum of all e^(x - m), m being the largest x.",
    "Jacobian": "The matrix of the derivatives of every output by every input.",
    "calibrated": "Said of a classifier: of the answers given with 80 % confidence, 80 % are right, and so on.",
    "confidence": "The largest probability that a classifier gives for an input.",
    "reliability diagram": "The share of right answers against the confidence with which they were given.",
    "expected calibration error": "The mean gap between confidence and share of right answers, weighted by answers.",
    "temperature scaling": "Dividing the logits by the temperature that makes the log loss of held-out points least.",
    "label smoothing": "Asking for the right class with 1 - ε only, and spreading ε evenly over all classes.",
    "focal loss": "Cross-entropy times (1 - p)^γ, where p is the probability of the right class.",
    "recall": "The share of a class's examples that are found.",
    "prior": "The share of a class among all examples: its probability before an example is looked at.",
    "oversampling": "Showing examples of rare classes again and again in training.",
    "undersampling": "Leaving out examples of common classes in training.",
}
