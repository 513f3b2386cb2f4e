"""For those who teach lesson 05."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2, the slider of the slope from -1 to 2, and the same function drawn as a line plus a V:"
    " what is learned is the share of the V.",
    behind={
        "05.1": "LeakyReLU is max(ax, x). Only for slopes up to 1, and at 0 the tie shares the gradient.",
        "05.2": "A parameter's gradient has the shape of the activation. It has the shape of the parameter, "
        "and sums over everything that shares it.",
        "05.3": "torch.no_grad() is evaluation mode. It stops the recording; the random slopes stop with "
        "eval(), and a new network has new weights until a state is loaded.",
        "05.4": "Backward needs the input. For a positive slope the output tells it; the slope's own gradient"
        " counts where it acted.",
    },
    discussions=(
        Discussion(
            question="Does a leak revive dead units?",
            answer="It keeps a gradient alive. Whether a unit comes back depends on the optimizer, the "
            "accident, and what there is to win by coming back; the lesson has cases of each.",
        ),
        Discussion(
            question="A learned slope goes to 2.5. Is the function less linear than with 0.4?",
            answer="No: up to a scale they are the same function, mirrored; judge by the share of the V.",
        ),
        Discussion(
            question="How would you notice a forgotten eval() with RReLU?",
            answer="Hardly by the accuracy. Two evaluations of the same input differ: test for that, not for a loss.",
        ),
    ),
)
