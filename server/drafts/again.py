"""Requests that come again: under their key, or from a client that had gone. It must not know
where drafts are kept.
"""

from dataclasses import dataclass, field

from server.drafts.store import Record
from server.errors import KeyReused

_MAX_LEFT = 1_024


def check_same(record: Record, body_hash: str | None) -> None:
    """Raises KeyReused if a key that began this draft comes with another body now."""
    if record.body_hash != body_hash:
        raise KeyReused(
            "this Idempotency-Key came before with another body; use a new key for a new request",
            param="Idempotency-Key",
        )


@dataclass(slots=True)
class Left:
    """Drafts whose client went before it had all of them, the latest 1,024."""

    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """The client of this draft may ask for the very same once more."""
        if record.body_hash is not None:
            self._ids[record.owner, record.body_hash] = record.id
            if len(self._ids) > _MAX_LEFT:
                del self._ids[next(iter(self._ids))]

    def take(self, owner: str, body_hash: str) -> str | None:
        """The draft whose client asks once more, if it was left; not a second time."""
        return self._ids.pop((owner, body_hash), None)
