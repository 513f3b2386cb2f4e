"""Terms that lesson 14 explains."""

TERMS = {
    "placebo": "The same function under two names, to see what a benchmark takes for a difference.",
    "median": "The middle value of a sorted list; a single interruption does not move it.",
    "memory-bound": "Said of an operation whose time is that of moving its numbers, not of computing with them.",
    "compute-bound": "Said of an operation whose time is that of its arithmetic.",
    "arithmetic intensity": "Operations for each byte that is moved to and from memory.",
    "roofline": "The most that a processor reaches at an arithmetic intensity: its bandwidth's, or its arithmetic's.",
    "fuse": "To do several operations in one loop over memory.",
    "in place": "Writing the result over the input.",
    "leaf": "A tensor that requires a gradient and was not computed: a weight, or an input that you made.",
    "checkpointing": "Forward keeps less, and backward computes it again.",
}
