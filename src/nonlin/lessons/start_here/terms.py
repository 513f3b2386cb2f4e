"""Terms that lesson 00 explains."""

TERMS = {
    "activation function": "The function, not a straight line, that a network applies to every number between its "
    "linear layers.",
    "autograd": "The part of PyTorch that computes slopes, operation by operation, from the result back to the inputs.",
    "backward": "The way from the result back to the inputs on which slopes are multiplied; also backpropagation.",
    "gradient": "The slopes of one number, such as a loss, with respect to several inputs or parameters.",
    "gradient descent": "Training by small steps against the gradient of the loss.",
    "kink": "A place where the slope of a function jumps, as that of ReLU at 0.",
    "learning rate": "The length of a step of gradient descent, as a multiple of the gradient.",
    "loss": "One number that says how wrong a network is; training makes it smaller.",
    "mean squared error": "The mean of the squared differences between what comes out and what is wanted.",
    "optimizer": "What moves the parameters once their gradients are known; SGD and Adam are two.",
    "parameters": "The numbers of a network that training changes: weights and biases.",
    "seed": "The number that starts a random generator, so that the same draws can be had again.",
    "standardise": "To subtract the mean and divide by the standard deviation.",
    "tensor": "An array of numbers with a shape and a dtype.",
}
