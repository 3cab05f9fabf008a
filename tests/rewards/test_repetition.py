"""The repetition reward: what is said twice costs, what only looks so does not."""

import random
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.base import Draft, Score
from rewards.repetition import Repetition
from rewards.semantic import NEAR_PARAGRAPHS

_VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("l", "n", "rt")]
_HAN = [chr(0x4E00 + n) for n in range(600)]
_SENTENCES, _WORDS, _CHARACTERS = 6, 13, 22


def paragraphs(count: int, seed: int = 0) -> list[str]:
    """Paragraphs of 78 words; a run of four comes twice by chance alone."""
    rng = random.Random(seed)
    return [
        " ".join(
            " ".join(rng.choices(_VOCABULARY, k=_WORDS)).capitalize() + "."
            for _ in range(_SENTENCES)
        )
        for _ in range(count)
    ]


def chinese(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [
        "".join("".join(rng.choices(_HAN, k=_CHARACTERS)) + "。" for _ in range(_SENTENCES))
        for _ in range(count)
    ]


def reworded(paragraph: str, rng: random.Random, *, every: int = 20) -> str:
    words = paragraph.split(" ")
    for at in range(rng.randrange(every), len(words), every):
        words[at] = rng.choice(_VOCABULARY)
    return " ".join(words)


def judged(parts: Sequence[str], between: str = "\n\n") -> Score:
    return Repetition().score(Draft(prompt="", answer=between.join(parts)))


def value(parts: Sequence[str], between: str = "\n\n") -> float:
    found = judged(parts, between).value
    assert found is not None
    return found


@pytest.mark.parametrize("make", [paragraphs, chinese])
def test_a_text_that_says_nothing_twice_is_worth_one(make: object) -> None:
    assert callable(make)
    found = judged(make(24))
    assert found.value == pytest.approx(1.0, abs=0.01)
    assert found.why == ""


@pytest.mark.parametrize("make", [paragraphs, chinese])
def test_a_paragraph_that_comes_again_far_behind_is_seen_and_named(make: object) -> None:
    assert callable(make)
    parts = make(24)
    found = judged([*parts, parts[4]])
    assert found.value is not None
    assert 0.85 < found.value < 0.95
    assert found.why == "repeats paragraph 5"


@pytest.mark.parametrize("make", [paragraphs, chinese])
def test_a_loop_is_worth_next_to_nothing(make: object) -> None:
    assert callable(make)
    parts = make(4)
    found = judged([*parts, *[parts[3]] * 10])
    assert found.value is not None
    assert found.value < 0.03
    assert found.why == "repeats paragraph 4 10 times"


def test_a_loop_with_some_words_changed_each_time_is_one_too() -> None:
    rng, parts = random.Random(1), paragraphs(12)
    assert value(parts + [reworded(parts[0], rng) for _ in range(12)]) < 0.2


def test_the_more_is_said_again_the_less_it_is_worth() -> None:
    parts = paragraphs(20)
    values = [value(parts[: 20 - copies] + parts[:copies]) for copies in range(11)]
    assert all(after < before - 0.02 for before, after in pairwise(values))


@pytest.mark.parametrize("make", [paragraphs, chinese])
def test_the_same_text_twice_is_worth_much_less_than_once(make: object) -> None:
    assert callable(make)
    parts = make(10)
    found = judged(parts * 2)
    assert found.value is not None
    assert found.value < 0.05
    assert found.why == "repeats paragraph 1, and 9 more"


def test_an_endless_line_without_any_sentence_end_is_worth_next_to_nothing() -> None:
    found = judged(["Once there was a man and", *["the cat and the dog and"] * 200], " ")
    assert found.value is not None
    assert found.value < 0.01
    assert found.why == "repeats paragraph 1"


def test_sentences_said_again_in_other_paragraphs_are_seen() -> None:
    sentences = [s for paragraph in paragraphs(12) for s in paragraph.split(". ")]
    again = sentences + [s for at, s in enumerate(sentences) if at % 3 == 0]
    found = judged([". ".join(again[at : at + 2]) + "." for at in range(0, len(again), 2)])
    assert found.parts["sentences"] == pytest.approx(1 / 4, abs=0.05)
    assert found.value is not None
    assert found.value < 0.75
    assert found.why.endswith("of it in sentences said before")


def test_stock_phrases_are_seen_where_no_sentence_repeats_another() -> None:
    rng = random.Random(3)
    stock = [" ".join(rng.choices(_VOCABULARY, k=6)) for _ in range(20)]
    lines = [
        f"{rng.choice(_VOCABULARY)} {' '.join(rng.sample(stock, 3))} {rng.choice(_VOCABULARY)}."
        for _ in range(90)
    ]
    found = judged([" ".join(lines[at : at + 6]) for at in range(0, 90, 6)])
    assert found.parts["phrases"] > 0.4
    assert found.parts["sentences"] < found.parts["phrases"]
    assert found.value is not None
    assert found.value < 0.9


def test_sentences_that_all_begin_alike_cost_a_little() -> None:
    parts = [
        " ".join(f"It is clear that {s[0].lower()}{s[1:]}." for s in part[:-1].split(". "))
        for part in paragraphs(10)
    ]
    found = judged(parts)
    assert found.parts["openings"] > 0.9
    assert found.value is not None
    assert 0.7 < found.value < 0.8
    assert found.why.endswith("of its sentences begin alike")


_CHORUS = "Roll on, roll on, my river wide\nAnd carry me down to the sea\nThe moon and the tide"
_HEALTHY = {
    "a song with its chorus": "\n\n".join(
        part
        for stanza in ("One day in May\nwe went away", "Two ships set sail\nbefore the gale")
        for part in (stanza, _CHORUS)
    )
    + f"\n\nThree birds flew by\nacross the sky\n\n{_CHORUS}",
    "a list": "\n".join(f"- The committee shall review the {word}" for word in _VOCABULARY[:40]),
    "a table": "| day | meal |\n|---|---|\n"
    + "\n".join(f"| {word} | two eggs, toast |" for word in _VOCABULARY[:30]),
    "a dialogue": "\n\n".join(
        f'"{line}" said {who}.\n\n"{said[:40]}?"'
        for line, who, said in zip(
            ["Yes,", "No,", "Why?"] * 4, ["Ann", "Bo"] * 6, paragraphs(12), strict=True
        )
    ),
    "code": "```python\n"
    + "\n".join(f"def {word}(self) -> int:\n    return self._{word}\n" for word in _VOCABULARY[:30])
    + "\n```",
    "headings": "\n\n".join(f"## {at} of 9: A day\n\n{p}" for at, p in enumerate(paragraphs(9))),
    "laughter": "Ha! Ha! Ha! He went home.",
    "parallel articles": "\n".join(
        f"第{n}条 委员会应当审议{word}。" for n, word in enumerate(_HAN[:40])
    ),
}


@pytest.mark.parametrize("kind", _HEALTHY)
def test_what_only_looks_like_repetition_is_hardly_punished(kind: str) -> None:
    assert value([_HEALTHY[kind]]) >= 0.85


@pytest.mark.parametrize(
    "row",
    ["| eggs | toast and jam |", "# The same heading", "- the same item", "la la la, my love"],
)
def test_a_row_or_short_line_that_comes_without_end_is_a_loop(row: str) -> None:
    assert value(["| a | b |", *[row] * 60], "\n") < 0.05


def test_a_block_of_code_ends_at_its_own_fence() -> None:
    inside = "```\n~~~\n" + "x = compute(y)\n" * 30 + "```"
    assert value([inside]) < 0.05
    assert value([f"~~~\n# a\n~~~\n\n{paragraphs(1)[0]}"]) == pytest.approx(1.0, abs=0.02)


def test_rules_and_closing_brackets_are_no_lines_to_compare() -> None:
    assert value(["```\n" + "}\n" * 50 + "int main() {\n```", "|---|---|"]) == 1.0


def test_dot_leaders_of_a_table_of_contents_are_no_repetition() -> None:
    entries = [f"第{n}章 {''.join(_HAN[7 * n : 7 * n + 7])}{'.' * 60}{n}" for n in range(20)]
    assert value(entries, "\n") > 0.9


def test_words_of_ascii_in_chinese_are_words() -> None:
    parts = [f"{part}API v2 与 JSON。" for part in chinese(12)]
    assert value(parts) > 0.95
    assert value(parts + parts[:6]) < 0.5


def test_hard_wrapped_lines_are_one_paragraph() -> None:
    wrapped = [textwrap.fill(part, 78) for part in paragraphs(8)]
    assert value(wrapped) == pytest.approx(1.0, abs=0.02)
    assert judged([*wrapped, wrapped[2]]).why == "repeats paragraph 3"


@pytest.mark.parametrize("text", ["", "  \n\n ", "...\n---"])
def test_where_nothing_is_written_it_abstains(text: str) -> None:
    found = judged([text])
    if text.strip():
        assert found.value == 1.0
    else:
        assert (found.value, found.failed, found.why) == (None, False, "nothing is written yet")


def test_the_value_is_the_same_in_every_process() -> None:
    """Python hashes strings anew in each; no figure may hang on it."""
    code = (
        "from rewards.base import Draft; from rewards.repetition import Repetition; import random;"
        "r = random.Random(5); a = ' '.join(r.choices('abcd', k=900));"
        "print(Repetition().score(Draft(prompt='', answer=a)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            cwd=".",
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def _embed(texts: Sequence[str]) -> list[list[float]]:
    """Texts that share their first letter are alike; one of x is like nothing."""
    axes = "abcdefgh"
    return [[float(text[0].lower() == axis) for axis in axes] for text in texts]


def _semantic(texts: Sequence[str]) -> Score:
    answer = "\n\n".join(texts)
    return Repetition(embed=_embed).score(Draft(prompt="", answer=answer))


def test_with_embeddings_a_paragraph_in_other_words_counts_as_a_copy() -> None:
    one, two, other = paragraphs(3)
    assert _semantic([f"A {one}", f"B {two}", f"C {other}"]).value == pytest.approx(1, abs=0.02)
    found = _semantic([f"A {one}", f"B {two}", f"A {other}"])
    assert found.parts["paragraphs"] == pytest.approx(1 / 3, abs=0.01)
    assert found.why == "repeats paragraph 1"


def test_a_vector_of_zeros_is_near_nothing_and_no_text_is_not_embedded() -> None:
    one, two = paragraphs(2)
    assert _semantic([f"X {one}", f"X {two}"]).parts["paragraphs"] == 0
    assert _semantic(["# A heading"]).parts["paragraphs"] == 0


def test_embeddings_are_compared_near_by_only() -> None:
    texts = paragraphs(NEAR_PARAGRAPHS + 2)
    far = [f"A {texts[0]}", *(f"X {text}" for text in texts[1:-1]), f"A {texts[-1]}"]
    assert _semantic(far).parts["paragraphs"] == 0
    del far[1]
    assert _semantic(far).parts["paragraphs"] > 0


def test_the_examples_of_the_docstring_are_right() -> None:
    rng, parts = random.Random(1), paragraphs(24)
    song = _HEALTHY["a song with its chorus"]
    half = parts[:12] + [reworded(parts[0], rng) for _ in range(12)]
    texts = [parts, [*parts, parts[4]], half, parts * 2, parts[:1] * 10, [song]]
    assert [round(value(text), 2) for text in texts] == [1.0, 0.88, 0.11, 0.03, 0.0, 0.96]
    assert round(value(parts[:9] + parts[:1]), 2) == 0.65


_WORDS_OF_ANY = st.sampled_from(
    ["a", "b", "the cat", "。", ".", "\n", "\n\n", "春天", "# ", "| ", "```\n"]
)


@given(words=st.lists(_WORDS_OF_ANY, max_size=120))
@settings(deadline=None)
def test_the_value_and_each_share_are_in_their_range(words: list[str]) -> None:
    found = judged(words, " ")
    if found.value is not None:
        assert 0 <= found.value <= 1
        assert all(0 <= share <= 1 for share in found.parts.values())


@given(seed=st.integers(0, 1_000), count=st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_any_prose_said_twice_is_worth_less(seed: int, count: int) -> None:
    parts = paragraphs(count, seed)
    assert value(parts * 2) < value(parts) - 0.5
