"""Who may call: bearer keys, kept as hashes. It must not log or keep a key."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

from server.errors import Unauthorized

_HASHED = "sha256:"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; ``name`` is the start of the key's hash, "anyone" on an open server."""

    name: str


@dataclass(frozen=True, slots=True)
class Keys:
    """The known keys by their SHA-256. Keys are random, so a plain hash is enough; a password
    would need a slow one."""

    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, keys: Iterable[str]) -> "Keys":
        """From keys in plain text or as ``sha256:`` and 64 hexadecimal digits.

        Raises:
            ValueError: a hash that is none.
        """
        return cls(tuple(_digest(key) for key in keys))

    def caller(self, headers: Headers) -> Caller:
        """The caller of a request.

        Raises:
            Unauthorized: keys are set, and this is none of them.
        """
        if not self.digests:
            return Caller("anyone")
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("send an API key: 'Authorization: Bearer KEY'")
        given = hashlib.sha256(key.strip().encode()).digest()
        # All are compared, so the time taken does not tell which one came near.
        matches = [hmac.compare_digest(given, known) for known in self.digests]
        if not any(matches):
            raise Unauthorized("this API key is not known here")
        return Caller(given.hex()[:8])


def _digest(key: str) -> bytes:
    if not key.startswith(_HASHED):
        return hashlib.sha256(key.encode()).digest()
    digest = bytes.fromhex(key.removeprefix(_HASHED))
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("a hashed key is 'sha256:' and 64 hexadecimal digits")
    return digest
