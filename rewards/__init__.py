"""Rewards of long drafts and the panel that ranks drafts by them; they know no server."""
