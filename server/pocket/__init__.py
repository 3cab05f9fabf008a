"""The pocket writer: a bundled stand-in model; this module only says where its checkpoint lies."""

from pathlib import Path


def checkpoint() -> Path:
    """The directory of the bundled checkpoint, loadable by vLLM and by transformers."""
    return Path(__file__).parent / "checkpoint"
