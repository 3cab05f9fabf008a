"""Training of quality models from pairs of texts, one preferred to the other."""
