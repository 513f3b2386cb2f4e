"""For those who teach lesson 00."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2: the photograph before and after ReLU, once with pixels from 0 to 1 and once "
    "standardised. Let the room say beforehand what will change; nothing does in the first pair.",
    behind={
        "00.1": "An activation is taken for a decision about one number, as Python's if makes it; it is one "
        "operation on a whole tensor, element by element.",
        "00.2": "A count, a share and a percentage are said in one breath. A tensor of True and False is no "
        "number until it is made one.",
        "00.3": '"Zero mean" is done once for the picture. What an activation cuts depends on how its input '
        "was scaled, channel by channel.",
    },
    discussions=(
        Discussion(
            question="A colleague shows two pictures, before and after ReLU, that look the same, and concludes"
            " that ReLU does little. What do you ask?",
            answer="On which scale the pixels were, and on which the pictures are drawn. On pixels from 0 to"
            " 1 ReLU is the identity; after standardisation it sets more than half of the values to "
            "0.",
        ),
        Discussion(
            question="At a kink there is no slope. Why does training not stop there?",
            answer="Autograd returns a number that was chosen, 0 for ReLU at 0; a value is hit exactly only "
            "where exact zeros occur. Whether the choice matters is a question for an experiment, "
            "which lesson 02 does.",
        ),
        Discussion(
            question="Why do you write down a prediction before you run a cell?",
            answer="A result that one has not predicted always looks plausible. A wrong prediction names the"
            " idea that has to change.",
        ),
    ),
)
