"""For those who teach lesson 14."""

from nonlin.exercises.teaching import Discussion, Teaching

TEACHING = Teaching(
    show="Section 1: the four figures in milliseconds that are passed around. Ask what one would have to "
    "know to believe them; then section 2, where the order of measuring ranks.",
    behind={
        "14.1": "Warming up is a matter of style. The first rounds measure the allocator; they run and are "
        "not counted.",
        "14.2": "Time is counted in operations. For large tensors it is counted in numbers that are read and written.",
        "14.3": "Logging is reading. Without a copy the log holds memory that later layers change.",
        "14.4": "y + α is the slope everywhere below. Only below zero, and for α = 1 alone do the pieces join"
        " by a clamp.",
    },
    discussions=(
        Discussion(
            question="GELU costs three times as much as ReLU. Does the training slow down?",
            answer="By its share: in a network whose time goes into matrix products hardly. Measure the "
            "whole step, with and without.",
        ),
        Discussion(
            question="When may inplace=True be used?",
            answer="When nobody else needs what is overwritten: not the layer before for its backward, not a"
            " log, not a second branch. Autograd notices some of it.",
        ),
        Discussion(
            question="What must be written beside a time?",
            answer="Machine, threads, size, number format, version, rounds and their spread, and what else "
            "was running.",
        ),
    ),
)
