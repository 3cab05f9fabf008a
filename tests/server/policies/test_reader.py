"""The reader: the same things met however the text arrives, and the same again after a cut."""

import pytest

from planner.words import count_words
from server.policies.headings import Kind
from server.policies.reader import Edge, Met, Reader

TEXT = """# On roads

## 1 of 2: Stone

Roads are made of stone. "Are they?" he asked... They are.
Nobody (not even he) knew more:

- gravel.
- sand.

```
# no heading

In conclusion, no closing.
```

## 2 of 2: Sand

路是石头铺的。他说：“是吗？”没有人知道。

In conclusion, it is 3.5 miles.
**Note** well"""


def met_in(text: str, size: int) -> list[Met]:
    reader = Reader(0)
    return [met for at in range(0, len(text), size) for met in reader.feed(text[at : at + size])]


def shown(text: str, size: int) -> list[tuple[Kind | None, int, int, bool]]:
    return [(met.kind, met.end_chars, met.words, met.parted) for met in met_in(text, size)]


def edges(edge: Edge) -> list[tuple[int, int]]:
    return [(met.end_chars, met.words) for met in met_in(TEXT, 3) if met.edge is edge]


def test_what_is_met_does_not_depend_on_the_pieces() -> None:
    whole = shown(TEXT, len(TEXT))
    assert all(shown(TEXT, size) == whole for size in (1, 2, 3, 5, 8, 13, 50))


def test_words_are_those_of_the_text_before() -> None:
    assert all(words == count_words(TEXT[:at]) for _, at, words, _ in shown(TEXT, 7))


def test_paragraphs_end_before_text_and_headings_but_not_in_lists_code_or_after_a_colon() -> None:
    parted = [TEXT[end:].strip()[:10] for _, end, _, parted in shown(TEXT, 7) if parted]
    assert parted == ["Nobody (no", "In conclus", "**Note** w"]


def test_sentences_end_behind_their_quotes() -> None:
    ends = [TEXT[:end][-4:] for end, _ in edges(Edge.SENTENCE)]
    assert ends == ["one.", 'ey?"', "d...", "are.", "头铺的。", "是吗？”", "人知道。", "les."]


def test_a_cut_text_goes_on_as_if_it_had_always_been_so() -> None:
    for cut in range(0, len(TEXT) + 1, 3):
        reader = Reader(0)
        for met in reader.feed(TEXT):
            reader.place = met.words
        reader.cut(cut)
        straight = Reader(0)
        for met in straight.feed(TEXT[:cut]):
            straight.place = met.words
        assert reader.words == straight.words == count_words(TEXT[:cut])
        assert reader.chars == straight.chars == cut
        rest = "\n\nNew text begins. And\n\n## 3 of 2: More\n\nAnd on"
        assert [met.words for met in reader.feed(rest)][-2:] == [
            met.words for met in straight.feed(rest)
        ][-2:]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It ends.", True), ("It ends", False), ("One.\n## A hea", True), ("## A heading\n", True),
        ("It ends.\n\n", True), ('"It ends."', True), ("It ends:\n", False), ("", True),
    ],
)  # fmt: skip
def test_whether_a_text_ends_with_a_sentence(text: str, whole: bool) -> None:
    reader = Reader(0)
    list(reader.feed(text))
    assert reader.whole is whole


def test_a_line_is_settled_once_its_kind_is_known() -> None:
    reader = Reader(0)
    settled = []
    for piece in ("One.", "\n\n", "## T", "\n", "\n", "1", "0", "!"):
        list(reader.feed(piece))
        settled.append(reader.settled_chars)
    assert settled == [4, 4, 4, 10, 10, 10, 10, 15]


def test_repeats_are_lines_that_stood_before() -> None:
    reader = Reader(0)
    list(reader.feed("One.\n\nTwo.\n\nOne.\n"))
    assert reader.repeats(12)
    assert not reader.repeats(6)
    assert not reader.repeats(17)
