"""For those who teach lesson 04."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 2: the lives of sixteen units as film, then the slider of the rate. Ask before which "
    "units will never come back.",
    behind={
        "04.1": "Multiplying by a mask is choosing. Infinity times 0 is NaN, and NaN compared with anything is False.",
        "04.2": "Off at most points is dead, or: a kink outside the data is dead. Such a unit may be always "
        "on, and as linear as can be.",
        "04.3": "Shrinking is shifting. The shift belongs inside the ReLU, and the negative half needs one of its own.",
        "04.4": "Weights have a meaning by themselves. A ReLU's scale can be moved to the next layer without "
        "changing the network.",
    },
    discussions=(
        Discussion(
            question="Forty per cent of the units are 0 in this batch. How many are dead?",
            answer="One cannot say. Off is not dead: dead is off for every input of the data, with no "
            "gradient in anything that could change it. Count over the whole set.",
        ),
        Discussion(
            question="Does sparsity help, or what comes with it?",
            answer="The lesson holds a twin without zeros beside it: same kink, same share, a small slope in"
            " place of 0. What remains of the difference is what the zeros do.",
        ),
        Discussion(
            question="You see dead units. Lower the rate, leak, normalise, or leave them?",
            answer="Each leaves fewer and none by itself makes a rate good. First ask whether the loss "
            "suffers: spare units do no harm.",
        ),
    ),
)
