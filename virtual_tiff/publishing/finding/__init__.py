"""The sources that a user names become items."""
