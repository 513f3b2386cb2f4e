"""For those who teach lesson 11."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 1: a ReLU block that tries to multiply, piece by piece, and one gated unit that does it exactly.",
    behind={
        "11.1": "A product must be computed by multiplying the inputs oneself. Two gated units give it "
        "exactly, one for each sign.",
        "11.2": "A gate passes the gradient through. It is a factor for the value and a variable of its own.",
        "11.3": "Halves are halves. Which dimension is halved, and which half is the gate, is a convention of"
        " the file.",
        "11.4": "Two thirds of the width are equal size. With biases and whole numbers it is a little less.",
        "11.5": "A gate between 0 and 1 is harmless. Products of products grow as powers, unless the vector "
        "is normalised.",
    },
    discussions=(
        Discussion(
            question="What can a gated unit do that no sum of bent lines can?",
            answer="Multiply exactly. A ReLU block of any width misses x times y somewhere, by an amount "
            "that can be bounded.",
        ),
        Discussion(
            question="SwiGLU beats ReLU in a paper. What do you check first?",
            answer="Equal parameters, and not equal width; both rates searched; seeds in pairs.",
        ),
        Discussion(
            question="Which half is the gate?",
            answer="Look into the code that made the weights: nn.GLU takes the second, others the first. The"
            " shapes fit either way, and no error tells.",
        ),
    ),
)
