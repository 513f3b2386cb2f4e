"""For those who teach lesson 01."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 4: the folded sheet, turned by its slider, with a real sheet of paper in your hand; one "
    "cut through three folds, unfolded.",
    behind={
        "01.1": "Layers are composed from left to right, as they are read. Matrices act from right to left, "
        "and the first bias travels through the second matrix.",
        "01.2": "Two ReLUs of opposite sign look like two pieces of a fold; with equal signs in front they "
        "make |x|, with opposite ones a straight line.",
        "01.3": "Bends and pieces are counted alike. Twelve cuts make thirteen pieces, and each unit bends once.",
        "01.4": "An activation belongs behind every layer, the last one too; and a softmax that the loss "
        "computes already does no harm. Both are wrong, and neither raises an error.",
        "01.5": "More units must be the answer. Depth folds a fold again, and doubles the corners each time.",
    },
    discussions=(
        Discussion(
            question="A hundred linear layers have more parameters than one. What do they buy?",
            answer="No function more: the product of all matrices is one matrix. They change what gradient "
            "descent finds on its way, which one of the folded sections measures.",
        ),
        Discussion(
            question="Universal approximation says that one hidden layer is enough. Why does anybody build "
            "deep networks?",
            answer="The theorem bounds the error, not the width, and says nothing of finding the weights. "
            "The parity of eight inputs needs three folds, or a great many units side by side.",
        ),
        Discussion(
            question="Your network trains, and its loss stands still near the logarithm of the number of "
            "classes. Nothing fails. Where do you look?",
            answer="At the last layer: an activation behind it, a softmax before a loss that has one; then "
            "whether anything bends between the layers.",
        ),
    ),
)
