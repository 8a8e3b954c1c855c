"""Small models that this project trains itself, and the pictures they learn from."""
