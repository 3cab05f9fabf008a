"""The keys in force, read again when their file changes. It must not know requests.

A file that cannot be read while the server runs leaves the keys as they were: a slip of an editor
must neither lock everybody out nor let everybody in.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from server.callers.key_file import BadKeyFile, read
from server.callers.keys import Key, Keys

logger = logging.getLogger(__name__)

# How often, at most, a request has the file looked at.
_LOOK_S = 1.0

# Inode, size and time in nanoseconds: an atomic replacement changes the first, an edit the others.
Stamp = tuple[int, int, int]


@dataclass(slots=True, kw_only=True)
class Keyring:
    """``always``: the keys that no file takes away, and the ceilings of those without any.

    on_read: told how many keys there are after each reading, or None when it failed.
    """

    path: Path | None
    always: Keys
    on_read: Callable[[int | None], None] = lambda _num: None
    on_change: Callable[[Keys], None] = lambda _keys: None
    monotonic: Callable[[], float] = time.monotonic
    keys: Keys = field(init=False)
    _stamp: Stamp | None = None
    _look_at_s: float = 0.0

    def __post_init__(self) -> None:
        self.keys = self.always

    def open(self) -> None:
        """Reads the file for the first time.

        Raises:
            BadKeyFile: it cannot be read.
        """
        self._look_at_s = self.monotonic() + _LOOK_S
        self._stamp = _stamp(self.path)
        self._read()

    def current(self) -> Keys:
        """The keys in force; looks whether the file has changed, at most once a second."""
        now_s = self.monotonic()
        if self.path is not None and now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_S
            if _stamp(self.path) != self._stamp:
                self.reload()
        return self.keys

    def reload(self) -> None:
        """Reads the file now; if that fails, everything stays and the log says why."""
        self._stamp = _stamp(self.path)
        try:
            self._read()
        except BadKeyFile as error:
            logger.error("the keys stay as they were: %s", error)
            self.on_read(None)
        else:
            logger.info("keys read again", extra={"keys": len(self.keys.keys)})

    def _read(self) -> None:
        found: tuple[Key, ...] = ()
        if self.path is not None:
            found = tuple(entry.key for entry in read(self.path))
        self.keys = replace(self.always, keys=(*self.always.keys, *found))
        self.on_read(len(self.keys.keys))
        self.on_change(self.keys)


def _stamp(path: Path | None) -> Stamp | None:
    """None where there is no file: that is a change, too."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
