"""Which server the pen talks to, and with which key. It must not open a connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from server.pen.outcomes import Misused

# The pen's variables; no settings of the server, which refuses names that it does not know.
URL_VARIABLE: Final = "LONGHAND_URL"
KEY_VARIABLE: Final = "LONGHAND_API_KEY"
CLIENT_VARIABLES: Final = frozenset({URL_VARIABLE, KEY_VARIABLE})
# Where ``longhand serve`` listens if nothing else is set.
DEFAULT_URL: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server. ``url`` has no path of the API and no slash at its end; ``flag`` is what a command
    for the same server needs, for hints."""

    url: str
    key: str | None = None
    flag: str = ""


def address_of(url: str | None, key: str | None, environ: Mapping[str, str]) -> Address:
    """The server that a flag or the environment names, the flag first.

    Raises:
        Misused: the URL is none of HTTP.
    """
    found = url or environ.get(URL_VARIABLE) or DEFAULT_URL
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Misused(f"{found!r} is no address of a server, such as {DEFAULT_URL}")
    # People name the address as OpenAI's clients want it, too: with /v1.
    base = found.rstrip("/").removesuffix("/v1").rstrip("/")
    return Address(
        url=base,
        key=key or environ.get(KEY_VARIABLE) or None,
        flag=f" --url {base}" if url else "",
    )
