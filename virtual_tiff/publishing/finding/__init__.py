"""What a user names becomes items."""
