"""For those who teach lesson 13."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2: the winner among twelve activations by seed 0, then by seed 1. Then pairs, and the "
    "interval that shrinks.",
    behind={
        "13.1": "zero_grad can stand anywhere. backward adds; between backward and step it erases what was computed.",
        "13.2": "Two lists of numbers are compared by their two spreads. Seeds are shared: take differences first.",
        "13.3": "The best epoch is the result. What chooses may not judge.",
        "13.4": "95 % holds for each, so it holds for all. Eleven intervals together fail far more often.",
    },
    discussions=(
        Discussion(
            question="How many seeds does it take to see half a point?",
            answer="It follows from the spread of the differences; the lesson computes it. With one run of "
            "each: none is enough.",
        ),
        Discussion(
            question="Why the same seed for both runs of a pair?",
            answer="Initial weights, order of images and augmentation are then the same, and their luck "
            "cancels in the difference as far as it is shared.",
        ),
        Discussion(
            question="One learning rate for all activations: fair?",
            answer="Fair to the one that it fits. A comparison is of pairs, activation with rate, each "
            "searched with the same effort, on runs that do not judge.",
        ),
    ),
)
