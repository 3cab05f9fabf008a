"""How a checkpoint says it wants to be read, and what a model is then given."""

import json
from pathlib import Path
from typing import Any

import pytest

from rewards.quality.reading import CannotJudge, Passage, Reading, reading_of


def words(text: str) -> int:
    return len(text.split())


def checkpoint(folder: Path, **config: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_a_checkpoint_without_a_word_is_read_as_prompt_and_answer(tmp_path: Path) -> None:
    reading = reading_of(checkpoint(tmp_path, max_position_embeddings=2_048))
    assert (reading.template, reading.window_tokens) == ("{prompt}\n\n{answer}", 2_048)


def test_a_window_has_a_limit_where_the_positions_have_none(tmp_path: Path) -> None:
    assert reading_of(checkpoint(tmp_path)).window_tokens == 16_384
    long = checkpoint(tmp_path, max_position_embeddings=131_072)
    assert reading_of(long).window_tokens == 16_384


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("chat_template.jinja", "{{ messages }}"),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}'),
    ],
)
def test_a_chat_template_is_used(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert reading_of(checkpoint(tmp_path)).template is None


def test_a_tokenizer_without_a_chat_template_is_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    assert reading_of(checkpoint(tmp_path)).template is not None


def test_what_a_config_declares_is_what_is_read_back(tmp_path: Path) -> None:
    reading = Reading(template="{answer}", window_tokens=512, prompt_tokens=64, rule="head_tail")
    assert reading_of(checkpoint(tmp_path, longhand_reward=reading.declared())) == reading


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({"template": "no place for it"}, "longhand_reward.template"),
        ({"template": "{answer} {answer}"}, "longhand_reward.template"),
        ({"template": "{prompt}{prompt}{answer}"}, "longhand_reward.template"),
        ({"template": 5}, "longhand_reward.template"),
        ({"window_tokens": 10}, "longhand_reward.window_tokens"),
        ({"window_tokens": 512.0}, "longhand_reward.window_tokens"),
        ({"window_tokens": "512"}, "longhand_reward.window_tokens"),
        ({"window_tokens": True}, "longhand_reward.window_tokens"),
        ({"window_tokens": 512}, "longhand_reward.prompt_tokens"),
        ({"prompt_tokens": 0}, "longhand_reward.prompt_tokens"),
        ({"rule": "middle"}, "longhand_reward.rule"),
        ({"head_share": 2}, "longhand_reward.head_share"),
        ({"head_share": "half"}, "longhand_reward.head_share"),
        ({"windw_tokens": 512}, "windw_tokens is not known"),
        ([], "longhand_reward is not known"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, declared: Any, named: str) -> None:
    with pytest.raises(CannotJudge, match=f"config.json.*{named}"):
        reading_of(checkpoint(tmp_path, longhand_reward=declared))


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_a_config_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(CannotJudge, match=r"config\.json"):
        reading_of(tmp_path)


def test_a_short_draft_is_one_passage_in_its_form() -> None:
    reading = Reading()
    (passage,) = reading.passages("Write of tea.", "Tea is hot.", words)
    assert passage == Passage(prompt="Write of tea.", answer="Tea is hot.", tokens=3)
    assert reading.text(passage) == "Write of tea.\n\nTea is hot."


def test_nothing_written_is_nothing_to_read() -> None:
    assert Reading().passages("Write.", " \n", words) == ()


def test_a_text_that_looks_like_a_place_to_fill_stays_as_it_is() -> None:
    reading = Reading(template="[{prompt}] {answer}!")
    (passage,) = reading.passages("say {answer}", "I say {prompt}", words)
    assert reading.text(passage) == "[say {answer}] I say {prompt}!"


def test_every_window_of_a_long_answer_stands_under_the_prompt() -> None:
    reading = Reading(window_tokens=100, prompt_tokens=50)
    passages = reading.passages("Write of tea.", "tea " * 200, words)
    assert [passage.tokens for passage in passages] == [89, 89, 22]
    assert {passage.prompt for passage in passages} == {"Write of tea."}


def test_a_long_prompt_keeps_its_ends() -> None:
    reading = Reading(window_tokens=200, prompt_tokens=50)
    (passage,) = reading.passages("pasted " * 500, "Tea.", words)
    assert words(passage.prompt) <= 50
    assert "[...]" in passage.prompt


def test_a_form_without_the_prompt_leaves_its_space_to_the_answer() -> None:
    reading = Reading(template="{answer}", window_tokens=100, prompt_tokens=50)
    passages = reading.passages("pasted " * 500, "tea " * 100, words)
    assert [passage.tokens for passage in passages] == [92, 8]
    assert passages[0].prompt == ""


def test_head_and_tail_is_one_passage() -> None:
    reading = Reading(rule="head_tail", window_tokens=100, prompt_tokens=50)
    (passage,) = reading.passages("Write.", "tea " * 200, words)
    assert passage.tokens <= 91
    assert "[...]" in passage.answer


def test_a_chat_form_has_messages_and_no_text() -> None:
    reading = Reading(template=None)
    (passage,) = reading.passages("Write of tea.", "Tea is hot.", words)
    assert reading.messages(passage) == [
        {"role": "user", "content": "Write of tea."},
        {"role": "assistant", "content": "Tea is hot."},
    ]
    with pytest.raises(CannotJudge):
        reading.text(passage)


def test_a_chat_form_leaves_space_for_the_template() -> None:
    reading = Reading(template=None, window_tokens=100, prompt_tokens=50)
    passages = reading.passages("Write.", "tea " * 50, words)
    assert passages[0].tokens == 100 - 64 - 8 - 1
