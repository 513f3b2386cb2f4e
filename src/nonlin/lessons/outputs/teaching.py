"""For those who teach lesson 10."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 6: two losses that fall, one of which stops at a value that gives it away; find the "
    "second softmax from the curve alone.",
    behind={
        "10.1": "Softmax, logarithm and choice can be done one after the other. What is rounded to 0 before "
        "the logarithm cannot be saved behind it.",
        "10.2": "Softmax is elementwise. Each output depends on each logit; backward needs a sum for each row.",
        "10.3": "One look at one row shows it. A distribution is each row, with no negative number, to a rounding.",
        "10.4": "Class weights are undone by the same weights. They have multiplied the odds; divide, then normalise.",
    },
    discussions=(
        Discussion(
            question="Your network says 0.99. What would make you believe it?",
            answer="Calibration on images that it has not seen: of those with 0.99, 99 of 100 are right. One"
            " temperature repairs much, and changes no ranking.",
        ),
        Discussion(
            question="A rare class is never predicted. Which remedy?",
            answer="Ask what a mistake costs. Weights, sampling and a threshold buy the same with different "
            "prices; the threshold leaves the probabilities honest.",
        ),
        Discussion(
            question="Why is there no softmax behind the last layer in torch's examples?",
            answer="The loss takes logits, and does softmax and logarithm in one stable formula. A second "
            "softmax bounds the logits, so that the loss cannot fall below a value that one can "
            "compute.",
        ),
    ),
)
