"""Small networks and random stacks, fast enough for many seeds at once."""
