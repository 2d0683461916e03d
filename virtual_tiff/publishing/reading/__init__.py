"""Items become records: files are parsed, and what was read is kept on disk."""
