"""How a server is reached: its address, the key, the certificates, and how long to wait for it.

It must not open a connection.
"""

import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from server.engine.base import Card
from server.engine.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds, before another server may be asked.

    connect_s: for a connection. first_token_s: from the request to its first token, the server's
    own queue included. idle_s: between two tokens; keep-alive comments do not count.
    total_s: for one stream from its request to its end; 0 for no bound.
    """

    connect_s: float = 5.0
    first_token_s: float = 300.0
    idle_s: float = 60.0
    total_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """What all servers of one model have in common.

    card: what is promised to callers. model: the name the servers know it by. tokenizer: the
    checkpoint's own, where it lies here; without it the server is asked, or counts are estimated.
    """

    card: Card
    model: str
    key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    patience: Patience = field(default_factory=Patience)
    tokenizer: Tokenizer | None = field(default=None, repr=False)


def base_url(text: str) -> str:
    """A server's address in one form: no slash at the end, no ``/v1``.

    Raises:
        ValueError: it is none; a sentence without the address, which may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no name or password; a key is a setting of its own")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path; there is a query or a fragment behind it")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{shown}{parts.path.rstrip('/').removesuffix('/v1').rstrip('/')}"


@cache
def certificates(ca_file: Path | None) -> ssl.SSLContext:
    """What a server's certificate is checked with: this file, or the system's authorities.

    Reading them takes 20 ms, so all connections share one.

    Raises:
        OSError: there is no such file, or it holds no certificates (``ssl.SSLError``).
    """
    return ssl.create_default_context(cafile=ca_file)
