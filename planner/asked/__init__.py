"""Finds the amounts of text that a request names, and what each of them says of the piece."""
