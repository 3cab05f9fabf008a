"""`longhand train-reward` up to where a model is loaded; the rest is in test_trained."""

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rewards.training import command
from rewards.training.job import Job


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text('{"max_position_embeddings": 2048}', encoding="utf-8")
    lines = [
        json.dumps({"prompt": f"p{at}", "chosen": "good", "rejected": "bad"}) for at in range(40)
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    named = {"base": base, "pairs": tmp_path / "pairs.jsonl", "out": tmp_path / "out"}
    return [part for name, path in named.items() for part in (f"--{name}", str(path))]


def test_a_job_is_what_the_arguments_and_the_base_say(arguments: list[str]) -> None:
    job = command.plan(
        [
            *arguments,
            "--batch",
            "4",
            "--rate",
            "0.001",
            "--window-tokens",
            "512",
            "--prompt-tokens",
            "32",
            "--rule",
            "head_tail",
            "--threads",
            "1",
        ]
    )
    assert (job.course.batch, job.course.rate, job.course.seed) == (4, 0.001, 7)
    assert (job.reading.window_tokens, job.reading.rule) == (512, "head_tail")
    assert job.threads == 1
    assert len(job.split.train) + len(job.split.held_out) == 40


def test_without_a_word_it_reads_as_the_base_says(arguments: list[str]) -> None:
    assert command.plan(arguments).reading.window_tokens == 2_048


def test_a_job_knows_what_makes_it_another_one(arguments: list[str]) -> None:
    one, other = command.plan(arguments), command.plan([*arguments, "--seed", "8"])
    assert one.about() == command.plan(arguments).about()
    differ = {name for name, value in one.about().items() if other.about()[name] != value}
    assert differ == {"seed"}


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--base", "nowhere"], "--base nowhere is no checkpoint folder"),
        (["--pairs", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--batch", "0"], "batch cannot be 0"),
        (["--window-tokens", "3"], "window_tokens cannot be 3"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], told: str
) -> None:
    assert command.main([*arguments, *extra]) == 2
    said = capsys.readouterr().err
    assert said.startswith("longhand train-reward: ")
    assert told in said


def test_a_bad_line_is_told_with_file_line_and_field(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "x"}\n', encoding="utf-8")
    assert command.main(arguments) == 2
    assert "pairs.jsonl, line 1: chosen is missing" in capsys.readouterr().err


def test_a_job_that_can_begin_is_run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []

    def run(job: Job) -> int:
        jobs.append(job)
        return 0

    module = ModuleType("rewards.training.run")
    vars(module)["run"] = run
    monkeypatch.setitem(sys.modules, "rewards.training.run", module)
    assert command.main(arguments) == 0
    assert [job.base.name for job in jobs] == ["base"]


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in ("batch", "rate", "held-out-share", "template"))


def test_it_is_a_module_to_run_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rewards.training", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("rewards.training", run_name="__main__")
    assert ended.value.code == 0
    assert "longhand train-reward" in capsys.readouterr().out
