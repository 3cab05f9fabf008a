"""What pacing has done to one draft, counted. It must not decide anything."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Tally:
    """Headings brought on, ends carried on, headings of the model's replaced."""

    sections_brought_on: int = 0
    extensions: int = 0
    headings_replaced: int = 0
