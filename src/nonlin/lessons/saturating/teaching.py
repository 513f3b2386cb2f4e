"""For those who teach lesson 03."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Sections 1 and 2: [-100, 0, 100] through the textbook sigmoid: three right values, one NaN "
    "slope. Then the repair, whose slope at 0 is wrong: values do not tell.",
    behind={
        "03.1": "torch.where protects from the branch that is not taken. It chooses values; backward goes "
        "through both, and 0 times infinity is NaN.",
        "03.2": "y is taken for an input. The derivative from the output is a formula in y, which is what "
        "backward has kept.",
        "03.3": "Tanh and sigmoid are different kinds of curve. One is the other, stretched in both "
        "directions and shifted.",
        "03.4": "A small number added, or a clamp, cures a logarithm of 0. It hides the infinity and takes "
        "the slope of exactly those examples that are most wrong.",
    },
    discussions=(
        Discussion(
            question='"Sigmoid was given up because its outputs are not centred." How would you find out?',
            answer="Change one thing at a time: a centred sigmoid, a flat tanh. Tanh's centre and its "
            "steepness both pay, and a part of what the centre pays is the start; so the sentence "
            "holds half.",
        ),
        Discussion(
            question="Where does sigmoid's gradient vanish: far out, or deep down?",
            answer="Both, by different means. In float32 the slope that is computed is exactly 0 from 16.6 "
            "on, on the right, and not on the left; through layers at most a quarter of it is left "
            "each time.",
        ),
        Discussion(
            question="Where would you still use the two?",
            answer="Where a value between 0 and 1, or -1 and 1, is meant: gates of recurrent layers, "
            "probabilities at the output, with the loss computed from the logit.",
        ),
    ),
)
