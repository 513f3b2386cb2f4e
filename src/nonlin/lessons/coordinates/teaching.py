"""For those who teach lesson 15."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Sections 2 to 4: the same photograph learned with ReLU, with waves as inputs, with sines, after equal time.",
    behind={
        "15.1": "A frequency is a factor of x. It is 2π for a whole wave, and what two places share is a sum "
        "of cosines of their distance.",
        "15.2": "All layers start alike. The first makes the waves, the others must take ω back.",
        "15.3": "Twice the gradient is the square of the gradient. Differentiate the derivative, and keep its graph.",
        "15.4": "ω acts once. Each derivative brings it out again.",
    },
    discussions=(
        Discussion(
            question="Why stays the picture blurred with ReLU, however long it trains?",
            answer="Gradient descent learns slow waves first; fast ones take longer than one has. It is a "
            "matter of speed and not of what could be represented.",
        ),
        Discussion(
            question="What is ω, and how is it chosen?",
            answer="The scale of the waves at the start. Too small blurs, too large learns pixels and "
            "invents between them: judge on pixels that it has not seen.",
        ),
        Discussion(
            question="Which activations can solve an equation with second derivatives?",
            answer="Those whose second derivative is not 0 almost everywhere. ReLU's is, so that the "
            "equation does not see the network.",
        ),
    ),
)
