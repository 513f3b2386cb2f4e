"""Terms that lesson 17 explains."""

TERMS = {
    "case": "One condition under which a claim was tried: it holds there, does not hold, or the numbers do not decide.",
    "verdict": "What the cases of a claim add up to, by its quantifier: confirmed, refuted, depends or open.",
    "quantifier": "How much a claim says: always, never, usually, can, or a comparison.",
    "open": "A verdict that says that what was measured does not decide, and what would.",
    "fine-tuning": "Training a trained network a little further, on the same task or on another.",
}
