"""Terms that lesson 03 explains."""

TERMS = {
    "Adam": "An optimizer whose step, a running mean of gradients, is divided by their recent size.",
    "cross-entropy": "The loss −log p, where p is the probability that the network gives to what is true.",
    "log-odds": "The logarithm of p / (1 − p): what sigmoid turns back into the probability p.",
    "logit": "The number that goes into the last sigmoid (or softmax): log-odds.",
    "LogSigmoid": "The logarithm of sigmoid, computed without underflow.",
    "momentum": "Adding a share of the last step to the next one.",
    "Softsign": "x / (1 + |x|), a tanh without exponential.",
    "Tanhshrink": "x − tanh x, which shrinks what is small.",
    "Xavier initialisation": "Weights with the variance 2 / (inputs + outputs) of their layer, and biases of 0.",
}
