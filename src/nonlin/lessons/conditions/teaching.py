"""For those who teach lesson 02."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 5, the conditions on one page, filled in by the room: for each condition a function that"
    " breaks it, and what happened to it in the lesson.",
    behind={
        "02.1": "A hidden layer of any width must be stronger than a narrow one. With x² as activation any "
        "width is three numbers.",
        "02.2": "The subgradient is one of the two one-sided slopes. It is the whole interval between them; "
        "its smallest member may be 0.",
        "02.3": "A step is trained by making it smooth. The trick keeps the step in forward and borrows a "
        "slope in backward; if value and slope come from one expression, one of the two is lost.",
        "02.4": "Standard deviation and root mean square are the same. They are when the mean is 0, and "
        "ReLU's outputs have a mean.",
        "02.5": "A function that is not a straight line is good enough. Growth, flatness and slope each can "
        "ruin it, each in another way.",
    },
    discussions=(
        Discussion(
            question="Does an activation have to be differentiable?",
            answer="Almost everywhere is enough, with something useful to return at the kinks. A step is "
            "differentiable almost everywhere, too, and its slope is of no use: 0.",
        ),
        Discussion(
            question="Must an activation be monotonic? Bounded? Zero at zero?",
            answer="None of these is needed: Swish and GELU dip, ReLU is not bounded, sigmoid is ½ at 0. Ask"
            " in each case which function breaks the condition and still trains.",
        ),
        Discussion(
            question="Which of the conditions can be repaired by something else in the network?",
            answer="Size and mean of the signal, by initial weights or normalisation. Not: being a "
            "polynomial, being flat, being affine.",
        ),
    ),
)
