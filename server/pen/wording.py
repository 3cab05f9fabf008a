"""Figures and texts as they are printed: durations, counts, what is safe for a terminal. Pure."""

import re

# What a terminal would obey instead of showing: C0 but tab and line feed, DEL, C1.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without what could move a cursor, retitle a window or worse (ECMA-48).

    Half surrogate pairs, which no terminal takes either, become "?".
    """
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode()


def duration(seconds: float) -> str:
    """Minutes and seconds, hours where there are any. Worked numbers: 65 s = "1:05", 3,700 s =
    "1:01:40"."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest_s:02}" if hours else f"{minutes}:{rest_s:02}"


def counted(number: int, noun: str) -> str:
    """Worked numbers: (1, "word") = "1 word", (1200, "word") = "1,200 words"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
