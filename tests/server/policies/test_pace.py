"""The policy `pace`: an answer follows its outline and ends in the asked range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from planner.outline import Outline, Section, even_outline
from planner.plan_text import read_outline
from planner.words import count_words
from server.pocket.maker.draft import Fault, Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.render import plan_text
from server.pocket.maker.sampler import DraftMaker
from server.policies.extend import MAX_EXTENSIONS
from server.policies.pace import PACE, Pace
from server.policies.policy import Turn

TITLES = ("Stone", "Sand", "Water", "Closing words")
OUTLINE = Outline(sections=tuple(Section(title=title) for title in TITLES))
LOW, HIGH = 900, 1_100
# Fitted: 294, 294, 294, 118 words.


def paragraph(count: int, word: str = "word") -> str:
    """A paragraph of so many words, ten in a sentence, and a blank line."""
    lines = [" ".join([word] * min(10, count - at)) + "." for at in range(0, count, 10)]
    return " ".join(lines) + "\n\n"


def prose(count: int, word: str = "word") -> str:
    """Paragraphs of fifty words."""
    return "".join(paragraph(min(50, count - at), word) for at in range(0, count, 50))


def heading(number: int, title: str | None = None, total: int = 4) -> str:
    return f"## {number} of {total}: {title or TITLES[number - 1]}\n\n"


@dataclass
class Told:
    """What came of a text that a model wrote in stretches, one after each turn."""

    text: str
    turns: list[Turn]
    policy: Pace

    @property
    def words(self) -> int:
        return count_words(self.text)


def told(stretches: Sequence[str], policy: Pace | None = None, size: int = 5) -> Told:
    """Plays the stretches; the last one is ended by the model, as often as the policy asks."""
    policy = policy or Pace(OUTLINE, LOW, HIGH)
    text, turns, coming = "", [], list(stretches)
    while True:
        stretch = coming.pop(0).rstrip("\n") if coming else ""
        turn = None
        for at in range(0, len(stretch), size):
            text += stretch[at : at + size]
            policy.feed(stretch[at : at + size])
            assert policy.safe_chars <= len(text)
            if policy.turn is not None:
                break
        turn = policy.turn or policy.ended()
        if turn is None:
            return Told(text=text, turns=turns, policy=policy)
        assert policy.safe_chars <= turn.back_to_chars
        assert turn.why == PACE
        turns.append(turn)
        text = text[: turn.back_to_chars] + turn.words
        if turn.over:
            return Told(text=text, turns=turns, policy=policy)
        policy.rewind(turn.back_to_chars)
        policy.feed(turn.words)


SOUND = (
    "# On roads\n\n" + heading(1) + prose(290) + heading(2) + prose(290) + heading(3) + prose(290)
    + heading(4) + prose(110)
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_sound_draft_is_left_as_it_is(size: int) -> None:
    one = told([SOUND], size=size)
    assert (one.turns, one.text) == ([], SOUND.rstrip())
    assert one.policy.safe_chars == len(one.text)
    assert one.policy.report.sections_brought_on == 0


def test_text_is_held_back_only_while_its_kind_is_unknown() -> None:
    policy, sent = Pace(OUTLINE, LOW, HIGH), []
    for letter in "# On roads\n\nIt rained":
        policy.feed(letter)
        sent.append(policy.safe_chars)
    # The title until its line ends; "I" and "It" might have opened a closing phrase.
    assert sent == [0] * 10 + [10] * 3 + [14, 15, 16, 17, 18, 19, 20, 21]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_an_early_closing_heading_gives_way_to_the_planned_one(size: int) -> None:
    early = "# On roads\n\n## 1 of 4 - Stone\n\n" + prose(290) + "## 2 of 4 - Closing words\n\nBye."
    rest = prose(290) + heading(3) + prose(290) + heading(4) + prose(110)
    one = told([early, rest], size=size)
    assert [turn.words for turn in one.turns] == ["\n\n## 2 of 4: Sand\n\n"]
    assert LOW <= one.words <= HIGH
    assert one.policy.report.headings_replaced == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("## Stone", "## Sand"),
        ("**1. Stone**", "**2. Sand**"),
        ("### Chapter I – Stone", "### Chapter II – Sand"),
        ("第1节 Stone", "第2节 Sand"),
        ("1. Stone", "2. Sand"),
    ],
)
def test_a_draft_that_ends_early_gets_its_next_heading_in_its_own_form(
    first: str, second: str
) -> None:
    one = told([f"{first}\n\n{prose(290)}", prose(290)])
    assert one.turns[0].words == f"\n\n{second}\n\n"
    assert one.policy.report.sections_brought_on >= 1


def test_a_closing_paragraph_before_its_time_is_left_out_when_the_model_ends() -> None:
    one = told([heading(1) + prose(290) + "In conclusion, roads matter.", prose(290)])
    assert "In conclusion" not in one.text
    assert one.turns[0].words == "\n\n" + heading(2)


def test_a_closing_paragraph_that_more_sections_follow_stays() -> None:
    summary = "In conclusion, stone lasts.\n\n"
    one = told([SOUND.replace(heading(2), summary + heading(2))])
    assert one.turns == []


def test_a_section_that_runs_on_gets_the_next_heading_at_a_paragraphs_end() -> None:
    rest = heading(3) + prose(290) + heading(4) + prose(110)
    one = told([heading(1) + prose(2_000), prose(290) + rest])
    assert one.turns[0].words == "\n\n" + heading(2)
    assert one.text[: one.turns[0].back_to_chars].endswith("word.")
    assert LOW <= one.words <= HIGH


def test_a_section_without_paragraphs_is_cut_at_a_sentence_far_over_its_share() -> None:
    endless = "It rained on the road again and again and again. " * 300
    one = told([heading(1) + endless, prose(290)])
    first = one.turns[0]
    assert first.words == "\n\n" + heading(2)
    assert 2 * 294 <= count_words(one.text[: first.back_to_chars]) <= 2 * 294 + 30
    assert one.text[: first.back_to_chars].endswith("again.")


def test_a_heading_that_leaps_ahead_gives_way_to_the_next_one() -> None:
    one = told([heading(1) + prose(290) + heading(3) + prose(50), prose(290)])
    assert one.turns[0].words == "\n\n" + heading(2)


def test_a_heading_that_comes_again_gives_way_to_the_next_one() -> None:
    one = told([heading(1) + prose(290) + heading(1) + prose(50), prose(290)])
    assert one.turns[0].words == "\n\n" + heading(2)


def test_headings_that_count_to_another_total_are_set_right() -> None:
    one = told(
        ["# Roads\n\n" + heading(1, total=7) + "The", SOUND[len("# On roads\n\n" + heading(1)) :]]
    )
    assert [turn.words for turn in one.turns] == ["\n\n" + heading(1)]
    assert one.text.startswith("# Roads\n\n## 1 of 4: Stone\n\nword")


def test_a_model_that_insists_on_its_total_gets_its_way() -> None:
    outline = Outline(sections=tuple(Section(title=f"T{k}") for k in range(1, 7)))
    wrong = [prose(140) + heading(k, f"T{k}", total=7) for k in range(2, 6)]
    one = told(
        [heading(1, "T1", total=7) + "x", *(text + "x" for text in wrong)], Pace(outline, LOW, HIGH)
    )
    assert one.policy.report.headings_replaced == 3
    assert "## 4 of 7: T4" in one.text


def test_titles_of_the_models_own_pass_as_the_next_section() -> None:
    own = "".join(f"## {title}\n\n{prose(290)}" for title in ("Rubble", "Quartz", "Flood"))
    one = told(["# On roads\n\n" + own + "## Conclusion\n\n" + prose(110)])
    assert one.turns == []


def test_a_heading_met_after_some_of_the_models_own_sets_the_count_right() -> None:
    text = f"# R\n\n## Foreword\n\n{prose(60)}## 1. Stone\n\n{prose(290)}"
    one = told([text, prose(290)])
    assert one.turns[0].words == "\n\n## 2. Sand\n\n"


def test_sub_headings_and_list_items_are_text() -> None:
    inside = f"### A detail\n\n{prose(10)}1. first\n2. second\n\n# Loud\n\n{prose(10)}"
    one = told([SOUND.replace(heading(2), inside + heading(2))])
    assert one.turns == []


def test_numbers_of_headings_may_lag_behind_the_outline() -> None:
    outline = Outline(sections=tuple(Section(title=t) for t in ("Opening", "Stone", "Sand")))
    text = f"## Opening\n\n{prose(390)}## 1. Stone\n\n{prose(390)}"
    one = told([text, prose(300)], Pace(outline, LOW, HIGH))
    assert one.turns[0].words == "\n\n## 2. Sand\n\n"


def test_the_last_section_is_brought_on_when_only_its_share_remains() -> None:
    text = heading(1) + prose(290) + heading(2) + prose(290) + heading(3) + prose(900)
    one = told([text, prose(110)])
    assert [turn.words for turn in one.turns] == ["\n\n" + heading(4)]
    assert LOW <= one.words <= HIGH


def test_a_heading_gives_way_to_the_last_one_when_only_its_share_remains() -> None:
    long = heading(1) + paragraph(440) + heading(2) + paragraph(470)
    one = told([long + heading(3) + "x", prose(110)])
    assert [turn.words for turn in one.turns] == ["\n\n" + heading(4)]
    assert LOW <= one.words <= HIGH


def test_a_scanty_section_passes_while_the_whole_is_well_on_its_way() -> None:
    one = told([heading(1) + paragraph(440) + heading(2) + prose(100) + heading(3) + prose(360)])
    assert [turn.words for turn in one.turns][:1] == ["\n\n" + heading(4)]


def test_a_heading_that_comes_again_passes_where_no_other_can_be_written() -> None:
    outline = Outline(sections=(Section(title="Stone"), Section(), Section()))
    one = told(
        [f"## Stone\n\n{prose(350)}## Stone\n\n{prose(350)}## —\n\n{prose(300)}"],
        Pace(outline, LOW, HIGH),
    )
    assert one.turns == []


def test_a_last_section_that_runs_on_is_ended_at_a_paragraphs_end() -> None:
    one = told([SOUND + prose(900)])
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH
    assert one.text.endswith("word.")


def test_a_heading_beyond_the_outline_ends_the_text_once_it_is_long_enough() -> None:
    one = told([SOUND + "## 5 of 4: More\n\n" + prose(300)])
    assert one.turns[-1].over
    assert one.text == SOUND.rstrip()


def test_a_heading_beyond_the_outline_passes_while_the_text_is_short() -> None:
    outline = Outline(sections=(Section(title="Stone"), Section(title="Sand")))
    text = f"## Stone\n\n{prose(350)}## Sand\n\n{prose(350)}## Water\n\n{prose(900)}"
    one = told([text], Pace(outline, LOW, HIGH))
    assert "## Water" in one.text
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH


def test_without_any_end_of_a_paragraph_the_text_ends_at_a_sentence_before_the_range_is_over() -> (
    None
):
    one = told(["It rained on the road again and again and again. " * 300], Pace(None, LOW, HIGH))
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH
    assert one.text.endswith("again.")


def test_a_text_without_headings_is_ended_in_the_range_and_carried_on_below_it() -> None:
    for outline in (None, OUTLINE):
        long = told([prose(5_000)], Pace(outline, LOW, HIGH))
        assert LOW <= long.words <= HIGH
        short = told([prose(500), prose(500)], Pace(outline, LOW, HIGH))
        assert [turn.words for turn in short.turns] == ["\n\n"]
        assert short.words == 1_000


def test_a_closing_heading_that_would_come_too_early_is_put_off_and_then_let_be() -> None:
    scant = heading(1) + prose(250) + heading(2) + prose(250) + heading(3) + prose(250)
    one = told([scant + heading(4), heading(4), heading(4) + prose(110)])
    assert [(turn.words, turn.other_sampling) for turn in one.turns[:2]] == [
        ("\n\n", False),
        ("\n\n", True),
    ]
    assert one.text.count("Closing words") == 1
    better = told([scant + heading(4), prose(150) + heading(4) + prose(110)])
    assert len(better.turns) == 1
    assert LOW <= better.words <= HIGH


def test_where_only_the_closing_is_left_and_a_section_more_has_room_it_is_brought_on() -> None:
    scant = heading(1) + prose(240) + heading(2) + prose(240) + heading(3) + prose(200)
    closing = "## 5 of 5: Closing words\n\n" + prose(90)
    one = told([scant + heading(4), " Ice\n\n" + prose(180) + closing])
    assert [turn.words for turn in one.turns] == ["\n\n## 4 of 5:"]
    assert one.text.count("Closing words") == 1
    assert LOW <= one.words <= HIGH


def test_a_torn_sentence_that_is_not_ended_gives_way_to_the_next_heading() -> None:
    one = told([heading(1) + prose(290) + "And then", "", prose(290)])
    assert [turn.words for turn in one.turns[:3]] == ["", "", "\n\n" + heading(2)]


def test_where_headings_have_no_number_another_section_is_asked_for_before_the_closing_one() -> (
    None
):
    scant = "".join(f"## {title}\n\n{prose(220)}" for title in TITLES[:3])
    one = told([scant + "## Closing words\n\n", "## Closing words\n\n", " Ice\n\n" + prose(300)])
    assert [turn.words for turn in one.turns[:2]] == ["\n\n", "\n\n##"]
    assert "## Ice" in one.text
    assert LOW <= one.words <= HIGH


def test_a_scanty_section_is_asked_for_more() -> None:
    one = told([heading(1) + prose(100) + heading(2) + "x", prose(190) + heading(2) + prose(290)])
    assert one.turns[0].words == "\n\n"
    assert one.text[one.turns[0].back_to_chars :].startswith("\n\nword")


def test_a_model_that_brings_nothing_is_asked_once_more_and_then_let_end() -> None:
    one = told([heading(1) + prose(290)])
    assert [turn.words for turn in one.turns] == ["\n\n" + heading(2), "\n\n"]
    assert one.turns[-1].other_sampling


def test_a_model_that_stops_in_a_sentence_is_carried_on_there() -> None:
    one = told([heading(1) + prose(290) + "And then", " it rained.\n\n", prose(290)])
    assert one.turns[0].words == ""
    assert "And then it rained." in one.text


def test_refusals_are_counted_over_the_whole_draft() -> None:
    policy = Pace(None, LOW, HIGH)
    told([prose(100), *(["", prose(40)] * 9)], policy)
    assert policy.report.extensions <= 3 * MAX_EXTENSIONS


def test_without_an_outline_an_early_closing_heading_gets_the_headings_own_next_number() -> None:
    text = "## 1 of 4 - Stone\n\n" + prose(290) + "## 2 of 4 - Closing words\n\nBye."
    one = told([text, " Sand\n\n" + prose(290)], Pace(None, LOW, HIGH))
    assert one.turns[0].words == "\n\n## 2 of 4:"
    assert "## 2 of 4: Sand" in one.text


def test_without_an_outline_an_uncounted_closing_heading_is_held_back() -> None:
    text = f"## Stone\n\n{prose(290)}## Conclusion\n\nBye."
    one = told([text, prose(700)], Pace(None, LOW, HIGH))
    assert "Conclusion" not in one.text
    assert LOW <= one.words <= HIGH
    late = told([f"## Stone\n\n{prose(950)}## Conclusion\n\nBye."], Pace(None, LOW, HIGH))
    assert late.turns == []


def test_without_an_outline_a_new_section_past_the_middle_is_not_begun() -> None:
    text = f"## Stone\n\n{paragraph(1_010)}## Sand\n\n{prose(300)}"
    one = told([text], Pace(None, LOW, HIGH))
    assert one.turns[-1].over
    assert "Sand" not in one.text


def test_an_outline_without_titles_takes_its_number_of_sections_from_the_first_heading() -> None:
    policy = Pace(even_outline(LOW, HIGH), LOW, HIGH)
    one = told([heading(1, "A", total=4) + prose(2_000), " B\n\n" + prose(290)], policy)
    assert one.turns[0].words == "\n\n## 2 of 4:"
    assert "## 2 of 4: B" in one.text


def test_a_section_whose_title_the_plan_does_not_know_is_left_to_the_model() -> None:
    outline = Outline(sections=(Section(title="Stone"), Section(), Section()))
    one = told([f"## Stone\n\n{prose(2_000)}"], Pace(outline, LOW, HIGH))
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH


def test_a_turn_stays_due_when_another_policy_cuts_behind_it() -> None:
    policy = Pace(None, LOW, HIGH)
    policy.feed(prose(1_200))
    turn = policy.turn
    assert turn is not None and turn.over
    policy.rewind(turn.back_to_chars + 5)
    policy.feed("more")
    assert policy.turn is turn is policy.ended()
    policy.rewind(20)
    assert policy.turn is None
    assert policy.safe_chars == 20


def test_after_a_cut_by_another_policy_sections_and_words_are_those_of_that_place() -> None:
    whole = heading(1) + prose(290) + heading(2) + prose(290)
    for cut in range(10, len(whole), 130):
        policy, straight = Pace(OUTLINE, LOW, HIGH), Pace(OUTLINE, LOW, HIGH)
        policy.feed(whole)
        policy.rewind(cut)
        straight.feed(whole[:cut])
        turns = []
        for one in (policy, straight):
            one.feed(".\n\n" + prose(40).rstrip())
            turns.append(one.turn or one.ended())
        assert turns[0] == turns[1] is not None


def test_a_heading_brought_on_that_another_policy_takes_back_is_forgotten() -> None:
    policy = Pace(OUTLINE, LOW, HIGH)
    policy.feed(heading(1) + prose(700))
    assert policy.turn is not None
    policy.rewind(40)
    policy.feed("\n\n" + prose(240) + heading(2) + "Then")
    assert policy.turn is None
    policy = Pace(OUTLINE, LOW, HIGH)
    policy.feed(heading(1) + prose(700))
    assert policy.turn is not None
    policy.rewind(policy.turn.back_to_chars)
    policy.feed("\n\nAnother's words instead.\n\n" + heading(4) + "B")
    assert policy.turn is not None and heading(2) in policy.turn.words


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("asked", [500, 1_000])
@pytest.mark.parametrize("planned", [True, False])
def test_drafts_of_the_pocket_end_in_their_range_at_little_cost(
    language: Language,
    asked: int,
    planned: bool,
    play: Callable[..., Any],
    pocket_writer: Callable[..., Any],
) -> None:
    low, high = round(0.9 * asked), round(1.1 * asked)
    inside = thrown = chars = 0
    faults = [Fault.NONE, Fault.NONE, Fault.SHORT, Fault.SHORT, Fault.LONG, Fault.LOOP_REWORDED]
    for seed, fault in enumerate(faults):
        spec = Spec(seed=seed, language=language, words=asked, fault=fault)
        plan = plan_text(DraftMaker(spec).draft(last=0)) if planned else ""
        policy = Pace(read_outline(plan, low, high), low, high)
        played = play(pocket_writer(spec), [policy])
        inside += low <= played.words <= high
        thrown, chars = thrown + played.thrown_chars, chars + len(played.text)
    assert inside == len(faults)
    assert thrown < 0.05 * chars


# What never comes to an end of a paragraph, or counts wrongly, still ends in its range.


def _sentences(count: int) -> str:
    return "It rained on the road again and again and again. " * count


UNENDING = {
    "one paragraph": heading(1) + _sentences(400),
    "no full stop": heading(1) + "it rained on the road and again " * 600,
    "lines without marks": heading(1) + "It rained on the road\n" * 800,
    "a list": heading(1) + "".join(f"- It rained on the road {k}\n" for k in range(800)),
    "a table": heading(1) + "".join(f"| It rained | on road {k} |\n" for k in range(800)),
    "code that is never closed": heading(1) + "```\n" + "It rained on the road\n" * 800,
    "sub-headings": heading(1) + "".join(f"### It rained on road {k}\n\n" for k in range(800)),
    "titles": "# It rained on the road\n\n" * 800,
    "the plan again": heading(1)
    + "".join(f"{k} of 53: The tools of roads ({53 - k} left) - 220 words\n" for k in range(500)),
    "long sentences": heading(1) + ("the road and the rain " * 15 + ". ") * 40,
}


@pytest.mark.parametrize("outline", [OUTLINE, None], ids=["outline", "none"])
@pytest.mark.parametrize("text", UNENDING.values(), ids=list(UNENDING))
def test_a_text_without_ends_of_paragraphs_ends_in_its_range(
    text: str, outline: Outline | None
) -> None:
    one = told([text] * 30, Pace(outline, LOW, HIGH))
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH


@pytest.mark.parametrize("outline", [OUTLINE, None], ids=["outline", "none"])
def test_headings_alone_do_not_pass_the_range(outline: Outline | None) -> None:
    text = "".join(heading(k % 4 + 1) for k in range(800))
    assert told([text] * 30, Pace(outline, LOW, HIGH)).words <= HIGH


@pytest.mark.parametrize("mark", ["。", "，", ""])
def test_a_chinese_text_without_ends_of_paragraphs_ends_in_its_range(mark: str) -> None:
    one = told([f"路上又下起了雨{mark}" * 600], Pace(None, LOW, HIGH))
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH


def test_a_long_sentence_that_would_pass_the_range_is_left_out_whole() -> None:
    long = "It rained " + "and rained " * 45 + "there. "
    one = told([prose(1_050).rstrip() + " " + long * 3], Pace(None, 1_000, 1_080))
    assert one.turns[-1].over
    assert one.words == 1_050
    assert one.text.endswith("word.")


def test_what_a_text_ends_with_does_not_depend_on_the_pieces() -> None:
    text = heading(1) + "it rained on the road and again " * 600
    ends = {told([text], Pace(None, LOW, HIGH), size=size).text for size in (1, 3, 17, 1_000)}
    assert len(ends) == 1


def test_spaces_behind_a_sentence_that_were_sent_are_not_taken_back() -> None:
    one = told([prose(5_000).replace(".\n\n", ".  \n\n")], Pace(None, LOW, HIGH), size=1)
    assert one.turns[-1].over
    assert LOW <= one.words <= HIGH


def test_the_plan_written_over_again_gives_way_to_the_next_section() -> None:
    again = "".join(f"{k} of 4: {TITLES[k - 1]} - 200 words\n" for k in (1, 2, 3, 4))
    one = told([heading(1) + prose(290) + again + "x", prose(290)])
    assert one.turns[0].words == "\n\n" + heading(2)


# A heading with two counters.


@pytest.mark.parametrize(
    ("garbled", "set_right"),
    [
        ("88 of 4: Ice\n\n", "## 4 of 5: Ice\n\n"),
        (" 88 of 401: 3 of 4 - Ice\n\n", "## 4 of 5: Ice\n\n"),
        ("88 of 4\n\n", "## 4 of 5\n\n"),
        (" Ice\n\n", "## 4 of 5: Ice\n\n"),
    ],
)
def test_a_counter_that_the_model_writes_behind_the_gateways_is_taken_out(
    garbled: str, set_right: str
) -> None:
    scant = heading(1) + prose(240) + heading(2) + prose(240) + heading(3) + prose(200)
    body = prose(180) + "## 5 of 5: Closing words\n\n" + prose(90)
    clean = garbled.startswith(" Ice")
    one = told([scant + heading(4), garbled + body, *([] if clean else [body])])
    assert one.turns[0].words == "\n\n## 4 of 5:"
    assert set_right in one.text
    assert "88" not in one.text
    assert LOW <= one.words <= HIGH


def test_a_heading_of_the_models_own_with_two_counters_is_set_right() -> None:
    own = "## 2 of 4:88 of 4: Sand\n\n"
    one = told([heading(1) + prose(290) + own + "x", SOUND[SOUND.index(heading(2)) + 18 :]])
    assert one.turns[0].words == "\n\n" + heading(2)
    assert "88" not in one.text


def test_a_title_with_figures_of_its_own_is_no_second_counter() -> None:
    titles = ("24/7 Service", "3 of a kind", "Chapter houses", "Closing words")
    outline = Outline(sections=tuple(Section(title=title) for title in titles))
    text = "".join(
        heading(k, title) + prose(290 if k < 4 else 110) for k, title in enumerate(titles, 1)
    )
    assert told([text], Pace(outline, LOW, HIGH)).turns == []


# The pocket writer's headings say how many sections are left.


@pytest.mark.parametrize(
    ("plan", "met", "following"),
    [
        (
            "Sections: 4\n1 of 4: The tools of tea (3 left) - 294 words\n"
            "2 of 4: The cost of tea (2 left) - 294 words\n"
            "3 of 4: The makers of tea (one left) - 294 words\n"
            "4 of 4: Closing words on tea - 60 words\n",
            "## 1 of 4: The tools of tea (3 left)\n\n",
            "## 2 of 4: The cost of tea (2 left)\n\n",
        ),
        (
            "节数：4\n第1节，共4节：从工具看茶道（余3节） - 294字\n"
            "第2节，共4节：从代价看茶道（余2节） - 294字\n"
            "第3节，共4节：从人看茶道（余一节） - 294字\n"
            "第4节，共4节：茶道结语 - 60字\n",
            "## 第1节，共4节：从工具看茶道（余3节）\n\n",
            "## 第2节，共4节：从代价看茶道（余2节）\n\n",
        ),
    ],
)
def test_what_is_left_belongs_to_the_title(plan: str, met: str, following: str) -> None:
    outline = read_outline(plan, LOW, HIGH)
    assert outline is not None and outline.sections[-1].closes
    one = told([met + prose(290), prose(290)], Pace(outline, LOW, HIGH))
    assert one.turns[0].words == "\n\n" + following


def test_a_counter_behind_the_gateways_is_taken_out_where_the_plan_has_no_title() -> None:
    outline = Outline(sections=(*[Section()] * 3, Section(title="Closing words")))
    policy = Pace(outline, LOW, HIGH)
    one = told([heading(1) + prose(700), "88 of 4: Ice\n\n" + prose(200), prose(200)], policy)
    assert [turn.words for turn in one.turns[:2]] == ["\n\n## 2 of 4:", "\n\n## 2 of 4: Ice\n\n"]
    assert "88" not in one.text


def test_a_title_much_like_the_planned_one_names_its_section() -> None:
    one = told(["## Stones\n\n" + prose(290) + "## Stones\n\n" + prose(100), prose(290)])
    assert one.turns[0].words == "\n\n## Sand\n\n"


def test_a_sentence_without_end_is_torn_though_the_range_has_no_room_for_it() -> None:
    one = told([prose(990).rstrip() + " " + "and rained " * 600], Pace(None, 1_000, 1_080))
    # A hundred words make it endless.
    assert [turn.over for turn in one.turns] == [True]
    assert one.words == 990 + 100


def test_an_end_that_was_held_back_is_forgotten_when_another_policy_cuts_before_it() -> None:
    sentence = "word " * 9 + "word. "
    policy, straight = Pace(None, LOW, HIGH), Pace(None, LOW, HIGH)
    policy.feed(sentence * 102)
    held = policy.safe_chars
    policy.rewind(len(sentence) * 50)
    straight.feed(sentence * 50)
    for one in (policy, straight):
        one.feed(sentence * 50 + "and so on " * 5)
        assert one.turn is None
    assert policy.safe_chars == straight.safe_chars < held


def test_a_doubled_counter_beyond_the_outline_stays_for_nothing_else_can_be_written() -> None:
    outline = Outline(sections=(Section(title="Stone"), Section(title="Sand")))
    begun = heading(1, total=2) + prose(350) + heading(2, total=2) + prose(350)
    one = told([begun + "## 3 of 2:88 of 2: Ice\n\n" + prose(900)], Pace(outline, LOW, HIGH))
    assert "## 3 of 2:88 of 2: Ice" in one.text
    assert LOW <= one.words <= HIGH
