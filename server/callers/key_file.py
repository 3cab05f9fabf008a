"""The file of keys: one JSON object a line, no key in plain text. It must not know requests.

    {"name": "press", "hash": "sha256:…", "created": "2026-11-21T12:00:00Z", "max_drafts": 4}

A line that is blank or begins with ``#`` says nothing. A key that was revoked is gone from it.
"""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.callers.caller import CEILINGS, Ceilings
from server.callers.keys import Key, digest_of, hash_text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
_FIELDS = frozenset({"name", "hash", "created", *CEILINGS})


class BadKeyFile(ValueError):
    """The file cannot be read, or holds what is no list of keys; the sentence says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the file. created: as ISO 8601 text, for people."""

    name: str
    digest: bytes
    created: str = ""
    ceilings: Ceilings = Ceilings()

    @property
    def key(self) -> Key:
        return Key(digest=self.digest, label=self.name, ceilings=self.ceilings)


def is_name(name: str) -> bool:
    """Whether a key may be called so: names become labels of metrics."""
    return _NAME.fullmatch(name) is not None


def read(path: Path) -> tuple[Entry, ...]:
    """The keys of a file.

    Raises:
        BadKeyFile: it is not there, or not what it should be. No key is half known.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadKeyFile(f"{path}: {error.strerror}") from None
    except ValueError as error:  # BadKeyFile, or a file that is not UTF-8
        raise BadKeyFile(f"{path}: {error}") from None


def parse(text: str) -> tuple[Entry, ...]:
    """Raises BadKeyFile, with the number of the line."""
    entries: list[Entry] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                entries.append(_entry(line))
                _check_new(entries)
            except ValueError as error:
                raise BadKeyFile(f"line {number}: {error}") from None
    return tuple(entries)


def _entry(line: str) -> Entry:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("this is no JSON object")
    unknown = sorted(set(found) - _FIELDS)
    if unknown:
        # A misspelt limit must never run as no limit.
        raise ValueError(f"there is no field {unknown[0]!r}; there are: {', '.join(_shown())}")
    return Entry(
        name=_name(found.get("name")),
        digest=_digest(found.get("hash")),
        created=str(found.get("created", "")),
        ceilings=Ceilings(**{name: _ceiling(name, found.get(name)) for name in CEILINGS}),
    )


def _shown() -> Sequence[str]:
    return ("name", "hash", "created", *CEILINGS)


def _name(given: Any) -> str:
    if isinstance(given, str) and is_name(given):
        return given
    raise ValueError(f"name: {NAME_RULE}")


def _digest(given: Any) -> bytes:
    # Plain text is refused: a key that was pasted here must not begin to work.
    if isinstance(given, str) and given.startswith("sha256:"):
        with suppress(ValueError):
            return digest_of(given)
    raise ValueError("hash: 'sha256:' and 64 hexadecimal digits")


def _ceiling(name: str, given: Any) -> int | None:
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1):
        return given
    raise ValueError(f"{name}: a whole number from 1")


def _check_new(entries: Sequence[Entry]) -> None:
    newest, before = entries[-1], entries[:-1]
    if any(one.name == newest.name for one in before):
        raise ValueError(f"name: there are two keys {newest.name!r}")
    if any(one.digest == newest.digest for one in before):
        raise ValueError("hash: this key is there twice")


def _line(entry: Entry) -> str:
    given = {name: getattr(entry.ceilings, name) for name in CEILINGS}
    told = {
        "name": entry.name,
        "hash": hash_text(entry.digest),
        "created": entry.created,
        **{name: value for name, value in given.items() if value is not None},
    }
    return json.dumps(told)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Only one process changes the keys of a folder at a time; others wait."""
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def append(path: Path, entry: Entry) -> None:
    """Writes the file with one more key; what else stands in it stays. Raises OSError."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    end = "" if not before or before.endswith("\n") else "\n"
    _replace(path, f"{before}{end}{_line(entry)}\n")


def remove(path: Path, name: str) -> None:
    """Writes the file without the key of that name; what else stands in it stays.

    Raises:
        OSError: it cannot be written.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    _replace(path, "".join(line for line in lines if not _is_of(line, name)))


def _is_of(line: str, name: str) -> bool:
    is_entry = bool(line.strip()) and not line.lstrip().startswith("#")
    return is_entry and _entry(line).name == name


def _replace(path: Path, text: str) -> None:
    """All or nothing, for readers and after a crash; for its owner's eyes only."""
    target = path.resolve()
    # mkstemp makes files of mode 0600.
    handle, made = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _give_to_owner(Path(made), target)
        os.replace(made, target)
    except BaseException:
        os.unlink(made)
        raise


def _give_to_owner(made: Path, target: Path) -> None:
    """An administrator's change must not take the file from the server's user."""
    if target.exists():
        there = target.stat()
        with suppress(PermissionError):
            os.chown(made, there.st_uid, there.st_gid)
