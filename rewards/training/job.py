"""A training that can begin: its pairs, its course, its form; a value, nothing is done here."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.quality.reading import Reading
from rewards.training.course import Course
from rewards.training.pairs import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A training that can begin. ``threads``: of torch, None: as it likes. ``title``, ``intro``:
    what the model's card begins with."""

    base: Path
    pairs: Path
    out: Path
    split: Split
    course: Course
    reading: Reading
    batch_tokens: int
    threads: int | None = None
    title: str = "A quality model"
    intro: str = ""

    def about(self) -> dict[str, Any]:
        """What makes it this training and no other, for a state to resume from."""
        held = hashlib.sha256(self.pairs.read_bytes()).hexdigest()
        told = {"base": str(self.base.resolve()), "pairs": held, "threads": self.threads}
        return {**told, **self.course.settings(), **self.reading.declared()}
