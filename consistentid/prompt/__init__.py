"""The text stage: a prompt with facial words, where their tokens go, and what is read in each of the two stages."""
