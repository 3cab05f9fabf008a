"""How long an unfinished draft will become, by what it says of itself."""

import pytest

from rewards.base import Asked, Draft
from rewards.forecast import forecast_words, headings

ASKED = Asked(low_words=900, high_words=1_100)
PLAN = """Outline:
1. Roads - 300 words
2. Mills - 300 words
3. Boats - 300 words
4. Conclusion - 100 words
"""
BARE_PLAN = "Outline:\n1. Roads\n2. Mills\n3. Boats\n4. Conclusion\n"


def words(count: int) -> str:
    return "word " * count


def forecast(answer: str, plan: str = PLAN) -> float | None:
    draft = Draft(prompt="", answer=answer, reasoning=plan, ended=False)
    found = forecast_words(draft, ASKED)
    return None if found is None else round(found, 1)


BEGUN = f"## 1. Roads\n{words(399)}\n## 2. Mills\n{words(399)}\n"


@pytest.mark.parametrize(
    ("answer", "plan", "expected"),
    [
        # Without a heading the plan is believed, as far as it goes.
        ("", PLAN, 1_000),
        (words(1_200), PLAN, 1_200),
        (words(200), "", None),
        (words(200), BARE_PLAN, None),
        # The first section, and the text's title before it: the plan is still believed.
        (f"# On roads\n\n## Roads\n{words(50)}", PLAN, 2 + 252 / 250 * 1_000),
        # Two sections that took 800 words for 600: the rest will be as much longer.
        (f"{BEGUN}## 3. Boats\n{words(20)}", PLAN, 800 + 1_050 / 850 * 400),
        # A plan that names no words, or none: by what the sections before took.
        (f"{BEGUN}## 3. Boats\n{words(20)}", BARE_PLAN, 800 + 400 * 1.4),
        (f"## 1 of 4: Roads\n{words(398)}\n## 2 of 4: Mills\n", "", 400 + 400 * 2.4),
        # A section goes on beyond its share.
        (f"{BEGUN}## 3. Boats\n{words(699)}", PLAN, 800 + 700 + 1_050 / 850 * 100),
        # A closing section begun early: nothing follows.
        (f"{BEGUN}## Conclusion\n", PLAN, 800 + 1_050 / 850 * 100),
        # As many as the heading counts, fewer or more than were planned: the closing one is last.
        (f"{BEGUN}## 3 of 3: Boats\n", PLAN, 800 + (2_400 + 700) / (1_800 + 700) * 100),
        (f"{BEGUN}## 3 of 6: Boats\n", PLAN, 800 + 1_050 / 850 * (300 + 250 + 250 + 100)),
        (f"## 1 of 3: Roads\n{words(398)}\n## 2 of 3: Mills\n", BARE_PLAN, 400 + 400 * 1.4),
        (f"{BEGUN}## 3 of 3: Boats\n", PLAN.replace("Conclusion", "Ships"), 800 + 1.24 * 100),
        # A counter beyond its total is the last one.
        (f"{BEGUN}## 9 of 4: Boats\n", PLAN, 800 + 1_050 / 1_150 * 100),
        # Headings that no list announced: nobody knows how many are to come, but of a closing one.
        (f"## Roads\n{words(99)}\n## Mills\n", "", None),
        (f"## Roads\n{words(99)}\n## Conclusion\n", "", 100 + 100 * 0.4),
        # Only a line that has ended is a heading.
        (f"{BEGUN}## Conclusion", PLAN, 400 + 401 + 650 / 550 * 400),
    ],
)
def test_a_draft_is_on_its_way_to_what_its_headings_and_its_plan_say(
    answer: str, plan: str, expected: float | None
) -> None:
    assert forecast(answer, plan) == (
        None if expected is None else pytest.approx(expected, abs=0.1)
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("## 2 of 5: Mills", (2, 5, False)),
        ("# Mills #", (1, None, False)),
        ("### Closing words on mills", (3, None, True)),
        ("**Chapter 4: Mills**", (7, None, False)),
        ("__Conclusion__:", (7, None, True)),
        ("Chapter 4: Mills", (8, None, False)),
        ("第3节，共6节：磨坊", (8, 6, False)),
        ("## 结语", (2, None, True)),
        # No headings: an item of a list, a sentence, bold words inside one, a line too long.
        ("4. Mills", None),
        ("Chapter 4 of the book is short.", None),
        ("**Mills** grind.", None),
        ("# " + 60 * "xy ", None),
        ("Mills", None),
        ("", None),
    ],
)
def test_a_heading_is_marked_as_one_or_says_what_it_counts(
    line: str, found: tuple[int, int | None, bool] | None
) -> None:
    told = [*headings(f"One two three.\n{line}\nMore.\n")]
    assert [(one.at_words, one.level, one.total, one.closes) for one in told] == (
        [] if found is None else [(3, *found)]
    )


def test_a_deeper_heading_is_no_section() -> None:
    deeper = BEGUN.replace("\n## 2", "\n### Bridges\n\n### Fords\n\n## 2")
    assert forecast(f"{deeper}## 3. Boats\n") == round(802 + (802 + 250) / 850 * 400, 1)


@pytest.mark.parametrize("plan", [PLAN, BARE_PLAN, ""])
def test_a_forecast_is_never_below_what_is_there(plan: str) -> None:
    text = f"# On roads\n\n{BEGUN}## 3. Boats\n{words(900)}\n## 4. Conclusion\n{words(300)}"
    found = [(cut, forecast(text[:cut], plan)) for cut in range(0, len(text), 97)]
    assert all(one is None or one + 0.1 >= len(text[:cut].split()) * 0.9 for cut, one in found)
    assert any(one is not None for _, one in found)
