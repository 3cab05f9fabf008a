"""How a quality model reads a draft: the form it knows, and what becomes of a long one.

A checkpoint says so itself, in its ``config.json`` under ``longhand_reward``; it must load none.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from rewards.quality.windows import Count, Window, head_tail, windows

KEY = "longhand_reward"
Rule = Literal["mean", "head_tail"]
Message = Mapping[str, str]
_PLAIN = "{prompt}\n\n{answer}"
_ANSWER, _PROMPT = "{answer}", "{prompt}"
# Where a checkpoint names no window: what most reward models were trained with, or less.
_WINDOW_TOKENS = 16_384
_LEAST_TOKENS = 64
# What a chat template puts around the two messages, generously; and what joining parts may add.
_CHAT_TOKENS, _JOINT_TOKENS = 64, 8


class CannotJudge(ValueError):
    """A checkpoint, or what it says of itself, that no draft can be judged with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the model reads at once: the prompt, as much of the answer, and the answer's tokens."""

    prompt: str
    answer: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The form and the rule for long answers.

    template: text with ``{answer}`` and, if the model looks at it, ``{prompt}``; None: two messages
    through the checkpoint's chat template. window_tokens: what the model reads at once, form and
    prompt included. prompt_tokens: a longer prompt is cut to its beginning and its end.
    rule: ``mean`` or ``head_tail``, see ``rewards.quality.windows``; head_share: of ``head_tail``.

    Raises CannotJudge, naming the field, for values that fit nothing.
    """

    template: str | None = _PLAIN
    window_tokens: int = _WINDOW_TOKENS
    prompt_tokens: int = 512
    rule: Rule = "mean"
    head_share: float = 0.5

    def __post_init__(self) -> None:
        for name, right in self._checks().items():
            if not right:
                raise CannotJudge(f"{KEY}.{name} cannot be {getattr(self, name)!r}")

    def _checks(self) -> dict[str, bool]:
        template, window = self.template, self.window_tokens
        wide = _whole(window) and window >= _LEAST_TOKENS
        return {
            "template": template is None
            or (
                isinstance(template, str)
                and template.count(_ANSWER) == 1
                and template.count(_PROMPT) <= 1
            ),
            "window_tokens": wide,
            "prompt_tokens": not wide
            or (_whole(self.prompt_tokens) and 1 <= self.prompt_tokens <= window // 2),
            "rule": self.rule in get_args(Rule),
            "head_share": isinstance(self.head_share, int | float) and 0 <= self.head_share <= 1,
        }

    def passages(self, prompt: str, answer: str, count: Count) -> tuple[Passage, ...]:
        """What the model is given of a draft, in order; nothing for an empty answer.

        A prompt of 100 tokens in a window of 512 with the plain form leaves the answer about 400.
        """
        if not answer.strip():
            return ()
        shown = Window(text="", tokens=0)
        if self.template is None or _PROMPT in self.template:
            shown = head_tail(prompt, self.prompt_tokens, count)
        around = _CHAT_TOKENS
        if self.template is not None:
            around = count(self.template.replace(_ANSWER, "").replace(_PROMPT, ""))
        space = max(1, self.window_tokens - shown.tokens - around - _JOINT_TOKENS)
        if self.rule == "mean":
            parts = windows(answer, space, count)
        else:
            parts = (head_tail(answer, space, count, self.head_share),)
        return tuple(
            Passage(prompt=shown.text, answer=part.text, tokens=part.tokens) for part in parts
        )

    def text(self, passage: Passage) -> str:
        """The passage in the template's form. Raises CannotJudge for a chat form."""
        if self.template is None:
            raise CannotJudge("a chat form has messages, no text")
        # Not one replacement after the other: the prompt may say "{answer}".
        before, after = self.template.split(_ANSWER)
        filled = (part.replace(_PROMPT, passage.prompt) for part in (before, after))
        return passage.answer.join(filled)

    def messages(self, passage: Passage) -> list[Message]:
        """The passage as the two messages of a chat."""
        return [
            {"role": "user", "content": passage.prompt},
            {"role": "assistant", "content": passage.answer},
        ]

    def declared(self) -> dict[str, Any]:
        """What a checkpoint's ``config.json`` holds under ``longhand_reward``."""
        return asdict(self)


def reading_of(folder: Path) -> Reading:
    """How the checkpoint in ``folder`` wants to be read.

    Without ``longhand_reward`` in its config: its chat template, or prompt and answer with an empty
    line between where it has none; windows of its positions, at most 16,384.

    Raises:
        CannotJudge: no readable config, or one that says what cannot be.
    """
    config = _config(folder)
    told = config.get(KEY)
    if told is None:
        positions = config.get("max_position_embeddings") or _WINDOW_TOKENS
        window = min(int(positions), _WINDOW_TOKENS)
        return Reading(
            template=None if _has_chat_template(folder) else _PLAIN,
            window_tokens=window,
            prompt_tokens=min(512, window // 2),
        )
    known = {field.name for field in fields(Reading)}
    unknown = sorted(set(told) - known) if isinstance(told, dict) else [KEY]
    if unknown:
        raise CannotJudge(
            f"{folder / 'config.json'}: {', '.join(unknown)} is not known in {KEY}; known are "
            f"{', '.join(sorted(known))}"
        )
    try:
        return Reading(**told)
    except CannotJudge as error:
        raise CannotJudge(f"{folder / 'config.json'}: {error}") from None


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotJudge(f"{path} cannot be read: {type(error).__name__}") from error
    if not isinstance(held, dict):
        raise CannotJudge(f"{path} is no JSON object")
    return held


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and '"chat_template"' in path.read_text(encoding="utf-8")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
