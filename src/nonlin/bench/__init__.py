"""What things cost: our layers against torch.nn, our training loop against the usual one."""
