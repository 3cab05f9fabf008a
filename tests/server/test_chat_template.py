"""Prompts worded by a tokenizer's own chat template."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from planner.brief import Message
from planner.prompts import Prompted
from server.chat_template import ChatTemplatePrompter

ASKED = [Message(role="system", content="Be brief."), Message(role="user", content="A poem.")]


class PlayedTokenizer:
    """transformers' tokenizer, as far as it is used: a template that ends in ``opened``."""

    opened = ""
    loaded: list[Path] = []

    @classmethod
    def from_pretrained(cls, directory: Path) -> "PlayedTokenizer":
        cls.loaded.append(directory)
        return cls()

    def apply_chat_template(self, messages: Any, **options: Any) -> str:
        return f"{json.dumps(messages)} {json.dumps(options, sort_keys=True)}\n{self.opened}"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> type[PlayedTokenizer]:
    """The library is played, so that this runs where it is not installed."""
    library = ModuleType("transformers")
    monkeypatch.setattr(library, "AutoTokenizer", PlayedTokenizer, raising=False)
    monkeypatch.setitem(sys.modules, "transformers", library)
    monkeypatch.setattr(PlayedTokenizer, "loaded", [])
    monkeypatch.setattr(PlayedTokenizer, "opened", "")
    return PlayedTokenizer


@pytest.mark.parametrize("thinking", [True, False])
def test_a_conversation_is_handed_to_the_template(
    played: type[PlayedTokenizer], tmp_path: Path, thinking: bool
) -> None:
    prompter = ChatTemplatePrompter(tmp_path)
    assert played.loaded == []
    options = {"add_generation_prompt": True, "enable_thinking": thinking, "tokenize": False}
    messages = [{"role": m.role, "content": m.content} for m in ASKED]
    for _ in range(2):
        assert prompter.render(ASKED, thinking=thinking) == Prompted(
            text=f"{json.dumps(messages)} {json.dumps(options, sort_keys=True)}\n", prefill=""
        )
    assert played.loaded == [tmp_path]


@pytest.mark.parametrize("opened", ["<think>", "<think>\n", "<answer>\n"])
def test_a_tag_that_the_template_opens_is_where_the_writing_begins(
    played: type[PlayedTokenizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: str
) -> None:
    monkeypatch.setattr(played, "opened", opened)
    prompted = ChatTemplatePrompter(tmp_path).render(ASKED, thinking=True)
    assert prompted.prefill == opened
    assert prompted.text.endswith("}\n")


def test_the_source_is_named(tmp_path: Path) -> None:
    assert ChatTemplatePrompter(tmp_path).source == "the tokenizer's chat template"


@pytest.mark.engine
def test_a_real_tokenizer_renders_its_template(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).save(str(tmp_path / "tokenizer.json"))
    template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% if enable_thinking %}<think>\n{% endif %}"
        "{% endif %}"
    )
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    prompter = ChatTemplatePrompter(tmp_path)
    text = "[system] Be brief.\n[user] A poem.\n[assistant] "
    assert prompter.render(ASKED, thinking=True) == Prompted(text=text, prefill="<think>\n")
    assert prompter.render(ASKED, thinking=False) == Prompted(text=text, prefill="")
