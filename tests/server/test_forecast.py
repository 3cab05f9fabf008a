"""``longhand plan``: without an engine, from a checkpoint's tokenizer alone."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from server import cli


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["plan", *argv])
    return code, *capsys.readouterr()


def test_a_plan_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "Write a 2,000-word essay on tea.")
    assert (code, err) == (0, "")
    assert out.startswith("length     1,800 to 2,200 words (source: prompt)\nlanguage   en\n")
    assert "control    pace\nwindows    1 of 65,536 tokens\n" in out
    _, out, _ = run(capsys, "Write on tea.")
    assert "length     not stated (source: none)" in out
    assert "answer     as it comes" in out


def test_a_plan_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--json", "写一篇800-1000字的散文")
    shown = json.loads(out)
    assert code == 0
    assert out.count("\n") == 1
    assert (shown["words"], shown["source"], shown["language"]) == ([800, 1_000], "prompt", "zh")
    assert shown["template"] == "the checkpoint's README.md (pocket writer, by hash)"
    assert (shown["control"], shown["windows"]) == ("pace", 1)
    assert set(shown["budgets"]) == {
        "window_tokens",
        "prompt_tokens",
        "reasoning_tokens",
        "answer_tokens",
        "max_tokens",
    }


def lines(*prompts: Any) -> str:
    return "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)


def test_each_line_of_a_file_is_answered_by_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(lines("Write 500 words.", "Write.") + "\n" + lines("写3000字"))
    code, out, _ = run(capsys, "--json", "--prompts", str(file))
    assert code == 0
    assert [json.loads(line)["words"] for line in out.splitlines()] == [
        [450, 550],
        None,
        [2_700, 3_300],
    ]


def test_lines_come_from_standard_input_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines("Write 500 words.")))
    code, out, _ = run(capsys, "--prompts", "-")
    assert (code, json.loads(out)["words"]) == (0, [450, 550])


@pytest.mark.parametrize(
    ("prompt", "error"), [(" ", "the prompt is empty"), ("tea " * 70_000, "tokens too many")]
)
def test_a_prompt_that_cannot_be_done_says_why_and_the_others_are_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, prompt: str, error: str
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(lines(prompt, "Write 500 words."))
    code, out, _ = run(capsys, "--prompts", str(file))
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert error in first["error"]
    assert second["words"] == [450, 550]
    code, out, _ = run(capsys, prompt)
    assert code == 1
    assert error in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nothing", 'line 1: not an object with a "prompt"'),
        (b"[1]", "line 1"),
        (lines("Tea.", 3).encode(), "line 2"),
        (b"\xff", "is not UTF-8"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_is_none_of_prompts_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "prompts.jsonl"
    if content is not None:
        file.write_bytes(content)
    code, _, err = run(capsys, "--prompts", str(file))
    assert code == 2
    assert said in err


def test_a_model_that_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, "--model", str(tmp_path), "Tea.")
    assert code == 2
    assert "no checkpoint" in err


@pytest.mark.parametrize("argv", [(), ("Tea.", "--prompts", "-")])
def test_a_prompt_or_a_file_of_prompts_is_needed(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, *argv)
    assert ended.value.code == 2
