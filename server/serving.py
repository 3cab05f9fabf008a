"""What is going to be served, as a value, before an engine is started. It must not start one."""

from collections.abc import Callable
from dataclasses import dataclass

from planner.prompts import Prompter
from server import checkpoint
from server.checkpoint import Checkpoint
from server.engine.base import Card, Engine
from server.settings import Settings

# Where neither the settings nor a checkpoint say otherwise: LongWriter-Zero's model card.
TEMPERATURE, TOP_P = 0.6, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What will be served: an engine not yet started, its card, how prompts are worded."""

    engine_name: str
    checkpoint: Checkpoint | None
    card: Card
    prompter: Prompter
    build: Callable[[], Engine]
    temperature: float
    top_p: float


def identify(settings: Settings) -> tuple[Checkpoint, Card]:
    """The checkpoint that is set, and how it will be served.

    Raises:
        CannotServe: there is no such checkpoint, or the window is larger than it holds.
    """
    found = checkpoint.find(
        settings.model, revision=settings.revision, name=settings.served_model_name
    )
    card = Card(
        model=found.name,
        window_tokens=found.window(settings.max_model_len),
        vocabulary_tokens=found.shape.vocabulary,
    )
    return found, card
