"""Words prompts by a tokenizer's own chat template. It must not guess at tags or markers."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from planner.brief import Message
from planner.prompts import Prompted


class ChatTemplatePrompter:
    """The template of the tokenizer in ``directory``, rendered by transformers."""

    source = "the tokenizer's chat template"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @cached_property
    def _tokenizer(self) -> Any:
        # Here and not above: half a second that other prompters need not pay.
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._directory)

    def render(self, messages: Sequence[Message], *, thinking: bool) -> Prompted:
        """``enable_thinking`` is what templates with a thinking switch listen to (Qwen3 and
        others); those without one ignore it."""
        text = self._tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        # A template may open the thinking itself; the answer's text then begins inside it.
        body, opened = _split_opened(text)
        return Prompted(text=body, prefill=opened)


def _split_opened(text: str) -> tuple[str, str]:
    stripped = text.rstrip()
    for tag in ("<think>", "<answer>"):
        if stripped.endswith(tag):
            cut = len(stripped) - len(tag)
            return text[:cut], text[cut:]
    return text, ""
