"""The head and what is on it, hair apart: features, expression, beard, marks of the skin, glasses."""
