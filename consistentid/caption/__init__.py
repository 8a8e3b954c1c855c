"""The captioner: what a face looks like, in clauses for its regions."""
