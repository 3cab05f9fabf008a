"""Longhand's gateway. This module holds the version and must hold nothing else."""

__version__ = "0.1.0"
