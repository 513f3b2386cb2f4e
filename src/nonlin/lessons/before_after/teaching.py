"""For those who teach lesson 12."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Sections 2 and 3: the same test images, drawn each to its own range and then on one scale. Ask "
    "for the order by contrast before the second pair.",
    behind={
        "12.1": "Each picture is to look as good as possible. Two pictures that are to be compared need one scale.",
        "12.2": "The inverse is found by reversing signs somewhere. Solve y = σ(x) for the odds, then take "
        "the logarithm.",
        "12.3": "detach() is a copy. It is another name for the same memory; what works in place overwrites both.",
        "12.4": "A hook sees the values as they were. It sees memory, which the next layer may overwrite.",
    },
    discussions=(
        Discussion(
            question="Which activations can be undone, and does that matter?",
            answer="Those that are strictly monotonic, up to rounding. Sigmoid pales and keeps; ReLU "
            "destroys half, and that is what makes it more than a change of scale.",
        ),
        Discussion(
            question="What do you write under such a picture?",
            answer="The scale, the share of values outside it, over which images it was counted.",
        ),
        Discussion(
            question="Why count over the whole test set when eight images look convincing?",
            answer="Because they were chosen by somebody. A share with its spread over classes says what "
            "pictures cannot.",
        ),
    ),
)
