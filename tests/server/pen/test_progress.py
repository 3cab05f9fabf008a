"""How far a draft is said to be."""

import pytest

from planner.words import count_words
from server.pen.progress import Pace, Progress, Sections, Tally, progress_of

TEXT = (
    "# One: Roads\n\nThe old roads don't end.\r\n**Two**\nA line that goes on\n\n"
    "### 3 of 4: Mills ##\nend"
)


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_words_and_sections_do_not_depend_on_where_the_text_is_cut(cut: int) -> None:
    progress = progress_of("Write it.", None)
    for part in (TEXT[:cut], TEXT[cut:]):
        progress.feed(part)
        assert progress.tally.words <= count_words(TEXT)
    assert progress.tally.words == count_words(TEXT)
    assert progress.sections.title == "3 of 4: Mills"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("## Roads\n", "Roads"),
        ("## Roads", ""),
        ("**Roads**\n", "Roads"),
        ("**Roads** and mills\n", ""),
        ("#hashtag\n", ""),
        ("# A\n# B\ntext\n", "B"),
    ],
)
def test_a_heading_is_a_line_of_its_own(text: str, title: str) -> None:
    sections = Sections()
    for character in text:
        sections.feed(character)
    assert sections.title == title


def test_a_tally_counts_each_line_once() -> None:
    counted: list[str] = []
    tally = Tally(lambda text: counted.append(text) or len(text.split()))  # type: ignore[func-returns-value]  # a spy
    for part in ("a b", " c\nd", "\ne f\n", "g"):
        tally.feed(part)
    assert tally.words == 7
    assert counted == ["a b c", "d\ne f", "g"]


@pytest.mark.parametrize(
    ("prompt", "words", "target"),
    [
        ("Write 2,000 words on tea.", None, 2000),
        ("Write 2,000 words on tea.", 500, 500),
        ("Write on tea.", None, None),
        ("", 5000, 5000),
    ],
)
def test_the_target_is_the_asked_length(prompt: str, words: int | None, target: int) -> None:
    assert progress_of(prompt, words).target_words == target


def test_words_of_other_scripts_are_counted_as_readers_would() -> None:
    progress = progress_of("Напиши рассказ о весне.", None)
    progress.feed("Весна пришла.")
    assert progress.tally.words == 2


def paced(*samples: tuple[float, int]) -> Pace:
    pace = Pace()
    for now_s, words in samples:
        pace.observe(now_s, words)
    return pace


def test_the_pace_leaves_out_what_was_caught_up() -> None:
    pace = paced((0, 0), (1, 40), (2, 90), (3, 1000), (4, 1040))
    assert pace.words_per_s == pytest.approx(130 / 3)


@pytest.mark.parametrize(
    "samples",
    [
        (),
        ((0, 0), (1, 40), (2, 80), (3, 120)),
        ((0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)),
    ],
)
def test_there_is_no_pace_of_little_or_of_nothing(samples: tuple[tuple[float, int], ...]) -> None:
    assert paced(*samples).words_per_s is None


def test_the_pace_is_that_of_the_last_while() -> None:
    slow = [(float(second), 10 * second) for second in range(60)]
    fast = [(60.0 + second, 600 + 50 * second) for second in range(31)]
    assert paced(*slow, *fast).words_per_s == pytest.approx(50)


def test_samples_closer_than_a_second_are_one() -> None:
    assert paced(*((tenth / 10, tenth) for tenth in range(60))).words_per_s == pytest.approx(10)


def test_the_time_left_is_what_is_missing_at_this_pace() -> None:
    progress = progress_of("", 5000)
    progress.feed("word " * 1900)
    progress.pace = paced((0, 0), (1, 31), (2, 62), (3, 93), (4, 1900))
    assert progress.left_s() == pytest.approx(100)


def test_the_time_left_is_never_less_than_nothing() -> None:
    progress = progress_of("", 10)
    progress.feed("word " * 19)
    progress.pace = paced((0, 0), (1, 4), (2, 8), (3, 12), (4, 19))
    assert progress.left_s() == 0.0


def test_no_time_is_left_to_say_without_a_target_or_a_pace() -> None:
    aimless: Progress = progress_of("Write.", None)
    aimless.pace = paced((0, 0), (1, 4), (2, 8), (3, 12), (4, 19))
    assert aimless.left_s() is None
    assert progress_of("", 10).left_s() is None
