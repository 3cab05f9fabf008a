"""The pocket quality model: a bundled stand-in judge; this module only says where it lies."""

from pathlib import Path


def checkpoint() -> Path:
    """The folder of the bundled checkpoint, for ``open_classifier`` and for vLLM."""
    return Path(__file__).parent / "checkpoint"
