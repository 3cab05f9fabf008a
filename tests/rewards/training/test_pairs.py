"""Files of preference pairs: what is refused, with file, line and field; and their split."""

import json
from pathlib import Path
from typing import Any

import pytest

from rewards.training.pairs import BadPairs, Pair, read_pairs, split_by_prompt

GOOD = {"prompt": "Write of tea.", "chosen": "Tea is hot.", "rejected": "Tea tea tea."}


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_pairs_are_read_in_order_and_empty_lines_passed_over(tmp_path: Path) -> None:
    more = json.dumps(
        {**GOOD, "margin": 1, "kind": "flat", "chosen": "Tea\u2028is hot."}, ensure_ascii=False
    )
    path = file_of(tmp_path, json.dumps(GOOD), "", more)
    assert read_pairs(path) == [
        Pair(prompt="Write of tea.", chosen="Tea is hot.", rejected="Tea tea tea."),
        Pair(
            prompt="Write of tea.",
            chosen="Tea\u2028is hot.",
            rejected="Tea tea tea.",
            margin=1.0,
            kind="flat",
        ),
    ]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "no JSON"),
        ("[]", "a pair is a JSON object, not list"),
        (json.dumps({**GOOD, "margins": 1}), "margins is not known"),
        (json.dumps({"prompt": "x", "chosen": "y"}), "rejected is missing"),
        (json.dumps({**GOOD, "chosen": 5}), "chosen must be a text, not int"),
        (json.dumps({**GOOD, "prompt": "  "}), "prompt is empty"),
        (json.dumps({**GOOD, "rejected": "Tea is hot."}), "rejected is the same text"),
        (json.dumps({**GOOD, "margin": "big"}), "margin must be a number, not str"),
        (json.dumps({**GOOD, "margin": True}), "margin must be a number, not bool"),
        (json.dumps({**GOOD, "margin": -1}), "margin must be 0 or more, not -1"),
        (json.dumps({**GOOD, "margin": float("nan")}), "margin must be 0 or more, not nan"),
        (json.dumps({**GOOD, "kind": 3}), "kind must be a text, not int"),
    ],
)
def test_a_line_that_is_no_pair_is_refused_with_its_place(
    tmp_path: Path, line: str, named: str
) -> None:
    path = file_of(tmp_path, json.dumps(GOOD), line)
    with pytest.raises(BadPairs, match=rf"pairs\.jsonl, line 2: {named}"):
        read_pairs(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPairs, match="cannot be read: FileNotFoundError"):
        read_pairs(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(BadPairs, match="cannot be read: UnicodeDecodeError"):
        read_pairs(tmp_path / "latin.jsonl")


def test_a_file_without_a_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPairs, match="holds no pair"):
        read_pairs(file_of(tmp_path, "", " "))


def some(prompts: int, each: int = 2) -> list[Pair]:
    return [
        Pair(prompt=f"prompt {number}", chosen=f"good {at}", rejected="bad")
        for number in range(prompts)
        for at in range(each)
    ]


def test_no_prompt_is_on_both_sides_and_about_the_share_is_held_out() -> None:
    split = split_by_prompt(some(1_000), 0.2, seed=1)
    assert {p.prompt for p in split.train}.isdisjoint(p.prompt for p in split.held_out)
    assert len(split.train) + len(split.held_out) == 2_000
    assert 0.16 < len(split.held_out) / 2_000 < 0.24


def test_a_prompt_stays_on_its_side_when_the_file_grows() -> None:
    few, many = (split_by_prompt(some(n), 0.2, seed=1) for n in (50, 500))
    assert {p.prompt for p in few.held_out} <= {p.prompt for p in many.held_out}


def test_another_seed_is_another_split() -> None:
    one, other = (split_by_prompt(some(50), 0.2, seed=seed) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("share", [0.000001, 0.999999])
def test_a_split_with_an_empty_side_is_refused(share: float) -> None:
    with pytest.raises(BadPairs, match="too few prompts"):
        split_by_prompt(some(2), share, seed=1)


def test_pairs_hold_what_json_holds(tmp_path: Path) -> None:
    line: dict[str, Any] = {**GOOD, "kind": "茶"}
    (pair,) = read_pairs(file_of(tmp_path, json.dumps(line)))
    assert pair.kind == "茶"
