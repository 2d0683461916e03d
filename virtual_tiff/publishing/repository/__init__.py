"""A plan becomes a commit; what is published becomes readable."""
