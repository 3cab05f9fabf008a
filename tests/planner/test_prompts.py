"""Prompts: where templates come from and how a conversation fills them."""

import hashlib
from dataclasses import replace

import pytest

from planner.brief import Message, Role
from planner.prompts import (
    LONGWRITER_ZERO,
    POCKET,
    PREFILL_ANSWER,
    Fingerprint,
    Prompted,
    RawPrompter,
    Template,
    from_readme,
    ours,
)

ENGLISH = "Think first.  <|user|>: {question} <|assistant|>:"
CHINESE = "先思考。<|用户|>: {question} <|助手|>:"


def fingerprint(text: str, name: str, *, direct: bool = False) -> Fingerprint:
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Fingerprint(name=name, sha256=sha256, num_chars=len(text), direct=direct)


KNOWN = ((fingerprint(ENGLISH, "test writer, English"), fingerprint(CHINESE, "test writer, zh")),)
CARD = f"# A writer\n\n```python\nzh = r'{CHINESE}'\nen = r\"{ENGLISH}\"\n```\n"
RAW = RawPrompter(source="a test", english=Template(ENGLISH), chinese=Template(CHINESE))


def says(role: Role, content: str) -> Message:
    return Message(role=role, content=content)


@pytest.mark.parametrize("template", [ENGLISH, CHINESE, "<|user|>: {question} <|assistant|>:"])
def test_a_template_is_filled_where_its_slot_is(template: str) -> None:
    filled = Template(template).fill([], "Write {this} {question}.")
    assert filled == template.replace("{question}", "Write {this} {question}.", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no markers: {question}",
        "<|user|>: <|assistant|>:",
        "<|user|>: {question} <|assistant|>: ",
        "<|user|>: {question} <|assistant|>",
        "two\nlines <|user|>: {question} <|assistant|>:",
        "{question} <|user|>: {question} <|assistant|>:",
    ],
)
def test_a_text_of_another_shape_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match="one line that ends in"):
        Template(text)


def test_one_turn_is_worded_as_the_card_words_it() -> None:
    prompted = RAW.render([says("user", "A poem.")], thinking=True)
    assert prompted == Prompted(text="Think first.  <|user|>: A poem. <|assistant|>:", prefill="")


def test_earlier_turns_come_first_each_answer_inside_its_tags() -> None:
    prompted = RAW.render(
        [
            says("user", "A poem."),
            says("assistant", "Roses."),
            says("user", "Longer."),
            says("assistant", "Red roses."),
            says("user", "Now in blue."),
        ],
        thinking=True,
    )
    assert prompted.text == (
        "Think first.  "
        "<|user|>: A poem. <|assistant|>: <answer>\nRoses.\n</answer> "
        "<|user|>: Longer. <|assistant|>: <answer>\nRed roses.\n</answer> "
        "<|user|>: Now in blue. <|assistant|>:"
    )


def test_a_system_message_leads_the_user_turn_that_follows_it() -> None:
    prompted = RAW.render(
        [
            says("system", "Be brief."),
            says("user", "A poem."),
            says("assistant", "Roses."),
            says("system", "Be long."),
            says("user", "Another."),
            says("user", "A blue one."),
        ],
        thinking=True,
    )
    assert prompted.text == (
        "Think first.  "
        "<|user|>: Be brief.\n\nA poem. <|assistant|>: <answer>\nRoses.\n</answer> "
        "<|user|>: Be long.\n\nAnother.\n\nA blue one. <|assistant|>:"
    )


@pytest.mark.parametrize(
    ("messages", "chinese"),
    [
        ([says("user", "Write about 春.")], True),
        ([says("user", "春天"), says("assistant", "ok"), says("user", "In English.")], True),
        ([says("user", "A poem."), says("assistant", "春天"), says("user", "More.")], False),
        ([says("system", "用中文写"), says("user", "A poem.")], False),
        ([says("user", "ひらがな。")], False),
    ],
)
def test_a_han_character_of_the_user_picks_the_chinese_template(
    messages: list[Message], chinese: bool
) -> None:
    text = RAW.render(messages, thinking=True).text
    assert text.startswith("先思考。<|用户|>: " if chinese else "Think first.  <|user|>: ")


def test_chinese_turns_carry_chinese_markers() -> None:
    messages = [says("user", "诗"), says("assistant", "花"), says("user", "再来")]
    assert RAW.render(messages, thinking=True).text == (
        "先思考。<|用户|>: 诗 <|助手|>: <answer>\n花\n</answer> <|用户|>: 再来 <|助手|>:"
    )


def test_without_thinking_and_without_direct_templates_the_answer_is_begun() -> None:
    prompted = RAW.render([says("user", "A poem.")], thinking=False)
    assert prompted == Prompted(
        text="Think first.  <|user|>: A poem. <|assistant|>:", prefill=" <answer>\n"
    )


@pytest.mark.parametrize(
    ("asked", "end"),
    [("A poem.", "<|user|>: A poem. <|assistant|>:"), ("诗", "<|用户|>: 诗 <|助手|>:")],
)
def test_without_thinking_the_direct_templates_name_no_thinking(asked: str, end: str) -> None:
    prompted = ours().render([says("user", asked)], thinking=False)
    assert prompted.prefill == PREFILL_ANSWER
    assert prompted.text.endswith(end)
    assert "<answer>" in prompted.text
    assert "<think>" not in prompted.text


@pytest.mark.parametrize(
    ("asked", "end"),
    [("A poem.", ".  <|user|>: A poem. <|assistant|>:"), ("诗", "。 <|用户|>: 诗 <|助手|>:")],
)
def test_our_own_templates_show_both_pairs_of_tags_twice(asked: str, end: str) -> None:
    prompted = ours().render([says("user", asked)], thinking=True)
    assert prompted.prefill == ""
    assert prompted.text.endswith(end)
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert prompted.text.count(tag) == 2


def test_our_own_templates_say_that_they_are_ours() -> None:
    assert ours().source == "Longhand's own template (the checkpoint has none)"


def test_a_card_with_both_templates_is_known_by_their_hashes() -> None:
    found = from_readme(CARD, KNOWN)
    assert found == replace(RAW, source="the checkpoint's README.md (test writer, by hash)")


def test_it_does_not_matter_how_a_card_quotes_its_templates() -> None:
    card = f"    {CHINESE}\n\nTry `<|user|>: {{question}} <|assistant|>:` or > {ENGLISH} and go."
    assert from_readme(card, KNOWN) is not None


@pytest.mark.parametrize(
    "card",
    [
        "",
        CARD.replace("Think first", "Think First"),
        CARD.replace("先思考", "先想想"),
        CARD.replace("<|user|>", "<|USER|>"),
        CARD.replace(ENGLISH, ""),
        CARD.replace(CHINESE, ""),
        CARD.replace("{question} <|assistant|>:", "{question} <|assistant|>: "[:-2]),
    ],
)
def test_an_edited_card_is_not_mistaken_for_the_original(card: str) -> None:
    assert from_readme(card, KNOWN) is None


def test_a_template_at_the_very_start_of_a_card_is_found() -> None:
    assert from_readme(ENGLISH + "\n" + CHINESE, KNOWN) is not None
    short = (replace(KNOWN[0][0], num_chars=10_000), KNOWN[0][1])
    assert from_readme(ENGLISH + "\n" + CHINESE, [short]) is not None


def test_the_direct_form_goes_with_the_model_that_was_trained_with_it() -> None:
    trained = (replace(KNOWN[0][0], direct=True), replace(KNOWN[0][1], direct=True))
    found = from_readme(CARD, [trained])
    assert found is not None
    assert found.direct == ours().direct
    assert [one.direct for one in (*LONGWRITER_ZERO, *POCKET)] == [True, True, False, False]


def test_the_first_pair_that_a_card_holds_counts() -> None:
    found = from_readme(CARD, [POCKET, *KNOWN])
    assert found is not None
    assert found.source.endswith("(test writer, by hash)")


# The pocket writer's templates are the project's own.
POCKET_ENGLISH = (
    "A user asks for a piece of writing and a writer delivers it. The writer first plans inside "
    "<think> </think>, then gives the finished work inside <answer> </answer>, that is: <think> "
    "plan </think> <answer> work </answer>. <|user|>: {question} <|assistant|>:"
)
POCKET_CHINESE = (
    "用户提出写作任务，作者完成作品。作者先在 <think> </think> 中构思，再在 <answer> </answer> "
    "中写出成品，即：<think> 构思 </think> <answer> 成品 </answer>。<|用户|>: {question} <|助手|>:"
)


def test_the_pocket_writers_templates_have_the_fingerprints_kept_for_them() -> None:
    assert [(len(text), hashlib.sha256(text.encode()).hexdigest()) for text in
            (POCKET_ENGLISH, POCKET_CHINESE)] == [
        (one.num_chars, one.sha256) for one in POCKET
    ]  # fmt: skip
    found = from_readme(f"en: {POCKET_ENGLISH}\nzh: {POCKET_CHINESE}\n", [LONGWRITER_ZERO, POCKET])
    assert found == RawPrompter(
        source="the checkpoint's README.md (pocket writer, by hash)",
        english=Template(POCKET_ENGLISH),
        chinese=Template(POCKET_CHINESE),
    )


def test_longwriter_zeros_fingerprints_are_those_of_its_card() -> None:
    kept = (
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
    assert kept == LONGWRITER_ZERO
