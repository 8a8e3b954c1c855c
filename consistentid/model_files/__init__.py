"""The model files this project uses: what they are, where they come from, under which licence."""
