"""Models that judge how well a draft is written: here, remote, or generative."""
