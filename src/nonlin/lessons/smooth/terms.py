"""Terms that lesson 08 explains."""

TERMS = {
    "GELU": "x times the normal distribution function of x.",
    "cancellation": "The difference of two nearly equal rounded numbers has few correct digits.",
    "threshold": "What x must exceed to pass; if it is random, the probability of passing is the gate.",
    "gate": "A factor between 0 and 1 by which a number is multiplied.",
    "SiLU": "x times its sigmoid; Swish with β = 1.",
    "Swish": "x σ(βx), SiLU in other units.",
    "Mish": "x times the tanh of softplus.",
    "softplus": "log(1 + e^x), whose slope is the sigmoid.",
}
