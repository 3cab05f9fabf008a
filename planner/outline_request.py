"""How a thinking that names no sections is asked for them. It must not ask."""

from typing import Literal

from planner.words import Language

# Who is asked: nobody; a thinking, at its end; also the model itself where it does not think.
AskOutline = Literal["off", "thinking", "always"]

# A shorter text has two sections or three: the range alone holds it well.
LEAST_WORDS = 1_000
# Put into the thinking, at its end: the model goes on with the first title. No space behind the
# point, for models' tokens begin with theirs (" The"); the words announce a list to `plan_text`.
CUES: dict[Language, str] = {
    "en": "\n\nOutline, each section with its number of words:\n1.",
    "zh": "\n\n大纲（各节标题与字数）：\n1.",
    "other": "\n\nOutline, each section with its number of words:\n1.",
}
