"""How long the pen waits before it tries again, and when it stops."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from server.pen.patience import Patience, advised_s


def test_pauses_double_up_to_their_bound() -> None:
    patience = Patience(draw=lambda: 1.0, most_s=3.0)
    assert [patience.wait_s(0.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_pause_is_drawn_from_its_upper_half() -> None:
    patience = Patience(draw=lambda: 0.5)
    assert [patience.wait_s(0.0) for _ in range(3)] == [0.375, 0.75, 1.5]
    assert Patience(draw=lambda: 0.0).wait_s(0.0) == 0.25
    assert 0.25 <= (Patience().wait_s(0.0) or 0.0) <= 0.5


def test_news_begin_it_all_anew() -> None:
    patience = Patience(draw=lambda: 1.0, give_up_s=10.0)
    assert [patience.wait_s(0.0), patience.wait_s(9.0)] == [0.5, 1.0]
    patience.news()
    assert patience.wait_s(30.0) == 0.5


def test_it_gives_up_after_so_long_without_news_and_not_later_than_that() -> None:
    patience = Patience(draw=lambda: 1.0, give_up_s=10.0)
    assert patience.wait_s(100.0) == 0.5
    assert patience.wait_s(109.75) == 0.25
    assert patience.wait_s(110.0) is None


def test_a_servers_advice_is_obeyed_as_far_as_the_patience_reaches() -> None:
    patience = Patience(draw=lambda: 1.0, give_up_s=100.0)
    assert patience.wait_s(0.0, 20.0) == 20.0
    assert patience.wait_s(20.0, 0.1) == 1.0
    assert patience.wait_s(20.0, 1e9) == 80.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        (format_datetime(datetime.fromtimestamp(1_000_030, UTC), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(999_000, UTC), usegmt=True), 0.0),
        ("soon", None),
        ("-3", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(header: str | None, seconds: float) -> None:
    assert advised_s(header, 1_000_000.0) == seconds
