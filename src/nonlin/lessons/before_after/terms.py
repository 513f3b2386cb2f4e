"""Terms that lesson 12 explains."""

TERMS = {
    "clips": "To clip is to replace what lies outside a range by the end of the range.",
    "invertible": "Said of a function that never takes the same value twice: its input follows from its output.",
    "hooks": "Functions that torch calls whenever a given layer has run, with what went in and came out (a pre-hook: before).",
    "feature map": "The small picture that one channel of a layer makes of an image.",
}
