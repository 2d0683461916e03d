"""The meaning of an image's numbers, and their position on the ground."""
