"""Records become a plan: which array holds what."""
