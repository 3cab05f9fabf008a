"""Who asks, and what he may ask for, as values. It must not know keys or files."""

from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What one caller may have; None: as much as the server gives anyone.

    requests_per_minute, tokens_per_minute: see ``rates``. max_drafts: under way at the same time.
    max_best_of: drafts written for one request. max_words: of the length that a request asks for.
    max_tokens: that one draft may take, plan and text together.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_drafts: int | None = None
    max_best_of: int | None = None
    max_words: int | None = None
    max_tokens: int | None = None

    def over(self, default: "Ceilings") -> "Ceilings":
        """These, and ``default`` where they say nothing.

        Worked number: max_words 500 over max_words 900 and max_drafts 2 is 500 and 2.
        """
        said = {name: getattr(self, name) for name in CEILINGS}
        return Ceilings(
            **{n: getattr(default, n) if value is None else value for n, value in said.items()}
        )


CEILINGS: Final = tuple(field.name for field in fields(Ceilings))
UNLIMITED: Final = Ceilings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. name: the start of the key's hash, by which drafts and places belong to a key;
    "anyone" on an open server. label: what logs and metrics call him: the name in the key file."""

    name: str
    label: str
    ceilings: Ceilings = UNLIMITED


ANYONE: Final = Caller(name="anyone", label="anyone")
# Keys of the environment have no name; together they are one caller to the metrics.
UNNAMED: Final = "unnamed"
