"""A brief in, a plan out: how a request is worded and budgeted. No network, no model, no async."""
