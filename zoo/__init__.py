"""Small models that this project trains itself, and the pictures they learn from."""

EXAMPLE_SCENES = 100
"""In which a person can be drawn to try the small models; here, as the node is told of it when ComfyUI starts."""
