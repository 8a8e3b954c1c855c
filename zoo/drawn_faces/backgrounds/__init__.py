"""What is behind the person."""
