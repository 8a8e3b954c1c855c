"""Training data: photos -> records in the published layout, and back."""
