"""What is done with the activations: data, networks, training, measurements."""
