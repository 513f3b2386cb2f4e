"""The laboratory: networks, their initialisation and training, runs and what is seen in them."""
