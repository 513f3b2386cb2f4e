"""Images: where they come from, how they are kept, and pictures made of them."""
