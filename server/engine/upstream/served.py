"""What a server says that it is and serves: its kind, its model, its window. It asks once."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from server.engine.upstream.faults import WRONG_MODEL, Broken
from server.engine.upstream.link import Link


class Kind(StrEnum):
    """The servers whose dialect we know; OPENAI is any other with ``/v1/completions``."""

    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMACPP = "llama.cpp"
    OLLAMA = "ollama"
    OPENAI = "openai"


# vLLM 0.32 entrypoints/serve/engine/protocol.py, SGLang 0.5 entrypoints/openai/protocol.py,
# llama.cpp tools/server/server-context.cpp, Longhand server/routes/models.py.
_BY_OWNER = {
    "vllm": Kind.VLLM,
    "sglang": Kind.SGLANG,
    "llamacpp": Kind.LLAMACPP,
    "longhand": Kind.OPENAI,
}
# A route that only one kind has, and what is in its answer; for servers behind another owner.
_BY_ROUTE = (
    ("/api/version", "version", Kind.OLLAMA),
    ("/props", "default_generation_settings", Kind.LLAMACPP),
    ("/get_model_info", "model_path", Kind.SGLANG),
    ("/version", "version", Kind.VLLM),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One model of a server. names: all names it answers to; window_tokens and vocabulary_tokens
    are None where the server does not say."""

    kind: Kind
    model: str
    names: frozenset[str]
    window_tokens: int | None
    vocabulary_tokens: int | None


async def identify(link: Link, model: str | None) -> Served:
    """Asks what is served; ``model`` None: the only model that there is.

    Raises:
        Broken: no answer, no model server, not this model, or several and none was named.
    """
    cards = _cards(await link.get("/v1/models"))
    card = _chosen(cards, model)
    kind = _BY_OWNER.get(str(card.get("owned_by"))) or await _kind(link)
    window_tokens = _whole(card.get("max_model_len"))
    vocabulary_tokens = None
    if kind is Kind.LLAMACPP:
        props = await link.get("/props")
        window_tokens = _whole(_part(props, "default_generation_settings", "n_ctx"))
        vocabulary_tokens = _whole(_part(card, "meta", "n_vocab"))
    if kind is Kind.OLLAMA:
        window_tokens = _context_length(await link.post("/api/show", {"model": card["id"]}))
    return Served(
        kind=kind,
        model=card["id"],
        names=_names(cards, card),
        window_tokens=window_tokens,
        vocabulary_tokens=vocabulary_tokens,
    )


def _cards(told: Any) -> list[Mapping[str, Any]]:
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, list):
        raise Broken("does not list its models as an OpenAI-compatible server does")
    cards: list[Mapping[str, Any]] = [
        card for card in data if isinstance(card, dict) and isinstance(card.get("id"), str)
    ]
    if not cards:
        raise Broken("serves no model")
    return cards


def _chosen(cards: list[Mapping[str, Any]], model: str | None) -> Mapping[str, Any]:
    named = ", ".join(repr(card["id"]) for card in cards[:8])
    if model is None:
        if len(cards) > 1:
            raise Broken(f"serves {len(cards)} models, {named}: say which with upstream_model")
        return cards[0]
    for card in cards:
        if card["id"] == model:
            return card
    raise Broken(f"does not serve {model!r} but {named}", code=WRONG_MODEL)


def _names(cards: list[Mapping[str, Any]], chosen: Mapping[str, Any]) -> frozenset[str]:
    """vLLM lists a model under each of its names and answers by the first; their root is one."""
    root = chosen.get("root")
    return frozenset(
        card["id"] for card in cards if card is chosen or (root and card.get("root") == root)
    )


async def _kind(link: Link) -> Kind:
    for path, field, kind in _BY_ROUTE:
        try:
            told = await link.get(path)
        except Broken:
            continue
        if isinstance(told, dict) and field in told:
            return kind
    return Kind.OPENAI


def _context_length(told: Any) -> int | None:
    """Ollama names it after the architecture: "qwen2.context_length"."""
    facts = told.get("model_info") if isinstance(told, dict) else None
    named = facts.items() if isinstance(facts, dict) else ()
    return next((_whole(v) for name, v in named if name.endswith(".context_length")), None)


def _part(told: Any, *path: str) -> Any:
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
