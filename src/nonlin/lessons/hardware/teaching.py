"""For those who teach lesson 09."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Sections 1 and 3: one image with a large value, and the 256 marks that it pulls apart for all others.",
    behind={
        "09.1": "16 marks are 16 steps, and 0 lies somewhere. There are 15 gaps, and 0 must have a code of its own.",
        "09.2": "The largest error is the one to avoid. The mean of the squares trades a few clipped values "
        "for finer marks.",
        "09.3": "Hardswish is a clipped Swish. It is x times a gate that is ½ at 0 and lies between 0 and 1.",
        "09.4": "Integers do not lose anything. uint8 wraps around without a word: widen before subtracting "
        "and multiplying.",
    },
    discussions=(
        Discussion(
            question="Why 6?",
            answer="A cap is an idea with a reason, the 6 a habit: its first user wanted sparse features, "
            "and the story of the three bits was told later and would speak for 8. With a scale any "
            "cap fits into any number of bits.",
        ),
        Discussion(
            question="Clip early or late?",
            answer="Clipping costs the few values above, rounding costs all: with fewer bits the best bound "
            "is lower. The errors of values and of answers need not agree.",
        ),
        Discussion(
            question="Is Hardswish faster than Swish?",
            answer="torch's loops: yes, on the machine of the lesson, most where the tensor fits into the "
            "cache. Written in steps, each of which is a pass over memory, it need not be. Ask for "
            "machine, size, number format and form.",
        ),
    ),
)
