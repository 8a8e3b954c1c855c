"""What is worn: garments on the shoulders, and hats."""
