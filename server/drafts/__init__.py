"""Drafts that outlive their clients and their gateway. It must not know how a draft is written."""
