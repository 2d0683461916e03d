"""What the numbers of an image mean and where they lie."""
