"""Terms that lesson 16 explains."""

TERMS = {
    "language model": "A model that gives each possible next piece of a text, here a character, a probability, from "
    "what stands before it.",
    "perplexity": "The exponential of a language model's mean loss: among how many equally likely choices one would be "
    "as unsure.",
    "attention": "A layer in which each place of a text takes a weighted mean over other places, with weights by "
    "softmax from how well its query fits their keys.",
    "causal mask": "Scores of minus infinity for all later places, so that attention cannot see what is still to be "
    "guessed.",
    "pre-norm": "Putting the norm at the start of each branch of a residual network, so that what is added up is never "
    "normalised itself.",
}
