"""How much pictures look like a person: cosines of ID embeddings, and of facial regions."""
