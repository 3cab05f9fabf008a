"""The loop guard leaves alone what repeats and is well: refrains, lists, tables, code, litanies."""

import json
import random
from pathlib import Path

import pytest

from server.pocket.maker.draft import Fault, Flaw, Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.render import render
from server.pocket.maker.sampler import DraftMaker
from server.policies.loop_guard import LoopGuard

ROOT = Path(__file__).parents[3]

CHORUS = (
    "Roll the barrel, turn the key,\nLet the harbour light shine free,\n"
    "Roll the barrel, turn the key,\nBring the captain home to me.\n"
)
VERSES = (
    "The winter came on silent feet,\nAnd laid its linen on the street.\n",
    "The gulls had left the empty pier,\nThe only sound was far from here.\n",
    "A letter lay below the door,\nIt spoke of islands and of war.\n",
    "The lamp was lit, the kettle sang,\nAnd in the tower the hour rang.\n",
)
SONG = "\n".join(verse + "\n" + CHORUS for verse in VERSES)

LITANY = "\n".join(
    f"From the {evil} of the sea, good winds deliver us."
    for evil in ("anger", "hunger", "silence", "depth", "cold", "darkness", "patience", "memory")
)

LIST = "\n".join(
    f"- The committee shall {what}."
    for what in (
        "elect a chair every spring",
        "elect a deputy every spring",
        "keep the minutes",
        "keep the accounts",
        "publish the minutes",
        "publish the accounts",
        "meet whenever five members ask for it",
    )
)

TABLE = "| Day | Shift | State |\n|---|---|---|\n" + "\n".join(
    f"| 2024-03-{day:02} | early | nothing to report |" for day in range(1, 29)
)

FORM = "Name: ____________________________________\n" * 5 + "-" * 300 + "\n" + "_" * 200

CODE = "\n".join(
    f"    assert parse({text!r}) == []\n    assert parse({text!r}, strict=True) == []"
    for text in ("", " ", "\t", "a", "ab", "abc", "# a", "## b")
)

JSON = "[\n" + '  {\n    "kind": "point",\n    "x": 0,\n    "y": 0\n  },\n' * 5 + "]"

DIALOGUE = "\n".join(
    f'"{line}"'
    for line in ("Yes.", "Yes?", "Yes.", "No.", "Yes.", "Yes.", "Yes.", "No.", "No.", "I see.")
)

YEARS = " ".join(
    f"In {year}, the company sold {number} machines to farms in the north of the country, "
    "and the workshop by the canal was enlarged once more."
    for year, number in ((1901, 14), (1902, 22), (1903, 31), (1904, 47), (1905, 66), (1906, 80))
)

HEADINGS = "\n\n".join(
    f"## {number} of 12: The {what} of the old harbour\n\nIt is a place of {what}."
    for number, what in enumerate(("light", "trade", "noise", "work", "night", "salt", "rope"), 1)
)

FORMULAIC = " ".join(
    f"It is clear that the mathematics of small-scale shadow theatre is {adjective}."
    for adjective in ("warm", "rare", "bold", "gentle", "quiet")
)

LAUGHTER = (
    "He laughed. " + "Ha " * 30 + "\nAnd she: " + "哈" * 40 + "！ Nooooooooooooooooooooooooooooo!"
)

TWICE = (
    "We shall not go back to the valley, for the valley has forgotten us.\n\n"
    "We shall not go back to the valley, for the valley has forgotten us.\n\n"
    "That was all the old man said, and he said it twice."
)

CHINESE_POEM = "\n".join(
    f"{first}，\n归来吧，归来吧，\n浪迹天涯的游子。\n"
    for first in ("春风吹过江南岸", "夏雨落在旧屋檐", "秋叶铺满石板路", "冬雪埋住小村庄")
)

CHINESE_PARALLEL = "".join(
    f"我们要坚持{what}，把{what}贯穿到工作的各个方面。"
    for what in ("实事求是", "群众路线", "独立自主", "改革开放", "勤俭节约")
)

CHINESE_LIST = "\n".join(
    f"第{number}条　本办法所称{what}，是指依法取得的{what}。"
    for number, what in zip(
        "一二三四五六", ("房屋", "土地", "证照", "设备", "资金", "许可"), strict=True
    )
)

HEALTHY = {
    "song": SONG,
    "litany": LITANY,
    "list": LIST,
    "table": TABLE,
    "form": FORM,
    "code": CODE,
    "json": JSON,
    "dialogue": DIALOGUE,
    "years": YEARS,
    "headings": HEADINGS,
    "formulaic": FORMULAIC,
    "laughter": LAUGHTER,
    "said twice": TWICE,
    "chinese poem": CHINESE_POEM,
    "chinese parallel": CHINESE_PARALLEL,
    "chinese list": CHINESE_LIST,
}


def shown(text: str, chars: int = 4) -> str:
    """What a client gets of a whole text through the guard: only ever what is safe."""
    guard, out = LoopGuard(), ""
    for at in range(0, len(text), chars):
        guard.feed(text[at : at + chars])
        assert guard.turn is None
        out += text[len(out) : guard.safe_chars]
    assert guard.ended() is None
    return out + text[len(out) : guard.safe_chars]


@pytest.mark.parametrize("name", HEALTHY)
def test_what_repeats_and_is_well_comes_through_unchanged(name: str) -> None:
    assert shown(HEALTHY[name]) == HEALTHY[name]


@pytest.mark.parametrize("flaws", [(), (Flaw.MONOTONE,), (Flaw.OFF_TOPIC, Flaw.MONOTONE)])
@pytest.mark.parametrize("language", Language)
def test_formulaic_drafts_come_through_unchanged(
    language: Language, flaws: tuple[Flaw, ...]
) -> None:
    for seed in range(2):
        spec = Spec(seed=seed, language=language, words=2_000, flaws=frozenset(flaws))
        text = "".join(render(DraftMaker(spec).draft()).sections)
        assert shown(text) == text


@pytest.mark.parametrize("fault", [Fault.SHORT, Fault.LONG])
def test_drafts_with_other_faults_are_not_the_guards_business(fault: Fault) -> None:
    text = "".join(render(DraftMaker(Spec(seed=5, words=1_000, fault=fault)).draft()).sections)
    assert shown(text) == text


def test_no_file_of_this_project_reads_as_a_loop() -> None:
    files = [*(ROOT / "server" / "policies").glob("*.py"), *ROOT.glob("*.md")]
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert shown(text, chars=80) == text, file


def test_no_real_request_of_a_benchmark_reads_as_a_loop() -> None:
    path = ROOT.parent / "shared" / "data" / "writingbench_length.jsonl"
    if not path.exists():
        pytest.skip("the benchmark's requests are not here")
    lines = path.read_text(encoding="utf-8").splitlines()
    for line in random.Random(1).sample(lines, 25):
        text = json.loads(line)["query"]
        assert shown(text, chars=32) == text


def test_text_that_repeats_nothing_is_never_held() -> None:
    guard = LoopGuard()
    for number, word in enumerate(("Clara", "Dora", "Emil", "Greta", "Hugo", "Jonas", "Nora")):
        for letter in f"{word} has {number} boats.":
            guard.feed(letter)
            assert guard.held_chars == 0
        guard.feed(" ")
