"""What search remembers between queries."""
