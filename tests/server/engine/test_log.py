"""The log of a draft: what it keeps when it is cut."""

import pytest

from server.engine.base import Passage
from server.engine.log import Log


def log_of(*parts: tuple[str, tuple[int, ...]]) -> Log:
    log = Log()
    for text, ids in parts:
        log.append(text, ids, len(ids))
    return log


PARTS = (("On", (1,)), ("ce", (2, 3)), ("", (4,)), (" upon", (5,)))


@pytest.mark.parametrize(
    ("chars", "kept", "ids", "rest"),
    [
        (9, "Once upon", (1, 2, 3, 4, 5), ""),
        (7, "Once", (1, 2, 3), " up"),
        # The part without text may be half a character of what follows.
        (4, "Once", (1, 2, 3), ""),
        (3, "On", (1,), "c"),
        (2, "On", (1,), ""),
        (1, "", (), "O"),
        (0, "", (), ""),
    ],
)
def test_a_cut_keeps_whole_parts_and_returns_the_rest(
    chars: int, kept: str, ids: tuple[int, ...], rest: str
) -> None:
    log = log_of(*PARTS)
    # A part without text stays with what follows it only if that stays whole.
    found = log.cut(chars)
    assert found == rest
    assert log.script() == Passage(text=kept, token_ids=ids, num_tokens=len(ids))
    log.append(found or "!", (7,), 1)
    assert log.script().token_ids == (*ids, 7)
    assert log.num_chars == len(kept + (found or "!"))


def test_a_log_without_ids_is_cut_by_its_text() -> None:
    log = log_of(*PARTS)
    log.append(" a time", None, 3)
    assert log.cut(11) == " a"
    assert log.script() == Passage(text="Once upon", token_ids=None, num_tokens=5)


def test_a_log_without_ids_has_none_to_drop() -> None:
    log = Log()
    log.append("Once", None, 1)
    log.append(" upon", (3,), 1)
    log.drop_last_id()
    assert log.script() == Passage(text="Once upon", token_ids=None, num_tokens=2)


def test_an_end_token_that_was_dropped_is_not_counted_after_a_cut() -> None:
    log = log_of(("On", (1,)), ("ce", (2, 9)))
    log.drop_last_id()
    assert log.cut(4) == ""
    assert log.script() == Passage(text="Once", token_ids=(1, 2), num_tokens=2)
