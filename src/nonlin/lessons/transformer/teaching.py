"""For those who teach lesson 16."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2: a row of attention with the mask, then a row that is masked whole: NaN, and where it "
    "goes from there.",
    behind={
        "16.1": "Perplexities are averaged. Losses are, weighed by length; then one exponential.",
        "16.2": "A mask one line off is nearly right. A model that sees the next character is perfect in "
        "training and worthless.",
        "16.3": "Zeros do not count. 0 times NaN does: choose before multiplying.",
        "16.4": "Attention is a formula with three letters. Scale, mask and softmax's dimension each have "
        "their own bug, without an error.",
    },
    discussions=(
        Discussion(
            question="Why divide by the root of the width?",
            answer="The scores' variance grows with the width, and softmax of large scores is a choice with "
            "no gradient.",
        ),
        Discussion(
            question="Leave the activation out of the feed-forward block. What is left?",
            answer="Attention's softmax is still there, so it is not one matrix; the lesson measures what it"
            " costs, in perplexity.",
        ),
        Discussion(
            question="Nearly all units are off for each character. What could one do with that?",
            answer="Read only the columns that are on: less memory traffic, if one knows beforehand which. "
            "Knowing it is the difficulty.",
        ),
    ),
)
