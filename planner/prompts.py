"""Words the prompt: templates, where they come from, how a conversation fills them. No file I/O."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from planner.brief import Message
from planner.words import has_han

SLOT = "{question}"
_END = r"(?P<user><\|[^|<>]+\|>): \{question\} (?P<assistant><\|[^|<>]+\|>):"
_SHAPE = re.compile(r"(?P<head>.*?)" + _END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """A prompt ready for an engine, and the text its answer is made to begin with ("" for none)."""

    text: str
    prefill: str


class Prompter(Protocol):
    """Turns a conversation into the text a model continues."""

    @property
    def source(self) -> str:
        """Where the template came from, in words, for ``longhand check`` and the log."""
        ...

    def render(self, messages: Sequence[Message], *, thinking: bool) -> Prompted:
        """The prompt for ``messages``; with ``thinking`` false the answer starts straight away."""
        ...


@dataclass(frozen=True, slots=True)
class Template:
    """A one-line raw template: ``head<|user|>: {question} <|assistant|>:``.

    Raises:
        ValueError: the text has not that shape.
    """

    text: str

    def __post_init__(self) -> None:
        if _SHAPE.fullmatch(self.text) is None or self.text.count(SLOT) != 1:
            raise ValueError(
                "a prompt template is one line that ends in "
                "'<|user|>: {question} <|assistant|>:' and holds {question} once"
            )

    def fill(self, turns: Sequence[tuple[str, str]], question: str) -> str:
        """The prompt: earlier (question, answer) turns first, each answer inside its tags.

        The model card shows one turn only, and the paper says multi-turn writing was not trained
        for; earlier turns repeat the card's own markers so that the last one looks as in training.
        """
        shape = _SHAPE.fullmatch(self.text)
        assert shape is not None
        user, assistant = shape["user"], shape["assistant"]
        past = "".join(
            f"{user}: {asked} {assistant}: <answer>\n{answered}\n</answer> "
            for asked, answered in turns
        )
        return f"{shape['head']}{past}{user}: {question} {assistant}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What identifies a template without holding its text: SHA-256 of its UTF-8 bytes, length.

    direct: whether the model was also trained with the paper's answer-only form.
    """

    name: str
    sha256: str
    num_chars: int
    direct: bool = False


# LongWriter-Zero-32B's model card (huggingface.co/THU-KEG/LongWriter-Zero-32B, README.md): the
# text is the model's and is read from the checkpoint; only its fingerprints are kept here.
LONGWRITER_ZERO = (
    Fingerprint(
        name="LongWriter-Zero, English",
        sha256="66e03fdadb7b7c66f4aabeec22f768c7e77011948e30102b023d09dc31089f78",
        num_chars=1435,
        direct=True,
    ),
    Fingerprint(
        name="LongWriter-Zero, Chinese",
        sha256="47e9f2c45d77bb3da8a1f3f8990e7d4cbad0dfe48c8ab832e02e37df284d205c",
        num_chars=445,
        direct=True,
    ),
)

# The bundled pocket writer's model card (server/pocket/checkpoint/README.md).
POCKET = (
    Fingerprint(
        name="pocket writer, English",
        sha256="0986f5251dbdee9b5f2f3a6355356a6246b92f2694a1bab90e3742fac325a1ba",
        num_chars=256,
    ),
    Fingerprint(
        name="pocket writer, Chinese",
        sha256="cce917094a3908e56637ea2f976224e22365935c9e604c3c07e87d03098b0b65",
        num_chars=140,
    ),
)

# The answer-only form is in the paper alone (arXiv 2506.18841, section on think and direct
# prompts), not in the model card, so its wording is ours; the structure is the paper's.
_DIRECT_ENGLISH = Template(
    "This is a conversation in which the user asks for a piece of writing and the assistant "
    "writes it. The assistant gives the finished piece and nothing else, between <answer> and "
    "</answer>, in this form: <answer> the finished piece </answer>.  "
    "<|user|>: {question} <|assistant|>:"
)
_DIRECT_CHINESE = Template(
    "以下是用户与助手之间的对话：用户提出写作要求，助手完成写作。助手只给出最终成稿，不写其他内容，"
    "并将成稿放在 <answer> 与 </answer> 之间，格式如下：<answer> 成稿 </answer>。 "
    "<|用户|>: {question} <|助手|>:"
)
_OURS_ENGLISH = Template(
    "This is a conversation in which the user asks for a piece of writing and the assistant "
    "writes it. The assistant first thinks the piece through: purpose, readers, asked length, an "
    "outline with a share of the words for each section, the style. Then it writes the piece in "
    "full. The thinking stands between <think> and </think>, the finished piece between <answer> "
    "and </answer>, in this form: <think> the plan </think> <answer> the finished piece </answer>."
    "  <|user|>: {question} <|assistant|>:"
)
_OURS_CHINESE = Template(
    "以下是用户与助手之间的对话：用户提出写作要求，助手完成写作。助手先通盘思考：写作目的、读者、要求的字数、"
    "各部分及其字数的提纲、文风，然后写出完整的成稿。思考放在 <think> 与 </think> 之间，"
    "成稿放在 <answer> 与 </answer> 之间，格式如下："
    "<think> 思考 </think> <answer> 成稿 </answer>。 <|用户|>: {question} <|助手|>:"
)

PREFILL_ANSWER = " <answer>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPrompter:
    """Fills a checkpoint's own raw templates, English or Chinese.

    direct: templates for the answer-only form, or None where the thinking template is kept and
    only the start of the answer is written for the model.
    """

    source: str
    english: Template
    chinese: Template
    direct: tuple[Template, Template] | None = None

    def render(self, messages: Sequence[Message], *, thinking: bool) -> Prompted:
        turns, question = _as_turns(messages)
        # The card's rule, over everything the user said: a Han character means Chinese.
        chinese = any(has_han(m.content) for m in messages if m.role == "user")
        template = self.chinese if chinese else self.english
        if not thinking and self.direct is not None:
            template = self.direct[1] if chinese else self.direct[0]
        return Prompted(
            text=template.fill(turns, question), prefill="" if thinking else PREFILL_ANSWER
        )


def ours() -> RawPrompter:
    """Templates written by this project, of the same structure, for checkpoints without any."""
    return RawPrompter(
        source="Longhand's own template (the checkpoint has none)",
        english=_OURS_ENGLISH,
        chinese=_OURS_CHINESE,
        direct=(_DIRECT_ENGLISH, _DIRECT_CHINESE),
    )


def from_readme(
    readme: str, known: Sequence[tuple[Fingerprint, Fingerprint]]
) -> RawPrompter | None:
    """The prompter whose two templates both stand in a model card, or None.

    A template is looked for by its length and hash at each place where its shape ends, so it does
    not matter how the card quotes it, and a card that was edited is not mistaken for the original.
    """
    for english_print, chinese_print in known:
        english = _find(readme, english_print)
        chinese = _find(readme, chinese_print)
        if english is not None and chinese is not None:
            return RawPrompter(
                source=f"the checkpoint's README.md ({english_print.name.split(',')[0]}, by hash)",
                english=english,
                chinese=chinese,
                direct=(_DIRECT_ENGLISH, _DIRECT_CHINESE) if english_print.direct else None,
            )
    return None


def _find(readme: str, wanted: Fingerprint) -> Template | None:
    for shape in re.finditer(_END, readme):
        candidate = readme[max(0, shape.end() - wanted.num_chars) : shape.end()]
        if hashlib.sha256(candidate.encode()).hexdigest() == wanted.sha256:
            return Template(candidate)
    return None


def _as_turns(messages: Sequence[Message]) -> tuple[list[tuple[str, str]], str]:
    """Earlier (question, answer) pairs and the question now.

    The templates have no place for a system message, so its text leads the user's turn that
    follows it; user turns in a row become one.
    """
    turns: list[tuple[str, str]] = []
    asked: list[str] = []
    for message in messages:
        if message.role == "assistant":
            turns.append(("\n\n".join(asked), message.content))
            asked = []
        else:
            asked.append(message.content)
    return turns, "\n\n".join(asked)
