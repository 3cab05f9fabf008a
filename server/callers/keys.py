"""Bearer keys, kept as hashes. It must not log or keep a key, nor read a file."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

from server.callers.caller import ANYONE, UNLIMITED, UNNAMED, Caller, Ceilings
from server.errors import Unauthorized

_HASHED = "sha256:"
_PREFIX = "lh-"
# 256 bits: as hard to guess as the hash is to turn round.
_KEY_BYTES = 32
# How much of a hash tells callers apart in logs, admission and the drafts' owners.
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is known: its SHA-256. Keys are random, so a plain hash is enough; a password
    would need a slow one. label: as in ``Caller``."""

    digest: bytes
    label: str = UNNAMED
    ceilings: Ceilings = UNLIMITED

    @classmethod
    def of(cls, key: str) -> "Key":
        """From plain text, or from ``sha256:`` and 64 hexadecimal digits.

        Raises:
            ValueError: a hash that is none.
        """
        return cls(digest=digest_of(key))

    @property
    def id(self) -> str:
        return self.digest.hex()[:_SHOWN_DIGITS]

    def caller(self, default: Ceilings) -> Caller:
        return Caller(name=self.id, label=self.label, ceilings=self.ceilings.over(default))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The known keys. is_open: whether the server asks for none; it is no matter of how many there
    are, so that a file without keys lets nobody in. default: ceilings of a key that has none."""

    keys: tuple[Key, ...] = ()
    is_open: bool = False
    default: Ceilings = UNLIMITED

    def caller(self, headers: Headers) -> Caller:
        """The caller of a request.

        Raises:
            Unauthorized: keys are asked for, and this is none of them.
        """
        if self.is_open:
            return ANYONE
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Unauthorized("send an API key: 'Authorization: Bearer KEY'")
        key = self._matching(hashlib.sha256(given.strip().encode()).digest())
        if key is None:
            raise Unauthorized("this API key is not known here")
        return key.caller(self.default)

    def _matching(self, digest: bytes) -> Key | None:
        # All are compared, so the time taken does not tell which one came near.
        found: Key | None = None
        for key in self.keys:
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found

    def named(self, name: str) -> Caller:
        """A caller by name, for work that is no request any more; a key that is gone has no label
        and no ceilings."""
        if self.is_open:
            return ANYONE
        known = (key.caller(self.default) for key in self.keys if key.id == name)
        return next(known, Caller(name=name, label=UNNAMED))


def keys_of(texts: Iterable[str]) -> tuple[Key, ...]:
    """Keys of the environment. Raises as ``Key.of``."""
    return tuple(Key.of(text) for text in texts)


def new_key() -> str:
    """A key that nobody has."""
    return _PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def digest_of(key: str) -> bytes:
    """Raises ValueError as ``Key.of``."""
    if not key.startswith(_HASHED):
        return hashlib.sha256(key.encode()).digest()
    digest = bytes.fromhex(key.removeprefix(_HASHED))
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("a hashed key is 'sha256:' and 64 hexadecimal digits")
    return digest


def hash_text(digest: bytes) -> str:
    """A hash as it is written down."""
    return _HASHED + digest.hex()
