"""For those who teach lesson 17."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 1, ten pieces of advice: the room votes true, false, depends; then section 2 opens the ledger.",
    behind={
        "17.1": 'Evidence is a majority. One case refutes "always", one confirms "can", and what is open '
        "stays open while it could turn the verdict.",
        "17.2": "A formula that is right on paper is right. Squares overflow, and a difference of nearly "
        "equal numbers loses them.",
        "17.3": 'An interval with 0 in it means "no difference". Equivalence is an interval that lies within '
        "a margin, chosen before.",
        "17.4": "Tuning the newcomer is diligence. Both sides get the same search, and other seeds judge.",
        "17.5": "A function and its derivative are a record. Range, kinks, number formats and the far ends "
        "are where it fails.",
    },
    discussions=(
        Discussion(
            question="Which claim has most surprised you, and what would change your mind back?",
            answer="A good answer names the quantifier, the condition under which it was refuted, and an "
            "experiment that would turn it.",
        ),
        Discussion(
            question="A vendor's new activation is 0.3 points better. What do you want to see?",
            answer="Pairs of runs, both rates searched alike, an interval, the margin chosen before, the "
            "cost in time, and what was not measured.",
        ),
        Discussion(
            question="You may change one thing in a network that works. The activation?",
            answer="Seldom. Rate, normalisation and data come first; if the activation, then with its "
            "weights, and fine-tuned with care.",
        ),
    ),
)
