"""For those who teach lesson 08."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2: a coin toss per neuron with probability Φ(x), and the mean of many tosses drawing GELU's curve.",
    behind={
        "08.1": "The gate is taken for a constant. x σ(x) is a product with two terms.",
        "08.2": "A gradient with respect to a shared parameter is elementwise. It is the sum, weighted with "
        "what comes from above.",
        "08.3": "What agrees between -3 and 3 agrees. 1 + tanh(u) loses all digits of the tail at -5.",
        "08.4": "One repair mends both tails. The left one needs log1p, the right one a harmless argument in "
        "the branch that is not taken.",
        "08.5": "A probability can be any number. The threshold's distribution function ends at 0 and at 1, "
        "and it still has to be multiplied by x.",
    },
    discussions=(
        Discussion(
            question="Is Swish with a learned β more general than ReLU and the identity together?",
            answer="In the limits. Between, β scales the input: with the weights before and behind it a "
            "different β is the same network at another size.",
        ),
        Discussion(
            question="Does the dip matter?",
            answer="Fill it in and train: that is what the lesson does. Say before which difference would "
            "convince you, and on how many seeds.",
        ),
        Discussion(
            question="Why do large language models use these and not ReLU?",
            answer="Practice, and small differences at large scale that our networks cannot measure. Say "
            "what was measured, and where one merely follows.",
        ),
    ),
)
