"""For those who teach lesson 06."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 1: thirty layers that do not learn, and the slider of gain and depth. One number "
    "decides; let the room find it to a tenth.",
    behind={
        "06.1": "One gain serves both ways. Forward multiplies by values, backward by slopes, and only for "
        "ReLU and its kin do both give the same number.",
        "06.2": "The weights decide alone, or the activation alone. It is the product of both, and a mean "
        "square is a square.",
        "06.3": "Fan-in is shape[0], variance is what noise is multiplied by. torch stores (outputs, inputs),"
        " and noise takes a standard deviation.",
        "06.4": "Mean square and variance are the same. With the mean taken away by a bias, the gain has to "
        "be computed anew.",
    },
    discussions=(
        Discussion(
            question="torch's default weights fit which activation?",
            answer="None: the gain of 1/√3 lies below that of every activation in the course. Shallow "
            "networks learn all the same, deep ones without normalisation do not.",
        ),
        Discussion(
            question="Batch normalisation makes initialisation obsolete. True?",
            answer="It sets the size of the signal, forward, at each layer. It does not choose how "
            "non-linear a layer is nor what happens at the first step, and not every network has it.",
        ),
        Discussion(
            question="Why can a recurrent layer not be cured by a gain?",
            answer="One matrix acts again and again: what matters are its own factors, which differ by "
            "direction, so that some vanish while others explode. Gates, orthogonal starts and "
            "clipping are answers of another kind.",
        ),
    ),
)
