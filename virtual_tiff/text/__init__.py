"""Texts that users read: numbers with their nouns, and tables as HTML."""
