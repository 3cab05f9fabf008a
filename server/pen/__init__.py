"""The pen, a client at a terminal: `longhand write`, `longhand drafts`. It speaks HTTP only."""
