"""What visitors search for, and what they do with what they find."""
