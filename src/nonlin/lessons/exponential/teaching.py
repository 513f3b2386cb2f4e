"""For those who teach lesson 07."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 6: mean and variance of many layers as arrows toward one point; then the same map with "
    "torch's gain for SELU.",
    behind={
        "07.1": "A NaN is where the formula is difficult. It stands where the function is a straight line: in"
        " the branch that was not taken.",
        "07.2": "The chain rule brings a factor α and one forgets that the exponent takes it away again.",
        "07.3": "A framework's initialiser fits its activation. For SELU torch's gain is 3/4, and LeCun's "
        "rule, a gain of 1, has to be asked for by another name.",
        "07.4": "A gain of 1 means that nothing changes. Mean and variance have to come back both, and small "
        "deviations have to shrink.",
    },
    discussions=(
        Discussion(
            question="SELU comes with a theorem. Why is it rare?",
            answer="The theorem asks for LeCun's weights, independent inputs and width; it speaks of the "
            "start. Normalisation layers buy the same for any activation.",
        ),
        Discussion(
            question="What does α do in ELU, and why was CELU made?",
            answer="It is the limit on the left, and for α other than 1 the slope jumps at 0. CELU puts it "
            "into the exponent, so that the slope has no jump.",
        ),
        Discussion(
            question='"ELU pushes the means toward zero." How is such a promise tested?',
            answer="Say toward zero compared with what, at which weights, and count layers or networks. The "
            "turning point is a number that the lesson computes.",
        ),
    ),
)
