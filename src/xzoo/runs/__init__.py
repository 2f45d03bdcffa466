"""What a command produced, as values and as folders on disk."""
